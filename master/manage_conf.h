/* SPDX-License-Identifier: BSD-2-Clause */
/* The section "manage": how the hikyaku command edits the directory. */
#ifndef HK_MASTER_MANAGE_CONF_H
#define HK_MASTER_MANAGE_CONF_H

#include <stdint.h>

#include "common/conf.h"
#include "common/err.h"

struct manage_conf {
	char *uri; /* "": as tenantd */
	char *bind_dn;
	char *password_file; /* "": ask */
	uint64_t undelete_days;
};

extern const struct conf_section manage_section;

/* What the table cannot say: absolute paths. */
int manage_conf_check(
    const struct manage_conf *conf, const char *file, struct err *err);

#endif
