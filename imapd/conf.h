/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "imapd" of the configuration. */
#ifndef HK_IMAPD_CONF_H
#define HK_IMAPD_CONF_H

#include <stdint.h>

#include "common/conf.h"
#include "tenants/login.h"

struct imapd_conf {
	struct login_conf login;
	uint64_t login_wait, idle_wait; /* seconds */
	uint64_t connections_max;
	uint64_t message_max; /* octets */
	uint64_t view_memory; /* octets, of mailboxes that nobody has open */
	uint64_t cache_memory, cache_disk;
};

extern const struct conf_section imapd_section;

/* What the table cannot say: names of mechanisms.  ERR_SYNTAX. */
int imapd_conf_check(const void *section, struct err *err);

#endif
