/* SPDX-License-Identifier: BSD-2-Clause */
/* The section "metrics", which hikyakud and metricsd read. */
#ifndef HK_MASTER_METRICS_CONF_H
#define HK_MASTER_METRICS_CONF_H

#include "common/conf.h"

struct metrics_conf {
	struct conf_strings address;
};
extern const struct conf_section metrics_section;

#endif
