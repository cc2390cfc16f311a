/* SPDX-License-Identifier: BSD-2-Clause */
/* The section "store": what is done to mailboxes at night. */
#ifndef HK_MASTER_STORE_CONF_H
#define HK_MASTER_STORE_CONF_H

#include <stdint.h>

#include "common/conf.h"
#include "common/err.h"

struct store_conf {
	char *purge_at; /* "03:00", or "never" */
	uint64_t purge_rate;
	uint64_t purge_for; /* seconds */
};

extern const struct conf_section store_section;

int store_conf_check(
    const struct store_conf *conf, const char *file, struct err *err);

/* Minutes since midnight; -1: never. */
int store_conf_purge_at(const struct store_conf *conf);

#endif
