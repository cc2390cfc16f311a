/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "smtpd" of the configuration. */
#ifndef HK_SMTPD_CONF_H
#define HK_SMTPD_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/err.h"

struct smtpd_conf {
	uint64_t message_max;                       /* octets */
	uint64_t recipients_max;                    /* of one message */
	uint64_t command_wait;                      /* seconds */
	uint64_t delivery_wait;                     /* seconds */
	uint64_t data_rate_min;                     /* octets a second */
	uint64_t errors_max, junk_max, unknown_max; /* of one connection */
	uint64_t connections_max;
	uint64_t client_connections_max; /* of one address block; 0: any */
	bool plaintext_auth;
	struct conf_strings mechanisms;
	uint64_t auth_failures_max;
	/* Names of milter sections, in the order in which they judge. */
	struct conf_strings milters_mx, milters_submission;
};

extern const struct conf_section smtpd_section;

/* What the table cannot say: names of mechanisms.  ERR_SYNTAX. */
int smtpd_conf_check(const void *section, struct err *err);

#endif
