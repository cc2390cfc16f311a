/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/quarantine_conf.h"

static const struct conf_key quarantine_keys[] = {
	CONF_OCTETS(struct quarantine_conf, read_max, "read-max", "64M", 65536,
	    (uint64_t)256 << 20,
	    "octets of a message in which attachments are counted"),
};

const struct conf_section quarantine_section = {
	.name = "quarantine",
	.keys = quarantine_keys,
	.keys_len = sizeof(quarantine_keys) / sizeof(quarantine_keys[0]),
	.size = sizeof(struct quarantine_conf),
};
