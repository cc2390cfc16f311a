/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "autoreply" of the configuration. */
#ifndef HK_MILTERS_AUTOREPLY_CONF_H
#define HK_MILTERS_AUTOREPLY_CONF_H

#include <stdint.h>

#include "common/conf.h"

struct autoreply_conf {
	uint64_t notice_wait; /* seconds */
};

extern const struct conf_section autoreply_section;

#endif
