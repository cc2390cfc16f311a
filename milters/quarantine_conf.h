/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "quarantine" of the configuration. */
#ifndef HK_MILTERS_QUARANTINE_CONF_H
#define HK_MILTERS_QUARANTINE_CONF_H

#include <stdint.h>

#include "common/conf.h"

struct quarantine_conf {
	uint64_t read_max; /* octets */
};

extern const struct conf_section quarantine_section;

#endif
