/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/autoreply_conf.h"

static const struct conf_key autoreply_keys[] = {
	/* A busy correspondence rings the telephone once. */
	CONF_SECONDS(struct autoreply_conf, notice_wait, "notice-wait", "5m", 1,
	    86400, "until mail of the same sender is notified again"),
};

const struct conf_section autoreply_section = {
	.name = "autoreply",
	.keys = autoreply_keys,
	.keys_len = sizeof(autoreply_keys) / sizeof(autoreply_keys[0]),
	.size = sizeof(struct autoreply_conf),
};
