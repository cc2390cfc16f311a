/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/metrics_conf.h"

static const struct conf_key metrics_keys[] = {
	CONF_STRINGS(struct metrics_conf, address, "address",
	    "addresses with ports for Prometheus; none: no metrics"),
};
const struct conf_section metrics_section = { "metrics", metrics_keys,
	sizeof(metrics_keys) / sizeof(metrics_keys[0]),
	sizeof(struct metrics_conf) };
