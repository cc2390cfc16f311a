/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/conf.h"

static const struct conf_key deliveryd_keys[] = {
	/* A little above smtpd's default: trace fields have been added. */
	CONF_OCTETS(struct deliveryd_conf, message_max, "message-max", "36M",
	    65536, (uint64_t)2 << 30, "largest message, offered as SIZE"),
	/* RFC 5321 section 4.5.3.2.7 asks for five minutes or more. */
	CONF_SECONDS(struct deliveryd_conf, command_wait, "command-wait", "5m",
	    10, 86400, "a connection without a command is closed after this"),
	/* RFC 5321 section 4.5.3.1.8 asks for 100 or more. */
	CONF_COUNT(struct deliveryd_conf, recipients_max, "recipients-max",
	    "1000", 100, 50000, "recipients of one message"),
	/* RFC 5321 section 6.3 asks for 100 or more. */
	CONF_COUNT(struct deliveryd_conf, hops_max, "hops-max", "100", 10, 1000,
	    "a message with so many Received fields is in a loop"),
	CONF_COUNT(struct deliveryd_conf, connections_max, "connections-max",
	    "1000", 1, 100000, "connections at a time"),
	/* Some 60,000 messages of 4 KB on their way into mailboxes. */
	CONF_OCTETS(struct deliveryd_conf, journal_max, "journal-max", "256M",
	    12 * 1024 * 1024, (uint64_t)16 << 30,
	    "room of the journal in the store; read at the start"),
};

const struct conf_section deliveryd_section = {
	.name = "deliveryd",
	.keys = deliveryd_keys,
	.keys_len = sizeof(deliveryd_keys) / sizeof(deliveryd_keys[0]),
	.size = sizeof(struct deliveryd_conf),
};
