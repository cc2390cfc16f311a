/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/relay_client.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/file.h"
#include "common/packet.h"

#define WAIT_MS 60000
/* Connections that wait for the next message; more are closed. */
#define IDLE_MAX 16
/* relayd may be on its way up again. */
#define TRIES 3

struct relay_client {
	struct relay_options options;
	pthread_mutex_t mutex; /* guards what follows */
	int idle[IDLE_MAX];
	size_t idle_len;
};

int
relay_client_new(const struct relay_options *options,
    struct relay_client **client_out, struct err *err)
{
	struct relay_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	c->options = *options;
	if (c->options.wait_ms == 0)
		c->options.wait_ms = WAIT_MS;
	(void)pthread_mutex_init(&c->mutex, NULL);
	*client_out = c;
	return 0;
}

void
relay_client_free(struct relay_client *c)
{
	if (c == NULL)
		return;
	while (c->idle_len > 0)
		(void)close(c->idle[--c->idle_len]);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}

/* ---- connections ---- */

/* *kept_out: it may have died since. */
static int
take(struct relay_client *c, int *fd_out, bool *kept_out, struct err *err)
{
	*fd_out = -1;
	(void)pthread_mutex_lock(&c->mutex);
	if (c->idle_len > 0)
		*fd_out = c->idle[--c->idle_len];
	(void)pthread_mutex_unlock(&c->mutex);
	*kept_out = *fd_out != -1;
	return *kept_out ? 0 : c->options.connect(c->options.arg, fd_out, err);
}

static void
put(struct relay_client *c, int fd)
{
	(void)pthread_mutex_lock(&c->mutex);
	if (c->idle_len < IDLE_MAX) {
		c->idle[c->idle_len++] = fd;
		fd = -1;
	}
	(void)pthread_mutex_unlock(&c->mutex);
	fd_close(fd);
}

/* ---- a request ---- */

struct request {
	enum outbound_type type;
	struct buf packet;
	int record_fd; /* or -1 */
};

static int
record_memfd(
    const struct span *pieces, size_t count, int *fd_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return err_sys(err, "memfd_create");
	for (size_t i = 0; i < count; i++)
		if (file_write_fd(fd, pieces[i], err) == -1)
			return -1;
	if (fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == -1)
		return err_sys(err, "seal a message");
	*fd_out = fd_steal(&fd);
	return 0;
}

static int
request_make(struct request *r, enum outbound_type type,
    const struct outbound *m, struct span prefix, struct span content,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf head = { .max = OUTBOUND_FIELDS_MAX };
	struct outbound whole = *m;
	struct span pieces[3];
	size_t octets, start;

	*r = (struct request){ .type = type, .record_fd = -1 };
	whole.content_octets = prefix.len + content.len;
	outbound_format(&whole, &head);
	pieces[0] = buf_span(&head);
	pieces[1] = prefix;
	pieces[2] = content;
	octets = head.len + prefix.len + content.len;
	buf_init(&r->packet, PACKET_MAX);
	packet_begin(&r->packet,
	    (struct packet_head){ OUTBOUND_VERSION, (uint8_t)type, 1 });
	if (buf_check(&head, err) == -1)
		return -1;
	if (octets <= OUTBOUND_INLINE_MAX) {
		start = packet_start(&r->packet, OUTBOUND_RECORD);
		for (size_t i = 0; i < 3; i++)
			buf_append(&r->packet, pieces[i]);
		packet_end(&r->packet, start);
	} else {
		if (record_memfd(pieces, 3, &r->record_fd, err) == -1)
			return -1;
		packet_put(&r->packet, OUTBOUND_FD, SPAN_NONE);
	}
	return buf_check(&r->packet, err);
}

static void
request_fini(struct request *r)
{
	buf_fini(&r->packet);
	fd_close(r->record_fd);
}
CLEANUP_DEFINE_VALUE(struct request, request_fini)

static int
answer_take(struct span answer, struct err *err)
{
	struct packet_head head;
	struct span fields, value;
	uint64_t kind = ERR_TEMP;
	char text[200] = "";
	uint8_t tag;

	if (packet_open(answer, OUTBOUND_VERSION, &head, &fields, err) == -1)
		return -1;
	if (head.type == OUTBOUND_OK)
		return 0;
	while (packet_next(&fields, &tag, &value) == PACKET_FIELD) {
		if (tag == OUTBOUND_KIND)
			(void)packet_u64(value, &kind);
		else if (tag == OUTBOUND_TEXT)
			(void)packet_text(value, text, sizeof(text));
	}
	if (kind == ERR_NONE || kind > ERR_CLOSED)
		kind = ERR_TEMP;
	return err_set(err, (enum err_kind)kind, "relayd: %s", text);
}

/* *again_out: nothing is known of its answer. */
static int
ask_once(struct relay_client *c, const struct request *r, bool *again_out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf answer = { .max = PACKET_MAX };
	CLEANUP(fd_close) int fd = -1;
	size_t fds = 0;
	bool kept;

	*again_out = true;
	if (take(c, &fd, &kept, err) == -1)
		return -1;
	if (packet_send(fd, buf_span(&r->packet), &r->record_fd,
		r->record_fd == -1 ? 0 : 1, (int)c->options.wait_ms,
		err) == -1 ||
	    packet_recv(
		fd, &answer, NULL, 0, &fds, (int)c->options.wait_ms, err) == -1)
		return -1;
	*again_out = false;
	put(c, fd_steal(&fd));
	return answer_take(buf_span(&answer), err);
}

static int
ask(struct relay_client *c, enum outbound_type type, const struct outbound *m,
    struct span prefix, struct span content, struct err *err)
{
	CLEANUP(request_fini) struct request r;
	struct err last = ERR_INIT;
	bool again = true;
	int done = -1;

	if (request_make(&r, type, m, prefix, content, err) == -1)
		return -1;
	/* Each kept connection of one that has gone fails once. */
	for (unsigned i = 0; again && i < TRIES + IDLE_MAX && done == -1; i++) {
		err_clear(&last);
		done = ask_once(c, &r, &again, &last);
		if (last.os == ETIMEDOUT)
			break;
	}
	if (done == 0)
		return 0;
	if (last.kind != ERR_LIMIT && last.kind != ERR_POLICY)
		last.kind = ERR_TEMP;
	if (err != NULL)
		*err = last;
	return -1;
}

int
relay_put(struct relay_client *c, const struct relay_message *message,
    struct err *err)
{
	return ask(c, OUTBOUND_PUT, message->m, message->prefix,
	    message->content, err);
}

int
relay_hold(struct relay_client *c, const struct relay_message *message,
    struct err *err)
{
	return ask(c, OUTBOUND_HOLD, message->m, message->prefix,
	    message->content, err);
}

int
relay_release(struct relay_client *c, const struct outbound *m, struct err *err)
{
	return ask(c, OUTBOUND_RELEASE, m, SPAN_NONE, SPAN_NONE, err);
}

int
relay_drop(struct relay_client *c, const struct outbound *m, struct err *err)
{
	return ask(c, OUTBOUND_DROP, m, SPAN_NONE, SPAN_NONE, err);
}
