/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "forward" of the configuration. */
#ifndef HK_MILTERS_FORWARD_CONF_H
#define HK_MILTERS_FORWARD_CONF_H

#include <stdint.h>

#include "common/conf.h"

struct forward_conf {
	uint64_t read_max; /* octets */
	uint64_t targets_max;
};

extern const struct conf_section forward_section;

#endif
