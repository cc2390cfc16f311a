/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gathering: what a session takes is collected here while its conn is parked,
 * by the same steps that a take runs.  A step answers true when the result is
 * known; false leaves everything so that the next octets go on where these
 * ended.
 */
#include "common/conn_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/reactor_private.h"

/* ---- input ------------------------------------------------------------------
 */

static struct span
input(const struct conn *c)
{
	return span_from(buf_span(&c->in), c->in_at);
}

static void
input_drop(struct conn *c, size_t len)
{
	c->in_at += len;
	c->in_scanned = 0;
}

/* Reads what is there, up to len; IO_AGAIN also when the turn is over. */
static enum io
read_more(struct conn *c, size_t len)
{
	char *room;
	size_t got;
	enum io io;

	if (!c->readable && !c->eof && !conn_tls_pending(c))
		return IO_AGAIN;
	if (c->turn >= c->turn_max) {
		c->gather_yield = true;
		return IO_AGAIN;
	}
	if (c->in_at > 0) {
		buf_consume(&c->in, c->in_at);
		c->in_at = 0;
	}
	room = buf_reserve(&c->in, len);
	if (room == NULL) {
		conn_fail(c, ERR_TEMP, "out of memory for input");
		c->eof = true;
		return IO_CLOSED;
	}
	io = conn_io_read(c, room, len, &got);
	if (io == IO_OK) {
		buf_commit(&c->in, got);
		/* A flood of tiny records is work, too. */
		c->turn += got < CONN_READ_LEAST ? CONN_READ_LEAST : got;
		c->took += got;
		c->progress_ms = clock_ms();
	}
	return io;
}

bool
conn_input_pending(const struct conn *c)
{
	return c->in.len > c->in_at || conn_tls_pending(c);
}

