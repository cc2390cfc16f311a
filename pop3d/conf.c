/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/conf.h"

static const struct conf_key pop3d_keys[] = {
	LOGIN_CONF_KEYS(struct pop3d_conf, login),
	/* RFC 1939 section 3: an autologout timer is of 10 minutes or more. */
	CONF_SECONDS(struct pop3d_conf, command_wait, "command-wait", "10m",
	    600, 86400, "a connection without a command is closed after this"),
	CONF_COUNT(struct pop3d_conf, connections_max, "connections-max",
	    "20000", 1, 1000000, "connections at a time of one process"),
	CONF_OCTETS(struct pop3d_conf, view_memory, "view-memory", "32M", 0,
	    UINT64_C(4096) * 1024 * 1024,
	    "memory of a session process for mailboxes that nobody has open"),
	CONF_BOOL(struct pop3d_conf, mark_seen, "mark-seen", "yes",
	    "QUIT marks the messages that were retrieved as seen"),
	CONF_BOOL(struct pop3d_conf, apop, "apop", "no",
	    "the greeting has the timestamp that APOP needs"),
};

const struct conf_section pop3d_section = {
	.name = "pop3d",
	.keys = pop3d_keys,
	.keys_len = sizeof(pop3d_keys) / sizeof(pop3d_keys[0]),
	.size = sizeof(struct pop3d_conf),
};
