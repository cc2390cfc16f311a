/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/forward_conf.h"

static const struct conf_key forward_keys[] = {
	CONF_OCTETS(struct forward_conf, read_max, "read-max", "64M", 65536,
	    (uint64_t)256 << 20,
	    "octets of a message in which attachments are counted"),
	/* Within the platform a target may forward in turn. */
	CONF_COUNT(struct forward_conf, targets_max, "targets-max", "100", 1,
	    1000, "addresses that one recipient's mail may go to"),
};

const struct conf_section forward_section = {
	.name = "forward",
	.keys = forward_keys,
	.keys_len = sizeof(forward_keys) / sizeof(forward_keys[0]),
	.size = sizeof(struct forward_conf),
};
