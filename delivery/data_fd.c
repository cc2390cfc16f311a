/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HKFD, a command of ours in place of DATA: smtpd has a large message in a file
 * already, and sends its descriptor with the command.  What smtpd puts in front
 * of it follows as so many octets.  Then there is one reply for each recipient,
 * as after the dot.
 *
 * The file is copied: nobody can change or cut it while it is delivered.
 */
#include <string.h>

#include "delivery/lmtp_private.h"

/* Whoever sends this is ours, and out of step with us: there is no telling
 * what it takes the next reply for. */
static void
out_of_step(struct lmtp_session *s, unsigned code, const char *words)
{
	lmtp_reply(s, code, "5.5.1", "%s", words);
	log_error(&s->log, "a message by descriptor is refused",
	    log_str("reason", words));
	s->quit = true;
}

void
lmtp_fd(struct lmtp_session *s, struct span argument)
{
	struct err err = ERR_INIT;

	if (!s->trusted) {
		lmtp_reply(s, 500, "5.5.2", "Command not known");
		return;
	}
	if (lmtp_fd_parse(argument, &s->fd, &err) == -1) {
		out_of_step(s, 501, "HKFD takes three numbers");
		return;
	}
	if (s->recipient_count == 0) {
		out_of_step(s, 503, "No valid recipients");
		return;
	}
	if (s->fd.said > s->conf->message_max) {
		out_of_step(s, 552, "Message too large");
		return;
	}
	spool_fini(&s->spool);
	spool_init(&s->spool, LMTP_MEMORY_MAX, -1);
	s->in_said = true;
}

static bool
too_large(const struct lmtp_session *s)
{
	uint64_t octets;

	return __builtin_add_overflow(s->fd.said, s->fd.octets, &octets) ||
	       octets > s->conf->message_max;
}

static bool
is_bad(struct span message)
{
	const char *p = message.p, *end = p + message.len;

	if (memchr(p, '\0', message.len) != NULL)
		return true;
	for (const char *lf = p;
	     (lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL; lf++)
		if (lf == p || lf[-1] != '\r')
			return true;
	for (const char *cr = p;
	     (cr = memchr(cr, '\r', (size_t)(end - cr))) != NULL; cr++)
		if (cr + 1 == end || cr[1] != '\n')
			return true;
	return false;
}

static void
fd_whole(struct lmtp_session *s)
{
	CLEANUP(fd_close) int fd = conn_take_fd(s->conn);
	struct err err = ERR_INIT;
	struct span message;

	if (fd == -1)
		(void)err_set(&err, ERR_SYNTAX, "no descriptor came");
	if (fd == -1 ||
	    spool_append_file(
		&s->spool, fd, s->fd.offset, s->fd.octets, &err) == -1 ||
	    spool_map(&s->spool, &message, &err) == -1) {
		log_error(&s->log, "mail data lost", log_err(&err));
		lmtp_reply_all(s, "451 4.3.0 Try again later");
	} else if (is_bad(message)) {
		lmtp_reply_all(
		    s, "554 5.6.0 Bare CR, bare LF or NUL in the data");
	} else {
		lmtp_data_whole(s);
	}
}

enum verdict
lmtp_fd_take(struct lmtp_session *s, bool *done_out)
{
	enum take took = conn_take_octets(s->conn, s->fd.said, &s->spool.sink);

	*done_out = took == TAKE_OK || took == TAKE_FAILED;
	if (took == TAKE_MORE)
		return VERDICT_PARK;
	if (!*done_out)
		return VERDICT_CLOSE;
	s->in_said = false;
	if (took == TAKE_OK && !too_large(s)) {
		fd_whole(s);
		return VERDICT_PARK;
	}
	fd_close(conn_take_fd(s->conn));
	if (took == TAKE_FAILED)
		log_error(
		    &s->log, "mail data not kept", log_err(conn_err(s->conn)));
	lmtp_reply_all(s, took == TAKE_FAILED ? "451 4.3.0 Try again later"
					      : "552 5.3.4 Message too large");
	return VERDICT_PARK;
}
