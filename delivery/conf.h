/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "deliveryd" of the configuration. */
#ifndef HK_DELIVERY_CONF_H
#define HK_DELIVERY_CONF_H

#include <stdint.h>

#include "common/conf.h"

struct deliveryd_conf {
	uint64_t message_max;  /* octets */
	uint64_t command_wait; /* seconds */
	uint64_t recipients_max;
	uint64_t hops_max;
	uint64_t connections_max;
	uint64_t journal_max; /* octets */
};

extern const struct conf_section deliveryd_section;

#endif
