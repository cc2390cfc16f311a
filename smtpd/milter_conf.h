/* SPDX-License-Identifier: BSD-2-Clause */
/* Sections "milter NAME" of the configuration. */
#ifndef HK_SMTPD_MILTER_CONF_H
#define HK_SMTPD_MILTER_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/conf.h"
#include "common/err.h"

/* What becomes of a message that a milter did not judge. */
enum milter_failure {
	MILTER_FAIL_TEMPFAIL,
	MILTER_FAIL_ACCEPT,
	MILTER_FAIL_REJECT,
	MILTER_FAIL_QUARANTINE,
	MILTER_FAIL_SHUTDOWN, /* 421, and the connection ends */
};

struct milter_conf {
	char *socket;
	unsigned protocol; /* index: see milter_conf_version */
	unsigned failure;  /* enum milter_failure */
	uint64_t connect_wait, command_wait, content_wait, end_wait; /* s */
	uint64_t connections_max, spare;
	uint64_t size_max;  /* octets of a message it is shown; 0: any */
	bool numbers_shift; /* deleting a field renumbers its namesakes */
	bool pipeline;      /* it takes events before it answered others */
	bool ours;          /* its parameters of recipients are taken */
	/* Whose recipients alone it is shown; empty: all. */
	struct conf_strings tenants;
};

extern const struct conf_section milter_section;

/* 2, 3, 4 or 6. */
unsigned milter_conf_version(const struct milter_conf *conf);

/*
 * Where a milter listens, in the spelling of Sendmail or of Postfix:
 *
 *	unix:/path  local:/path  /path
 *	inet:port@host  inet6:port@host  inet:host:port  inet:[host]:port
 *
 * host is an address, or "localhost" (127.0.0.1; ::1 behind inet6).
 * Errors: ERR_SYNTAX, what stood there and what was expected.
 */
int milter_socket_parse(const char *text, struct sockaddr_storage *out,
    socklen_t *len_out, struct err *err);

/* What the tables cannot say: sockets, and that chains name milters. */
struct smtpd_conf;
int milter_conf_check(const void *section,
    const struct conf_titled_list *milters, struct err *err);

#endif
