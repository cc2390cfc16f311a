/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/packet.h"

enum {
	/* Sockets of all daemons together; each has a pool of some. */
	PEERS_MAX = 4096,
	/* Requests of one socket that wait for something at a time; honest
	 * clients have one under way. */
	PEER_JOBS_MAX = 8,
	RECEIVERS_MAX = 8,
	EVENTS_MAX = 64
};

struct receiver {
	struct server *server;
	pthread_t thread;
	int epfd;
	struct buf packet, answer; /* the thread's own */
};

struct peer {
	struct server *server;
	struct receiver *receiver;
	int fd;
	atomic_uint refs; /* the receiver's and one a job */
	atomic_uint jobs;
	struct peer *next, **link; /* in server->peers */
};

struct server {
	struct answers answers;
	struct hashing *hashing;
	struct reactor *reactor;
	struct receiver receivers[RECEIVERS_MAX];
	unsigned receivers_len, receivers_next;
	int stop_fd;          /* readable: receivers end */
	pthread_mutex_t lock; /* guards peers */
	struct peer *peers;
	size_t peers_len;
};

/* One request on its way through somebody who may wait. */
struct job {
	struct peer *peer;
	struct buf packet;
};

int
server_new(const struct answers *answers, struct hashing *hashing,
    struct server **server_out, struct err *err)
{
	CLEANUP(server_free) struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	s->answers = *answers;
	s->hashing = hashing;
	(void)pthread_mutex_init(&s->lock, NULL);
	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->stop_fd == -1)
		return err_sys(err, "eventfd");
	*server_out = STEAL(s);
	return 0;
}

static void
peer_unref(struct peer *peer)
{
	struct server *s = peer->server;

	if (atomic_fetch_sub(&peer->refs, 1) != 1)
		return;
	(void)pthread_mutex_lock(&s->lock);
	*peer->link = peer->next;
	if (peer->next != NULL)
		peer->next->link = peer->link;
	s->peers_len--;
	(void)pthread_mutex_unlock(&s->lock);
	counter_sub(s->answers.counters, COUNTER_SESSIONS, 1);
	(void)close(peer->fd);
	free(peer);
}

/* Perhaps with a password in it. */
static void
packet_wipe(struct buf *packet)
{
	if (packet->data != NULL)
		explicit_bzero(packet->data, packet->cap);
	buf_fini(packet);
}

