/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/message.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/file.h"

/* Most mail fits, and needs no descriptor then. */
#define TAIL_MAX (128 * 1024)
/* smtpd allows 50,000 recipients at most. */
#define RCPTS_MAX 50000
#define ENVELOPE_MAX (64 * 1024 * 1024)

void
message_init(struct message *m)
{
	*m = (struct message){ .fd = -1, .err = ERR_INIT };
	buf_init(&m->tail, TAIL_MAX);
	arena_init(&m->arena, ENVELOPE_MAX);
}

void
message_reset(struct message *m)
{
	if (m->mapped != NULL)
		(void)munmap(m->mapped, m->mapped_len);
	fd_close(m->fd);
	buf_fini(&m->tail);
	arena_fini(&m->arena);
	message_init(m);
}

/* ---- the envelope
 * ------------------------------------------------------- */

static struct span
without_brackets(struct span path)
{
	if (span_starts(path, SPAN("<")) && span_ends(path, SPAN(">")))
		return span_of(path.p + 1, path.len - 2);
	return path;
}

void
message_sender(struct message *m, const char *path)
{
	m->reverse_path =
	    arena_copy(&m->arena, without_brackets(span_str(path)), &m->err);
}

/* Room doubles: the arena keeps the former ones, as much again in all. */
static int
rcpts_grow(struct message *m)
{
	size_t len = m->rcpts_len, more = len == 0 ? 8 : len * 2;
	struct span *rcpts;

	if (len != 0 && (len < 8 || (len & (len - 1)) != 0))
		return 0;
	if (len >= RCPTS_MAX)
		return err_set(
		    &m->err, ERR_LIMIT, "over %d recipients", RCPTS_MAX);
	rcpts = arena_array(&m->arena, more, sizeof(*rcpts), &m->err);
	if (rcpts == NULL)
		return -1;
	if (len > 0)
		memcpy(rcpts, m->rcpts, len * sizeof(*rcpts));
	m->rcpts = rcpts;
	return 0;
}

void
message_rcpt(struct message *m, const char *path)
{
	struct span copy;

	if (m->err.kind != ERR_NONE || rcpts_grow(m) == -1)
		return;
	copy = arena_copy(&m->arena, span_str(path), &m->err);
	if (copy.p != NULL)
		m->rcpts[m->rcpts_len++] = copy;
}

/* ---- octets ------------------------------------------------------------- */

static void
flush(struct message *m)
{
	if (m->fd == -1)
		m->fd =
		    memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (m->fd == -1)
		(void)err_sys(&m->err, "memfd_create");
	else if (file_write_fd(m->fd, buf_span(&m->tail), &m->err) == 0)
		m->written += m->tail.len;
	buf_clear(&m->tail);
}

static void
append(struct message *m, struct span octets)
{
	m->octets += octets.len;
	if (m->octets > MESSAGE_KEPT_MAX)
		m->cut = true;
	if (m->cut)
		return;
	while (octets.len > 0 && m->err.kind == ERR_NONE) {
		struct span piece = span_first(octets, TAIL_MAX - m->tail.len);

		buf_append(&m->tail, piece);
		octets = span_from(octets, piece.len);
		if (m->tail.len == TAIL_MAX && octets.len > 0)
			flush(m);
	}
}

void
message_field(
    struct message *m, const char *name, const char *value, bool leading_space)
{
	struct span rest = span_str(value), line;

	append(m, span_str(name));
	append(m, leading_space ? SPAN(":") : SPAN(": "));
	while (span_take_until(&rest, '\n', &line)) {
		if (span_ends(line, SPAN("\r")))
			line.len--;
		append(m, line);
		append(m, SPAN("\r\n"));
	}
	append(m, rest);
	append(m, SPAN("\r\n"));
}

void
message_end_of_header(struct message *m)
{
	append(m, SPAN("\r\n"));
	m->header_octets = m->octets;
}

void
message_body(struct message *m, struct span octets)
{
	append(m, octets);
}

static int
check(const struct message *m, struct err *err)
{
	if (m->err.kind == ERR_NONE && m->tail.failed == ERR_NONE)
		return 0;
	if (m->err.kind == ERR_NONE)
		return buf_check(&m->tail, err);
	*err = m->err;
	return -1;
}

int
message_span(struct message *m, struct span *out, struct err *err)
{
	if (m->fd != -1 && m->tail.len > 0)
		flush(m);
	if (check(m, err) == -1)
		return -1;
	if (m->fd == -1) {
		*out = m->tail.len == 0 ? SPAN("") : buf_span(&m->tail);
		return 0;
	}
	if (m->mapped == NULL) {
		void *p = mmap(
		    NULL, (size_t)m->written, PROT_READ, MAP_SHARED, m->fd, 0);

		if (p == MAP_FAILED)
			return err_sys(err, "mmap a message");
		m->mapped = p;
		m->mapped_len = (size_t)m->written;
	}
	*out = span_of(m->mapped, m->mapped_len);
	return 0;
}

int
message_memfd(struct message *m, int *fd_out, struct err *err)
{
	if (m->fd == -1 || m->tail.len > 0)
		flush(m);
	if (check(m, err) == -1)
		return -1;
	/* Whoever gets it can neither change nor shorten it under a reader. */
	if (fcntl(m->fd, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == -1)
		return err_sys(err, "seals of a message");
	*fd_out = m->fd;
	return 0;
}
