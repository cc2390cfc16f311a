/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/handover.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/packet.h"

enum {
	PEERS_MAX = 1024,
	SEND_WAIT_MS = 10000,
	ROWS_MAX = 60000, /* octets of a packet of rows */
};
#define STACK_OCTETS ((size_t)256 * 1024)
#define SEALS (F_SEAL_SHRINK | F_SEAL_WRITE)

struct handover_peer {
	struct handover *handover;
	struct handover_peer *next, **link;
	int fd;
};

struct handover {
	struct daemon *daemon;
	struct queue *queue;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t gone_cond;
	struct handover_peer *peers;
	unsigned count;
	bool stopping;
};

/* A request that came, with what it carries. */
struct request {
	struct packet_head head;
	struct span record;
	void *map;
	size_t map_len;
	char texts[5][OUTBOUND_TEXT_MAX + 1]; /* OUTBOUND_BY_... */
	struct queue_filter filter;
	bool all;
	uint64_t limit;
};

/* ---- answers ---- */

static int
answer(int fd, uint32_t serial, enum outbound_type type,
    void (*fields)(struct buf *b, const void *arg), const void *arg)
{
	CLEANUP(buf_fini) struct buf b = { .max = PACKET_MAX };
	struct err err = ERR_INIT;

	packet_begin(&b,
	    (struct packet_head){ OUTBOUND_VERSION, (uint8_t)type, serial });
	if (fields != NULL)
		fields(&b, arg);
	if (buf_check(&b, &err) == -1)
		return -1;
	return packet_send(fd, buf_span(&b), NULL, 0, SEND_WAIT_MS, &err);
}

static void
put_err(struct buf *b, const void *arg)
{
	const struct err *why = arg;

	packet_put_u64(b, OUTBOUND_KIND, (uint64_t)why->kind);
	packet_put_str(b, OUTBOUND_TEXT, why->text);
}

static void
put_count(struct buf *b, const void *arg)
{
	packet_put_u64(b, OUTBOUND_COUNT, *(const uint64_t *)arg);
}

static void
put_text(struct buf *b, const void *arg)
{
	packet_put(b, OUTBOUND_TEXT, *(const struct span *)arg);
}

static int
answer_done(int fd, uint32_t serial, int done, const struct err *why)
{
	return done == 0 ? answer(fd, serial, OUTBOUND_OK, NULL, NULL)
			 : answer(fd, serial, OUTBOUND_ERROR, put_err, why);
}

/* ---- smtpd's side ---- */

static int
handover_request(struct queue *q, int fd, const struct request *r)
{
	CLEANUP(outbound_fini) struct outbound parsed = { .count = 0 };
	struct err err = ERR_INIT;
	int done;

	switch ((enum outbound_type)r->head.type) {
	case OUTBOUND_HOLD:
	case OUTBOUND_PUT:
		done = queue_put(
		    q, r->record, r->head.type == OUTBOUND_HOLD, &err);
		break;
	case OUTBOUND_RELEASE:
		done = queue_release(q, r->record, &err);
		break;
	case OUTBOUND_DROP:
		done = outbound_parse(r->record, &parsed, &err);
		if (done == 0)
			done = queue_drop(q, parsed.id, &err);
		break;
	default:
		done = err_set(&err, ERR_SYNTAX, "no such request");
		break;
	}
	if (done == -1)
		log_warning(&log_process, "message not taken",
		    log_u64("request", r->head.type), log_err(&err));
	return answer_done(fd, r->head.serial, done, &err);
}

/* ---- the command's side ---- */

struct rows {
	int fd;
	uint32_t serial;
	struct buf text;
	bool failed;
};

static void
rows_flush(struct rows *rows)
{
	struct span text = buf_span(&rows->text);

	if (text.len > 0 && !rows->failed)
		rows->failed = answer(rows->fd, rows->serial, OUTBOUND_ROWS,
				   put_text, &text) == -1;
	buf_clear(&rows->text);
}

static void
rows_put(void *arg, struct span line)
{
	struct rows *rows = arg;

	if (rows->text.len + line.len + 1 > ROWS_MAX)
		rows_flush(rows);
	buf_append(&rows->text, line);
	buf_append_octet(&rows->text, '\n');
}

static int
admin_list(struct queue *q, int fd, const struct request *r)
{
	struct rows rows = { .fd = fd, .serial = r->head.serial };
	struct err err = ERR_INIT;
	uint64_t count = 0;
	int done;

	buf_init(&rows.text, ROWS_MAX + 4 * OUTBOUND_TEXT_MAX);
	done =
	    queue_list(q, &r->filter, r->limit, rows_put, &rows, &count, &err);
	rows_flush(&rows);
	buf_fini(&rows.text);
	if (rows.failed)
		return -1;
	return done == 0
		   ? answer(fd, r->head.serial, OUTBOUND_OK, put_count, &count)
		   : answer_done(fd, r->head.serial, done, &err);
}

