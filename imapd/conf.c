/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/conf.h"

#define MEGA (UINT64_C(1024) * 1024)

static const struct conf_key imapd_keys[] = {
	LOGIN_CONF_KEYS(struct imapd_conf, login),
	/* RFC 9051 section 5.4 lets it be shorter before login. */
	CONF_SECONDS(struct imapd_conf, login_wait, "login-wait", "3m", 10,
	    3600, "a connection that has not logged in is closed after this"),
	/* RFC 9051 section 5.4: 30 minutes or more; idling clients come back
	 * after 29 (RFC 2177 section 3). */
	CONF_SECONDS(struct imapd_conf, idle_wait, "command-wait", "30m", 1800,
	    86400, "a session without a command is closed after this"),
	CONF_COUNT(struct imapd_conf, connections_max, "connections-max",
	    "20000", 1, 1000000, "connections at a time of one process"),
	CONF_OCTETS(struct imapd_conf, view_memory, "view-memory", "32M", 0,
	    4096 * MEGA,
	    "memory of a session process for mailboxes that nobody has open"),
	CONF_OCTETS(struct imapd_conf, cache_memory, "cache-memory", "16M",
	    1024 * 1024, 4096 * MEGA,
	    "memory of a session process's message cache, while it is used"),
	CONF_OCTETS(struct imapd_conf, cache_disk, "cache-disk", "1G", 0,
	    1024 * 1024 * MEGA,
	    "disk of a session process's message cache; 0: no cache"),
	CONF_OCTETS(struct imapd_conf, message_max, "message-max", "64M", 65536,
	    1024 * MEGA,
	    "octets of an appended message, where the tenant says nothing"),
};

const struct conf_section imapd_section = {
	.name = "imapd",
	.keys = imapd_keys,
	.keys_len = sizeof(imapd_keys) / sizeof(imapd_keys[0]),
	.size = sizeof(struct imapd_conf),
};
