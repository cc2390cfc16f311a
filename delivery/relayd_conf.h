/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "relayd" of the configuration. */
#ifndef HK_DELIVERY_RELAYD_CONF_H
#define HK_DELIVERY_RELAYD_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/err.h"

struct relayd_conf {
	uint64_t journal_max, disk_reserve; /* octets */
	uint64_t retry_min, retry_max;      /* seconds, as all times here */
	uint64_t site_retry_min, site_retry_max;
	uint64_t expire, expire_report, delay_notice;
	uint64_t connections_max, site_connections_max;
	uint64_t recipients_max, session_messages_max, hops_max;
	uint64_t connect_wait, answer_wait, data_wait, dns_wait;
	uint64_t port;
	bool private_addresses, dnssec;
	struct conf_strings resolvers, trust_anchors, transports;
};

extern const struct conf_section relayd_section;

/* What the table cannot say: transports and resolvers.  ERR_SYNTAX. */
int relayd_conf_check(const void *section, struct err *err);

#endif
