/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/conf.h"

static const struct conf_key smtpd_keys[] = {
	/* Offered as SIZE, RFC 1870. */
	CONF_OCTETS(struct smtpd_conf, message_max, "message-max", "35M", 65536,
	    (uint64_t)2 << 30, "largest message, offered as SIZE"),
	/* RFC 5321 section 4.5.3.1.8 asks for 100 or more. */
	CONF_COUNT(struct smtpd_conf, recipients_max, "recipients-max", "1000",
	    100, 50000, "recipients of one message"),
	/* RFC 5321 section 4.5.3.2.7 asks for five minutes or more. */
	CONF_SECONDS(struct smtpd_conf, command_wait, "command-wait", "5m", 5,
	    3600, "a whole command must arrive within this"),
	/* deliveryd itself waits up to 13 seconds; see lmtp_client.c. */
	CONF_SECONDS(struct smtpd_conf, delivery_wait, "delivery-wait", "20s",
	    1, 300,
	    "deliveryd must answer to a message within this (a large one has "
	    "longer); read at the start"),
	CONF_OCTETS(struct smtpd_conf, data_rate_min, "data-rate-min", "500", 0,
	    1 << 20,
	    "mail data that comes slower (octets a second) ends the "
	    "connection"),
	CONF_COUNT(struct smtpd_conf, errors_max, "errors-max", "20", 1, 10000,
	    "errors after which a connection is closed"),
	CONF_COUNT(struct smtpd_conf, junk_max, "junk-max", "100", 10, 100000,
	    "commands that lead nowhere (NOOP, RSET, VRFY, ...) between two "
	    "messages"),
	CONF_COUNT(struct smtpd_conf, unknown_max, "unknown-max", "10", 1,
	    10000, "unknown recipients after which a connection is closed"),
	CONF_COUNT(struct smtpd_conf, connections_max, "connections-max",
	    "5000", 1, 1000000, "connections at a time"),
	CONF_COUNT(struct smtpd_conf, client_connections_max,
	    "client-connections-max", "100", 0, 1000000,
	    "connections at a time of one client (IPv6: of one /64); 0: any "
	    "number"),
	CONF_BOOL(struct smtpd_conf, plaintext_auth, "plaintext-auth", "no",
	    "offer AUTH on submission connections without TLS"),
	CONF_STRINGS(struct smtpd_conf, mechanisms, "mechanisms",
	    "SASL mechanisms offered, best first"),
	CONF_COUNT(struct smtpd_conf, auth_failures_max, "auth-failures-max",
	    "5", 1, 100, "failed AUTH after which a connection is closed"),
	CONF_STRINGS(struct smtpd_conf, milters_mx, "milters-mx",
	    "milters that judge mail from other hosts, in order"),
	CONF_STRINGS(struct smtpd_conf, milters_submission,
	    "milters-submission",
	    "milters that judge mail from users, in order"),
};

const struct conf_section smtpd_section = {
	.name = "smtpd",
	.keys = smtpd_keys,
	.keys_len = sizeof(smtpd_keys) / sizeof(smtpd_keys[0]),
	.size = sizeof(struct smtpd_conf),
};
