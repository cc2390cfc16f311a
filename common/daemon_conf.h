/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of the top level and of the section "tls", which hikyakud and
 * every daemon read.
 */
#ifndef HK_COMMON_DAEMON_CONF_H
#define HK_COMMON_DAEMON_CONF_H

#include "common/daemon.h"

extern const struct conf_section daemon_top_section;
extern const struct conf_section daemon_tls_section;

/*
 * What the tables cannot say: absolute paths, the range of uids, host name.
 * Fills hostname from the system when the file has none.
 */
int daemon_conf_check(
    struct daemon_conf *conf, const char *file, struct err *err);

/* "200000-299999"; false when it has another form or the range is empty. */
bool daemon_uid_range(const char *text, uid_t *low_out, uid_t *high_out);

#endif