static int
admin_show(struct queue *q, int fd, const struct request *r)
{
	CLEANUP(buf_fini) struct buf text = { .max = 64 * 1024 * 1024 };
	struct rows rows = { .fd = fd, .serial = r->head.serial };
	struct span rest, line;
	struct err err = ERR_INIT;

	if (r->filter.id == NULL)
		(void)err_set(&err, ERR_SYNTAX, "no id");
	if (r->filter.id == NULL ||
	    queue_show(q, r->filter.id, &text, &err) == -1 ||
	    buf_check(&text, &err) == -1)
		return answer_done(fd, r->head.serial, -1, &err);
	buf_init(&rows.text, ROWS_MAX + 4 * OUTBOUND_TEXT_MAX);
	rest = buf_span(&text);
	while (span_take_until(&rest, '\n', &line))
		rows_put(&rows, line);
	rows_flush(&rows);
	buf_fini(&rows.text);
	return rows.failed ? -1 : answer_done(fd, r->head.serial, 0, &err);
}

static int
admin_act(
    struct queue *q, int fd, const struct request *r, enum queue_action action)
{
	const struct queue_filter *f = &r->filter;
	struct err err = ERR_INIT;
	uint64_t count = 0;

	if (!r->all && f->id == NULL && f->sender == NULL &&
	    f->domain == NULL && f->site == NULL && f->tenant == NULL)
		(void)err_set(&err, ERR_SYNTAX, "which messages?");
	else if (queue_act(q, f, action, &count, &err) == 0)
		return answer(
		    fd, r->head.serial, OUTBOUND_OK, put_count, &count);
	return answer_done(fd, r->head.serial, -1, &err);
}

static int
admin_request(struct queue *q, int fd, const struct request *r)
{
	static const struct {
		uint8_t type;
		enum queue_action action;
	} actions[] = {
		{ OUTBOUND_FLUSH, QUEUE_FLUSH },
		{ OUTBOUND_QUEUE_HOLD, QUEUE_HOLD },
		{ OUTBOUND_QUEUE_RELEASE, QUEUE_LET_GO },
		{ OUTBOUND_DELETE, QUEUE_DELETE },
		{ OUTBOUND_REQUEUE, QUEUE_REQUEUE },
	};
	struct err err = ERR_INIT;

	if (r->head.type == OUTBOUND_LIST)
		return admin_list(q, fd, r);
	if (r->head.type == OUTBOUND_SHOW)
		return admin_show(q, fd, r);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (actions[i].type == r->head.type)
			return admin_act(q, fd, r, actions[i].action);
	(void)err_set(&err, ERR_SYNTAX, "no such request");
	return answer_done(fd, r->head.serial, -1, &err);
}

/* ---- requests ---- */

static int
map_record(int fd, struct request *r, struct err *err)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals == -1 || (seals & SEALS) != SEALS || fstat(fd, &st) == -1 ||
	    st.st_size <= 0)
		return err_set(err, ERR_SYNTAX, "no sealed memory came");
	r->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return err_sys(err, "map a record");
	}
	r->map_len = (size_t)st.st_size;
	r->record = span_of(r->map, r->map_len);
	return 0;
}

static int
take_filter(struct request *r, uint8_t tag, struct span value)
{
	const char **to[] = { &r->filter.id, &r->filter.sender,
		&r->filter.domain, &r->filter.site, &r->filter.tenant };
	size_t i = tag - (size_t)OUTBOUND_BY_ID;

	if (!packet_text(value, r->texts[i], sizeof(r->texts[i])))
		return -1;
	*to[i] = r->texts[i];
	return 0;
}

static int
take_fields(struct request *r, struct span fields, int fd, struct err *err)
{
	enum packet_next next;
	struct span value;
	uint8_t tag;

	while ((next = packet_next(&fields, &tag, &value)) == PACKET_FIELD) {
		int done = 0;

		if (tag == OUTBOUND_RECORD)
			r->record = value;
		else if (tag == OUTBOUND_FD)
			done = map_record(fd, r, err);
		else if (tag >= OUTBOUND_BY_ID && tag <= OUTBOUND_BY_TENANT)
			done = take_filter(r, tag, value);
		else if (tag == OUTBOUND_ALL)
			r->all = true;
		else if (tag == OUTBOUND_LIMIT)
			done = packet_u64(value, &r->limit) ? 0 : -1;
		if (done == -1)
			return err_set(err, ERR_SYNTAX, "malformed field %u",
			    (unsigned)tag);
	}
	return next == PACKET_END ? 0
				  : err_set(err, ERR_SYNTAX, "fields cut off");
}

