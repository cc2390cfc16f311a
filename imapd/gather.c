/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/gather.h"

#include "imapd/command.h"

/* A refused literal larger than this is not read to its end. */
#define SKIP_MAX ((uint64_t)256 * 1024 * 1024)

static int
memory_write(struct sink *sink, struct span octets, struct err *err)
{
	struct imap_session *s =
	    (struct imap_session *)((char *)sink -
				    offsetof(struct imap_session, sink));

	buf_append(&s->command, octets);
	return buf_check(&s->command, err);
}

static int
nothing_write(struct sink *sink, struct span octets, struct err *err)
{
	(void)sink;
	(void)octets;
	(void)err;
	return 0;
}

void
gather_reset(struct imap_session *s)
{
	s->gather = GATHER_LINE;
	s->refused = false;
	append_free(s->append);
	s->append = NULL;
	buf_clear(&s->command);
	if (!conn_input_pending(s->conn))
		buf_shrink(&s->command);
}

/* False: too large; s->refusal says so. */
static bool
memory_literal(struct imap_session *s, uint64_t octets)
{
	if (octets > IMAP_COMMAND_MAX - s->command.len) {
		session_code(s, "TOOBIG");
		(void)err_set(&s->refusal, ERR_LIMIT, "Literal too large");
		return false;
	}
	s->gather = GATHER_MEMORY;
	s->sink.write = memory_write;
	return true;
}

/* What to do with the literal that ends the line. */
static bool
literal_accept(struct imap_session *s, uint64_t octets)
{
	if (s->refused || s->append != NULL)
		return memory_literal(s, octets);
	switch (append_literal(s, octets)) {
	case APPEND_MESSAGE:
		s->gather = GATHER_APPEND;
		return true;
	case APPEND_ARGUMENT:
		return memory_literal(s, octets);
	case APPEND_REFUSED:
		break;
	}
	return false;
}

/* The line in s->command ends with a literal. */
static enum gathered
literal_begin(struct imap_session *s, const struct imap_announced *announced)
{
	bool accepted = literal_accept(s, announced->octets);

	s->literal_octets = announced->octets;
	if (!accepted) {
		s->refused = true;
		if (announced->synchronizing)
			return GATHERED_REFUSED;
		if (announced->octets > SKIP_MAX)
			return GATHERED_CLOSED;
		s->gather = GATHER_SKIP;
		s->sink.write = nothing_write;
	}
	buf_append(&s->command, SPAN("\r\n"));
	if (announced->synchronizing)
		conn_write(s->conn, SPAN("+ OK\r\n"));
	return GATHERED_MORE;
}

static enum gathered
take_problem(enum take take)
{
	switch (take) {
	case TAKE_MORE:
		return GATHERED_MORE;
	case TAKE_TIMEOUT:
		return GATHERED_TIMEOUT;
	case TAKE_LONG:
		return GATHERED_LONG;
	default:
		return GATHERED_CLOSED;
	}
}

/* GATHERED_MORE in *out with true: go on gathering. */
static bool
line_gather(struct imap_session *s, enum gathered *out)
{
	struct imap_announced announced;
	struct span line;
	enum take take = conn_take_line(s->conn, true, &line);

	if (take != TAKE_OK) {
		*out = take_problem(take);
		return false;
	}
	buf_append(&s->command, line);
	if (s->command.failed != ERR_NONE) {
		(void)buf_check(&s->command, &s->refusal);
		s->refused = true;
	}
	if (s->idling) {
		*out = GATHERED_IDLE;
		return false;
	}
	if (!imap_literal_announced(line, &announced)) {
		*out = s->refused ? GATHERED_REFUSED : GATHERED_COMMAND;
		return false;
	}
	*out = literal_begin(s, &announced);
	return *out == GATHERED_MORE;
}

static bool
octets_gather(struct imap_session *s, enum gathered *out)
{
	struct sink *sink =
	    s->gather == GATHER_APPEND ? append_sink(s->append) : &s->sink;
	enum take take = conn_take_octets(s->conn, s->literal_octets, sink);

	if (take == TAKE_FAILED) {
		s->refusal = *conn_err(s->conn);
		s->refused = true;
	} else if (take != TAKE_OK) {
		*out = take_problem(take);
		return false;
	}
	s->gather = GATHER_LINE;
	return true;
}

enum gathered
gather(struct imap_session *s)
{
	enum gathered out = GATHERED_MORE;

	while (s->gather == GATHER_LINE ? line_gather(s, &out)
					: octets_gather(s, &out))
		;
	return out;
}