void
server_stop(struct server *s)
{
	uint64_t one = 1;

	if (s == NULL || s->stop_fd == -1)
		return;
	if (write(s->stop_fd, &one, sizeof(one)) == -1)
		return; /* it is readable already */
	for (unsigned i = 0; i < s->receivers_len; i++)
		(void)pthread_join(s->receivers[i].thread, NULL);
	fd_close(s->stop_fd);
	s->stop_fd = -1;
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	server_stop(s);
	while (s->peers != NULL) {
		atomic_store(&s->peers->refs, 1);
		peer_unref(s->peers);
	}
	for (unsigned i = 0; i < s->receivers_len; i++) {
		fd_close(s->receivers[i].epfd);
		packet_wipe(&s->receivers[i].packet);
		buf_fini(&s->receivers[i].answer);
	}
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- answers ------------------------------------------------------------ */

/*
 * Never waits: the socket has room for several answers, and honest clients
 * have one request under way.
 */
static void
peer_send(struct peer *peer, const struct buf *answer)
{
	struct err err = ERR_INIT;

	if (answer->len == 0 ||
	    packet_send(peer->fd, buf_span(answer), NULL, 0, 0, &err) == 0)
		return;
	if (err.kind != ERR_CLOSED)
		log_error(&log_process, "answer not sent, socket closed",
		    log_err(&err));
	(void)shutdown(peer->fd, SHUT_RDWR);
}

static void
job_free(struct job *job)
{
	packet_wipe(&job->packet);
	atomic_fetch_sub(&job->peer->jobs, 1);
	peer_unref(job->peer);
	free(job);
}

/* The end of a job, whose answer this is. */
static void
job_done(struct job *job, const struct buf *answer)
{
	peer_send(job->peer, answer);
	job_free(job);
}

static void
job_failed(struct job *job, const struct err *why)
{
	CLEANUP(buf_fini) struct buf answer;

	buf_init(&answer, PACKET_MAX);
	answer_failed(
	    &job->peer->server->answers, buf_span(&job->packet), why, &answer);
	job_done(job, &answer);
}

static void
job_hash(void *arg, bool in_time)
{
	struct job *job = arg;
	CLEANUP(buf_fini) struct buf answer = { .max = PACKET_MAX };
	struct err err = ERR_INIT;
	struct turn turn;

	if (!in_time) {
		(void)err_set(&err, ERR_TEMP, "no turn at a slow hash in time");
		job_failed(job, &err);
		return;
	}
	(void)answer_request(&job->peer->server->answers,
	    buf_span(&job->packet), PATIENCE_HASH, &turn, &answer);
	job_done(job, &answer);
}

static void
job_wait_turn(struct job *job, const struct turn *turn)
{
	struct err err = ERR_INIT;

	if (hashing_add(
		job->peer->server->hashing, turn, job_hash, job, &err) == -1)
		job_failed(job, &err);
}

static void
job_look_up(void *arg)
{
	struct job *job = arg;
	CLEANUP(buf_fini) struct buf answer;
	struct turn turn;

	buf_init(&answer, PACKET_MAX);
	switch (answer_request(&job->peer->server->answers,
	    buf_span(&job->packet), PATIENCE_LOOKUP, &turn, &answer)) {
	case ANSWER_HASHES:
		job_wait_turn(job, &turn);
		return;
	case ANSWERED:
	case ANSWERED_NOTHING:
	case ANSWER_LOOKS_UP:
	case ANSWER_BAD:
		break;
	}
	job_done(job, &answer);
}

/* ---- receivers ---------------------------------------------------------- */

static void
peer_end(struct receiver *r, struct peer *peer)
{
	(void)epoll_ctl(r->epfd, EPOLL_CTL_DEL, peer->fd, NULL);
	peer_unref(peer);
}

/* A copy of the receiver's packet; NULL with err set. */
static struct job *
job_new(struct receiver *r, struct peer *peer, struct err *err)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		(void)err_sys(err, "job");
		return NULL;
	}
	job->peer = peer;
	atomic_fetch_add(&peer->refs, 1);
	buf_init(&job->packet, PACKET_MAX);
	buf_append(&job->packet, buf_span(&r->packet));
	if (atomic_fetch_add(&peer->jobs, 1) >= PEER_JOBS_MAX)
		(void)err_set(
		    err, ERR_LIMIT, "over %d requests at once", PEER_JOBS_MAX);
	else if (buf_check(&job->packet, err) == 0)
		return job;
	job_free(job);
	return NULL;
}

/* False: this one must go. */
static bool
peer_pass_on(struct receiver *r, struct peer *peer, enum answered answered,
    const struct turn *turn)
{
	struct err err = ERR_INIT;
	struct job *job = job_new(r, peer, &err);

	if (job != NULL && answered == ANSWER_HASHES) {
		job_wait_turn(job, turn);
		return true;
	}
	if (job != NULL &&
	    reactor_defer(r->server->reactor, job_look_up, job, &err) == 0)
		return true;
	log_error(&log_process, "socket of a daemon closed", log_err(&err));
	if (job != NULL)
		job_free(job);
	return false;
}

/* One request; false: its sender must go. */
static bool
peer_request(struct receiver *r, struct peer *peer)
{
	struct server *s = r->server;
	struct turn turn;
	enum answered answered = answer_request(&s->answers,
	    buf_span(&r->packet), PATIENCE_NONE, &turn, &r->answer);

	counter_add(s->answers.counters, COUNTER_COMMANDS, 1);
	switch (answered) {
	case ANSWERED:
		peer_send(peer, &r->answer);
		return true;
	case ANSWERED_NOTHING:
		return true;
	case ANSWER_LOOKS_UP:
	case ANSWER_HASHES:
		return peer_pass_on(r, peer, answered, &turn);
	case ANSWER_BAD:
		break;
	}
	return false;
}