bool
conn_input_waiting(const struct conn *c)
{
	char octet;

	return conn_input_pending(c) ||
	       recv(c->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

size_t
conn_discard_input(struct conn *c)
{
	size_t len = c->in.len - c->in_at;

	conn_gather_fini(c);
	return len;
}

int
conn_unread(struct conn *c, struct span octets, struct err *err)
{
	struct buf joined;

	buf_init(&joined, c->in.max);
	buf_append(&joined, octets);
	buf_append(&joined, input(c));
	if (buf_check(&joined, err) == -1) {
		buf_fini(&joined);
		return err_prefix(err, "input given back");
	}
	buf_fini(&c->in);
	c->in = joined;
	c->in_at = c->in_scanned = 0;
	return 0;
}

/* ---- lines ---------------------------------------------------------- */

/* Finds the end of a line in *s; false: there is none yet. */
static bool
line_end(struct span s, size_t from, bool lf_ends, bool cr_before,
    size_t *len_out, size_t *total_out)
{
	while (from < s.len) {
		const char *lf = memchr(s.p + from, '\n', s.len - from);
		bool cr;
		size_t at;

		if (lf == NULL)
			return false;
		at = (size_t)(lf - s.p);
		cr = at > 0 ? s.p[at - 1] == '\r' : cr_before;
		if (cr || lf_ends) {
			*len_out = cr && at > 0 ? at - 1 : at;
			*total_out = at + 1;
			return true;
		}
		from = at + 1;
	}
	return false;
}

/* A line over the limit is dropped as it comes. */
static bool
line_skip(struct conn *c)
{
	struct span s = input(c);
	size_t len, total;

	if (line_end(s, 0, c->lf_ends, c->skip_cr, &len, &total)) {
		input_drop(c, total);
		c->result = TAKE_LONG;
		return true;
	}
	if (s.len > 0)
		c->skip_cr = s.p[s.len - 1] == '\r';
	input_drop(c, s.len);
	return false;
}

static bool
line_try(struct conn *c)
{
	struct span s = input(c);
	size_t len, total;

	if (c->skipping)
		return line_skip(c);
	if (line_end(s, c->in_scanned, c->lf_ends, false, &len, &total)) {
		bool fits = total <= c->options.line_max;

		c->line = fits ? span_first(s, len) : SPAN_NONE;
		c->result = fits ? TAKE_OK : TAKE_LONG;
		c->line_total = total;
		return true;
	}
	c->in_scanned = s.len;
	if (s.len < c->options.line_max)
		return false;
	c->skipping = true;
	c->skip_cr = false;
	return line_skip(c);
}

static bool
line_step(struct conn *c)
{
	c->line_total = 0;
	while (!line_try(c)) {
		switch (read_more(c, CONN_READ_CHUNK)) {
		case IO_OK:
			break;
		case IO_AGAIN:
			return false;
		case IO_CLOSED:
			c->result = TAKE_CLOSED;
			return true;
		}
	}
	return true;
}

/* ---- octets and mail data ------------------------------------------- */

static void
sink_write(struct conn *c, struct span octets)
{
	struct err err = ERR_INIT;

	if (c->sink_failed)
		return;
	if (c->sink->write(c->sink, octets, &err) == 0)
		return;
	c->sink_failed = true;
	free(c->err);
	c->err = malloc(sizeof(*c->err));
	if (c->err != NULL)
		*c->err = err;
}

static bool
octets_step(struct conn *c)
{
	while (c->octets_left > 0) {
		struct span s = input(c);

		if (s.len > c->octets_left)
			s.len = (size_t)c->octets_left;
		if (s.len > 0) {
			sink_write(c, s);
			input_drop(c, s.len);
			c->octets_left -= s.len;
			continue;
		}
		switch (read_more(c, CONN_READ_BULK)) {
		case IO_OK:
			break;
		case IO_AGAIN:
			return false;
		case IO_CLOSED:
			c->result = TAKE_CLOSED;
			return true;
		}
	}
	c->result = c->sink_failed ? TAKE_FAILED : TAKE_OK;
	return true;
}

/* Content of mail data; once it is refused it is only read. */
static void
data_content(void *arg, struct span octets)
{
	struct conn *c = arg;

	if (c->data->bad || c->data_long)
		return;
	if (octets.len > c->octets_left) {
		c->data_long = true;
		return;
	}
	c->octets_left -= octets.len;
	sink_write(c, octets);
}

static enum take
data_result(const struct conn *c)
{
	if (c->data->bad)
		return TAKE_BAD;
	if (c->data_long)
		return TAKE_LONG;
	return c->sink_failed ? TAKE_FAILED : TAKE_OK;
}

static bool
data_step(struct conn *c)
{
	while (c->data->state != MAILDATA_END) {
		struct span s = input(c);

		if (s.len > 0) {
			input_drop(c, maildata_take(c->data, s));
			continue;
		}
		switch (read_more(c, CONN_READ_BULK)) {
		case IO_OK:
			break;
		case IO_AGAIN:
			return false;
		case IO_CLOSED:
			c->result = TAKE_CLOSED;
			return true;
		}
	}
	c->result = data_result(c);
	return true;
}

/* ---- gathering while parked ----------------------------------------- */

static bool
gather_step(struct conn *c)
{
	switch (c->want) {
	case WANT_NONE:
		/* Whatever comes is for the session to take. */
		return c->readable || c->eof || conn_input_pending(c);
	case WANT_LINE:
		return line_step(c);
	case WANT_OCTETS:
		return octets_step(c);
	case WANT_DATA:
		return data_step(c);
	}
	return true;
}

enum gather
conn_gather(struct conn *c)
{
	if (!c->gather_yield && !c->gathered)
		c->gathered = gather_step(c);
	if (c->gather_yield) {
		c->gather_yield = false;
		return GATHER_YIELD;
	}
	return c->gathered ? GATHER_DONE : GATHER_WAIT;
}

bool
conn_gather_light(const struct conn *c)
{
	return c->gathered && c->want == WANT_LINE && c->result == TAKE_OK &&
	       c->broken == BROKEN_NO && !c->timed_out &&
	       c->options.service->light != NULL &&
	       c->options.service->light(c->options.session, c->line);
}

uint64_t
conn_gather_deadline(struct conn *c)
{
	uint64_t idle, slow;

	if (c->began_ms == 0)
		c->began_ms = clock_ms();
	if (c->want == WANT_NONE || c->want == WANT_LINE)
		return c->began_ms + c->options.wait_ms;
	idle = c->progress_ms > c->began_ms ? c->progress_ms : c->began_ms;
	idle += c->options.wait_ms;
	if (c->options.min_rate == 0)
		return idle;
	slow = c->began_ms + c->options.wait_ms +
	       c->took * 1000 / c->options.min_rate;
	return slow < idle ? slow : idle;
}

bool
conn_gather_idle(const struct conn *c)
{
	return (c->want == WANT_NONE || c->want == WANT_LINE) && !c->skipping &&
	       c->in.len == c->in_at;
}

void
conn_gather_release(struct conn *c)
{
	if (c->in.len == c->in_at) {
		buf_clear(&c->in);
		c->in_at = c->in_scanned = 0;
	}
	buf_shrink(&c->in);
}

void
conn_gather_forget(struct conn *c)
{
	c->want = WANT_NONE;
	c->gathered = c->skipping = c->skip_cr = false;
	c->sink = NULL;
	c->sink_failed = c->data_long = false;
	c->octets_left = 0;
	c->began_ms = c->progress_ms = c->took = 0;
	free(STEAL(c->data));
}

void
conn_gather_fini(struct conn *c)
{
	conn_gather_forget(c);
	buf_fini(&c->in);
	c->in_at = c->in_scanned = 0;
	c->line = SPAN_NONE;
}

/* ---- takes ---------------------------------------------------------- */

/*
 * Begins or resumes a take.  False: *take_out is the answer, nothing is
 * gathered.
 */
static bool
take_begin(struct conn *c, enum conn_want want, enum take *take_out)
{
	c->asked = true;
	if (c->broken != BROKEN_NO || c->timed_out) {
		*take_out =
		    c->broken == BROKEN_CLOSED ? TAKE_CLOSED : TAKE_TIMEOUT;
		c->timed_out = false;
		conn_gather_forget(c);
		return false;
	}
	if (c->want == WANT_NONE) {
		/* What made us call serve() was any input at all. */
		c->gathered = false;
		c->want = want;
	}
	assert(c->want == want);
	return true;
}

/* Ends a take whose result is known, or says TAKE_MORE. */
static enum take
take_end(struct conn *c, bool done)
{
	enum take result = c->result;

	if (!done) {
		if (c->began_ms == 0)
			c->began_ms = clock_ms();
		return TAKE_MORE;
	}
	conn_gather_forget(c);
	return result;
}

/*
 * A client that sends many commands at once: the others get their turn, and
 * it gets its answers first.
 */
static bool
turn_is_over(const struct conn *c)
{
	if (c->here &&
	    (c->lines >= CONN_LINES_LIGHT || c->out.memory > CONN_OUTPUT_LIGHT))
		return true;
	return c->lines >= CONN_LINES_TURN ||
	       c->out.memory > CONN_OUTPUT_MAX / 2 ||
	       c->out.pieces > CONN_PIECES_MAX / 2;
}

enum take
conn_take_line(struct conn *c, bool lf_ends, struct span *line_out)
{
	enum take result;

	*line_out = SPAN_NONE;
	if (!take_begin(c, WANT_LINE, &result))
		return result;
	c->lf_ends = lf_ends;
	if (!c->gathered && turn_is_over(c)) {
		c->gather_yield = true;
		return take_end(c, false);
	}
	c->gathered = c->gathered || line_step(c);
	if (c->here && c->gathered && !conn_gather_light(c)) {
		c->gather_yield = true; /* a worker will take it */
		return take_end(c, false);
	}
	result = take_end(c, c->gathered);
	if (result == TAKE_OK || result == TAKE_LONG) {
		*line_out = result == TAKE_OK ? c->line : SPAN_NONE;
		input_drop(c, c->line_total);
		c->line_total = 0;
		c->lines++;
	}
	return result;
}

enum take
conn_take_octets(struct conn *c, uint64_t len, struct sink *sink)
{
	bool fresh = c->want == WANT_NONE;
	enum take result;

	if (!take_begin(c, WANT_OCTETS, &result))
		return result;
	if (fresh) {
		c->octets_left = len;
		c->sink = sink;
	}
	return take_end(c, c->gathered || octets_step(c));
}

enum take
conn_take_data(struct conn *c, uint64_t max, struct sink *sink)
{
	bool fresh = c->want == WANT_NONE;
	enum take result;

	if (!take_begin(c, WANT_DATA, &result))
		return result;
	if (fresh) {
		c->data = malloc(sizeof(*c->data));
		if (c->data == NULL) {
			/* Its octets cannot be told from commands. */
			conn_fail(c, ERR_TEMP, "out of memory for mail data");
			conn_output_break(c, BROKEN_CLOSED);
			conn_gather_forget(c);
			return TAKE_FAILED;
		}
		maildata_init(c->data, data_content, c);
		c->octets_left = max;
		c->sink = sink;
	}
	return take_end(c, c->gathered || data_step(c));
}