/* One request; -1: the connection ends. */
static int
serve_one(struct handover *h, int fd, struct buf *packet, bool first,
    bool *restricted)
{
	CLEANUP(mem_free) struct request *r = calloc(1, sizeof(*r));
	CLEANUP(fd_close) int came = -1;
	struct err err = ERR_INIT;
	struct span fields;
	size_t fds = 0;
	int done = -1;

	if (r == NULL ||
	    packet_recv(fd, packet, &came, 1, &fds, -1, &err) == -1)
		return -1;
	if (packet_open(buf_span(packet), OUTBOUND_VERSION, &r->head, &fields,
		&err) == -1) {
		log_error(&log_process, "socket closed", log_err(&err));
		return -1;
	}
	if (first && r->head.type == OUTBOUND_HANDOVER) {
		*restricted = true;
		return 0;
	}
	if (take_fields(r, fields, came, &err) == -1)
		done = answer_done(fd, r->head.serial, -1, &err);
	else if (*restricted)
		done = handover_request(h->queue, fd, r);
	else
		done = admin_request(h->queue, fd, r);
	if (r->map != NULL)
		(void)munmap(r->map, r->map_len);
	return done;
}

static void
peer_gone(struct handover_peer *p)
{
	struct handover *h = p->handover;

	(void)pthread_mutex_lock(&h->mutex);
	*p->link = p->next;
	if (p->next != NULL)
		p->next->link = p->link;
	h->count--;
	(void)close(p->fd);
	(void)pthread_cond_signal(&h->gone_cond);
	(void)pthread_mutex_unlock(&h->mutex);
	free(p);
}

static void *
peer_run(void *arg)
{
	struct handover_peer *p = arg;
	CLEANUP(buf_fini) struct buf packet = { .max = PACKET_MAX };
	bool restricted = false;

	for (bool first = true;
	     serve_one(p->handover, p->fd, &packet, first, &restricted) == 0;
	     first = false)
		;
	peer_gone(p);
	return NULL;
}

static int
peer_start(struct handover_peer *p)
{
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_OCTETS);
	failed = pthread_create(&thread, &attr, peer_run, p);
	(void)pthread_attr_destroy(&attr);
	return failed;
}

static void
accepted(struct reactor *r, int fd, void *arg)
{
	struct handover *h = arg;
	struct handover_peer *p = calloc(1, sizeof(*p));
	int room = 4 * PACKET_MAX;

	(void)r;
	/* The thread waits; the listener's descriptors do not. */
	if (p == NULL ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == -1) {
		(void)close(fd);
		free(p);
		return;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	p->handover = h;
	p->fd = fd;
	(void)pthread_mutex_lock(&h->mutex);
	p->next = h->peers;
	p->link = &h->peers;
	if (h->peers != NULL)
		h->peers->link = &p->next;
	h->peers = p;
	h->count++;
	if (h->stopping || h->count > PEERS_MAX || peer_start(p) != 0) {
		(void)pthread_mutex_unlock(&h->mutex);
		log_error(&log_process, "a socket is not served");
		peer_gone(p);
		return;
	}
	(void)pthread_mutex_unlock(&h->mutex);
}

/* ---- the process ---- */

int
handover_new(
    struct daemon *d, struct queue *q, struct handover **h_out, struct err *err)
{
	struct handover *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	h->daemon = d;
	h->queue = q;
	(void)pthread_mutex_init(&h->mutex, NULL);
	(void)pthread_cond_init(&h->gone_cond, NULL);
	*h_out = h;
	return 0;
}

int
handover_start(struct handover *h, struct reactor *r, struct err *err)
{
	const struct daemon_listener *listeners;
	size_t count = daemon_listeners(h->daemon, &listeners);

	for (size_t i = 0; i < count; i++) {
		struct reactor_listener l = {
			.fd = listeners[i].fd,
			.accepted = accepted,
			.arg = h,
		};

		if (reactor_listen(r, &l, err) == -1)
			return -1;
	}
	return 0;
}

void
handover_stop(struct handover *h)
{
	if (h == NULL)
		return;
	(void)pthread_mutex_lock(&h->mutex);
	h->stopping = true;
	for (struct handover_peer *p = h->peers; p != NULL; p = p->next)
		(void)shutdown(p->fd, SHUT_RD);
	while (h->count > 0)
		(void)pthread_cond_wait(&h->gone_cond, &h->mutex);
	(void)pthread_mutex_unlock(&h->mutex);
}

void
handover_free(struct handover *h)
{
	if (h == NULL)
		return;
	handover_stop(h);
	(void)pthread_mutex_destroy(&h->mutex);
	(void)pthread_cond_destroy(&h->gone_cond);
	free(h);
}