static void
peer_ready(struct receiver *r, struct peer *peer)
{
	struct err err = ERR_INIT;
	size_t fds_len;
	bool good;

	if (packet_recv(peer->fd, &r->packet, NULL, 0, &fds_len, 0, &err) ==
	    -1) {
		if (err.kind == ERR_TEMP &&
		    (err.os == ETIMEDOUT || err.os == EINTR))
			return;
		if (err.kind != ERR_CLOSED)
			log_error(&log_process, "socket of a daemon closed",
			    log_err(&err));
		peer_end(r, peer);
		return;
	}
	good = peer_request(r, peer);
	explicit_bzero(r->packet.data, r->packet.len);
	if (!good)
		peer_end(r, peer);
}

static void *
receiver_main(void *arg)
{
	struct receiver *r = arg;
	struct epoll_event events[EVENTS_MAX];
	int n;

	for (;;) {
		n = epoll_wait(r->epfd, events, EVENTS_MAX, -1);
		if (n == -1 && errno != EINTR) {
			struct err err = ERR_INIT;

			(void)err_sys(&err, "epoll_wait");
			log_error(&log_process, "receiver ends", log_err(&err));
			return NULL;
		}
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				return NULL; /* stop_fd */
			peer_ready(r, events[i].data.ptr);
		}
	}
}

static int
receiver_start(struct server *s, struct receiver *r, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	r->server = s;
	buf_init(&r->packet, PACKET_MAX);
	buf_init(&r->answer, PACKET_MAX);
	r->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epfd == -1 ||
	    epoll_ctl(r->epfd, EPOLL_CTL_ADD, s->stop_fd, &event) == -1)
		return err_sys(err, "epoll");
	if (pthread_create(&r->thread, NULL, receiver_main, r) != 0) {
		fd_close(r->epfd);
		return err_set(err, ERR_TEMP, "no thread for a receiver");
	}
	s->receivers_len++;
	return 0;
}

static int
receivers_start(struct server *s, struct err *err)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	while (s->receivers_len == 0 || (s->receivers_len < processors &&
					    s->receivers_len < RECEIVERS_MAX))
		if (receiver_start(s, &s->receivers[s->receivers_len], err) ==
		    -1)
			return -1;
	return 0;
}

/* ---- the reactor's side ------------------------------------------------- */

/* In a list, whose link it needs when it goes; false: there are too many. */
static bool
peer_register(struct server *s, struct peer *peer)
{
	bool room;

	(void)pthread_mutex_lock(&s->lock);
	room = s->peers_len < PEERS_MAX;
	peer->next = s->peers;
	peer->link = &s->peers;
	if (s->peers != NULL)
		s->peers->link = &peer->next;
	s->peers = peer;
	s->peers_len++;
	(void)pthread_mutex_unlock(&s->lock);
	counter_add(s->answers.counters, COUNTER_SESSIONS, 1);
	counter_add(s->answers.counters, COUNTER_CONNECTIONS, 1);
	return room;
}

static void
server_accepted(struct reactor *r, int fd, void *arg)
{
	struct server *s = arg;
	struct peer *peer = calloc(1, sizeof(*peer));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };
	int room = PEER_JOBS_MAX * PACKET_MAX;
	struct err err = ERR_INIT;

	(void)r;
	if (peer == NULL) {
		(void)close(fd);
		return;
	}
	peer->server = s;
	peer->receiver = &s->receivers[s->receivers_next++ % s->receivers_len];
	peer->fd = fd;
	atomic_init(&peer->refs, 1);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (!peer_register(s, peer))
		(void)err_set(&err, ERR_LIMIT, "over %d sockets", PEERS_MAX);
	else if (epoll_ctl(peer->receiver->epfd, EPOLL_CTL_ADD, fd, &event) ==
		 0)
		return;
	else
		(void)err_sys(&err, "epoll_ctl");
	log_error(&log_process, "socket of a daemon not served", log_err(&err));
	peer_unref(peer);
}

int
server_listen(
    struct server *s, struct reactor *r, int listener, struct err *err)
{
	struct reactor_listener l = {
		.fd = listener,
		.accepted = server_accepted,
		.arg = s,
	};

	s->reactor = r;
	if (s->receivers_len == 0 && receivers_start(s, err) == -1)
		return -1;
	return reactor_listen(r, &l, err);
}
