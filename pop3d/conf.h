/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "pop3d" of the configuration. */
#ifndef HK_POP3D_CONF_H
#define HK_POP3D_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "tenants/login.h"

struct pop3d_conf {
	struct login_conf login;
	uint64_t command_wait; /* seconds */
	uint64_t connections_max;
	uint64_t view_memory; /* octets, of mailboxes that nobody has open */
	bool mark_seen;
	bool apop; /* a timestamp in the greeting */
};

extern const struct conf_section pop3d_section;

/* What the table cannot say: names of mechanisms.  ERR_SYNTAX. */
int pop3d_conf_check(const void *section, struct err *err);

#endif
