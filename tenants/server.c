/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/log.h"
#include "tenants/protocol.h"

/* Sockets of all daemons together; each has a pool of some. */
#define PEERS_MAX 4096
/* Requests of one socket at a time; honest clients have one under way. */
#define PEER_JOBS_MAX 8
/* What stays free in a packet for an answer's head and small fields. */
#define PAGE_OCTETS (PACKET_MAX - 8192)

struct peer {
	struct server *server;
	int fd;
	atomic_uint refs; /* the reactor's and one a job */
	atomic_uint jobs;
	struct peer *next, **link; /* in server->peers */
};

struct server {
	struct directory *directory;
	struct authenticate *authenticate;
	struct counters *counters;
	pthread_mutex_t lock; /* guards peers */
	struct peer *peers;
	size_t peers_len;
};

/* One request on its way through a worker. */
struct job {
	struct peer *peer;
	struct buf packet;
};

int
server_new(struct directory *directory, struct authenticate *authenticate,
    struct counters *counters, struct server **server_out, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	s->directory = directory;
	s->authenticate = authenticate;
	s->counters = counters;
	(void)pthread_mutex_init(&s->lock, NULL);
	*server_out = s;
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
	counter_sub(s->counters, COUNTER_SESSIONS, 1);
	(void)close(peer->fd);
	free(peer);
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	while (s->peers != NULL) {
		atomic_store(&s->peers->refs, 1);
		peer_unref(s->peers);
	}
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- answers
 * ------------------------------------------------------------------------- */

static void
put_login(struct buf *b, const struct login_result *r)
{
	packet_put_u64(b, TAG_OUTCOME, r->outcome);
	packet_put_u64(b, TAG_DELAY_MS, r->delay_ms);
	packet_put_str(b, TAG_LOGIN, r->login);
	if (r->outcome == LOGIN_OK || r->outcome == LOGIN_REFUSED)
		tenants_put_account(b, &r->account);
}

static int
do_login(struct server *s, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	struct login_result result = { .outcome = LOGIN_WRONG };

	if (authenticate_login(s->authenticate, r, &result, err) == -1)
		return -1;
	put_login(b, &result);
	return 0;
}

static int
do_sasl(struct server *s, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	struct login_result result = { .outcome = LOGIN_BAD };
	CLEANUP(buf_fini) struct buf challenge;
	struct sasl_token token = r->token;
	int rc;

	buf_init(&challenge, TENANT_SASL_MAX);
	rc = r->type == TENANTS_SASL_START
		 ? authenticate_sasl_start(
		       s->authenticate, r, &token, &challenge, &result, err)
		 : authenticate_sasl_step(
		       s->authenticate, r, &challenge, &result, err);
	if (rc == -1)
		return -1;
	put_login(b, &result);
	if (result.outcome != LOGIN_CONTINUE)
		return 0;
	packet_put(b, TAG_TOKEN,
	    span_of((const char *)token.octets, sizeof(token.octets)));
	packet_put(b, TAG_CHALLENGE, buf_span(&challenge));
	return 0;
}

/* FNV-1a over what tells one recipient from another, NULs included. */
static uint64_t
recipients_mark(const struct resolution *r)
{
	uint64_t mark = 14695981039346656037U;

	for (size_t i = 0; i < r->count; i++) {
		const char *texts[] = { r->recipients[i].address,
			r->recipients[i].account.id, r->recipients[i].detail };

		for (size_t t = 0; t < 3; t++)
			for (const char *p = texts[t];; p++) {
				mark ^= (unsigned char)*p;
				mark *= 1099511628211U;
				if (*p == '\0')
					break;
			}
	}
	return mark;
}

static int
do_resolve(struct server *s, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	CLEANUP(resolution_fini) struct resolution resolution = { 0 };

	if (directory_resolve(s->directory, r->address, &resolution, err) == -1)
		return -1;
	packet_put_u64(b, TAG_OUTCOME, resolution.outcome);
	if (resolution.outcome != RESOLVE_FOREIGN)
		tenants_put_tenant(b, &resolution.tenant);
	packet_put_u64(b, TAG_COUNT, resolution.count);
	packet_put_u64(b, TAG_MARK, recipients_mark(&resolution));
	for (uint64_t i = r->start;
	     i < resolution.count && b->len < PAGE_OCTETS; i++)
		tenants_put_recipient(b, &resolution.recipients[i]);
	return 0;
}

static int
do_lookup(struct server *s, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	char name[TENANT_DOMAIN_MAX + 1] = "";
	char id[TENANT_ID_MAX + 1] = "";
	struct account_info account;
	struct tenant_info tenant;
	struct domain_info domain;
	enum lookup outcome = LOOKUP_NONE;

	/* A name with NUL in it is nobody's. */
	if (!packet_text(r->name, name, sizeof(name)) ||
	    !packet_text(r->id, id, sizeof(id)))
		outcome = LOOKUP_NONE;
	else if (r->type == TENANTS_ACCOUNT)
		outcome = directory_account(s->directory, id, &account, err);
	else if (r->type == TENANTS_TENANT)
		outcome = directory_tenant(s->directory, name, &tenant, err);
	else if (r->type == TENANTS_HOST)
		outcome = directory_host(s->directory, r->name, &tenant, err);
	else if (r->type == TENANTS_DOMAIN)
		outcome = directory_domain(s->directory, r->name, &domain, err);
	else
		outcome =
		    directory_may_send_as(s->directory, id, r->address, err);
	if (outcome == LOOKUP_FAILED)
		return -1;
	packet_put_u64(b, TAG_OUTCOME, outcome);
	if (outcome == LOOKUP_NONE || r->type == TENANTS_MAY_SEND_AS)
		return 0;
	if (r->type == TENANTS_ACCOUNT)
		tenants_put_account(b, &account);
	else if (r->type == TENANTS_DOMAIN)
		tenants_put_domain(b, &domain);
	else
		tenants_put_tenant(b, &tenant);
	return 0;
}

static int
do_list(struct server *s, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	struct tenant_info *list = NULL;
	size_t count = 0;

	if (directory_list(s->directory, &list, &count, err) == -1)
		return -1;
	packet_put_u64(b, TAG_COUNT, count);
	for (uint64_t i = r->start; i < count && b->len < PAGE_OCTETS; i++)
		tenants_put_tenant(b, &list[i]);
	free(list);
	return 0;
}

static int
do_domains(struct server *s, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	char tenant[TENANT_DOMAIN_MAX + 1] = "";
	struct domain_info *list = NULL;
	size_t count = 0;

	if (!packet_text(r->name, tenant, sizeof(tenant)))
		return err_set(err, ERR_SYNTAX, "a tenant's name with NUL");
	if (directory_domains(s->directory, r->name.p == NULL ? NULL : tenant,
		&list, &count, err) == -1)
		return -1;
	packet_put_u64(b, TAG_COUNT, count);
	for (uint64_t i = r->start; i < count && b->len < PAGE_OCTETS; i++)
		tenants_put_domain(b, &list[i]);
	free(list);
	return 0;
}

static int
request_work(struct server *s, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	switch (r->type) {
	case TENANTS_LOGIN:
		return do_login(s, r, b, err);
	case TENANTS_SASL_START:
	case TENANTS_SASL_STEP:
		return do_sasl(s, r, b, err);
	case TENANTS_RESOLVE:
		return do_resolve(s, r, b, err);
	case TENANTS_MAY_SEND_AS:
	case TENANTS_ACCOUNT:
	case TENANTS_TENANT:
	case TENANTS_HOST:
	case TENANTS_DOMAIN:
		return do_lookup(s, r, b, err);
	case TENANTS_LIST:
		return do_list(s, r, b, err);
	case TENANTS_DOMAINS:
		return do_domains(s, r, b, err);
	case TENANTS_SASL_CANCEL:
	case TENANTS_ANSWER:
	case TENANTS_FAILED:
		break;
	}
	return err_set(err, ERR_SYNTAX, "request %d: unknown", r->type);
}

/* ---- jobs
 * ------------------------------------------------------------------------------
 */

/* False: the packet makes no sense, its sender is let go. */
static bool
job_answer(struct job *job, struct buf *answer)
{
	struct server *s = job->peer->server;
	struct packet_head head;
	struct span fields;
	struct tenants_request r;
	struct err err = ERR_INIT;

	if (packet_open(buf_span(&job->packet), TENANTS_PROTOCOL_VERSION, &head,
		&fields, &err) == -1 ||
	    tenants_request_parse(head.type, fields, &r, &err) == -1) {
		log_error(
		    &log_process, "request not understood", log_err(&err));
		return false;
	}
	counter_add(s->counters, COUNTER_COMMANDS, 1);
	if (r.type == TENANTS_SASL_CANCEL) {
		authenticate_sasl_cancel(s->authenticate, &r);
		return true;
	}
	head.type = TENANTS_ANSWER;
	packet_begin(answer, head);
	if (request_work(s, &r, answer, &err) == 0 &&
	    buf_check(answer, &err) == 0)
		return true;
	log_warning(&log_process, "request not answered",
	    log_span("id", r.log_id), log_u64("request", r.type),
	    log_err(&err));
	counter_add(s->counters, COUNTER_DIRECTORY_ERRORS, 1);
	buf_clear(answer);
	head.type = TENANTS_FAILED;
	packet_begin(answer, head);
	packet_put_u64(answer, TAG_KIND, err.kind);
	packet_put_str(answer, TAG_TEXT, err.text);
	return true;
}

/* Perhaps with a password in it. */
static void
packet_wipe(struct buf *packet)
{
	if (packet->data != NULL)
		explicit_bzero(packet->data, packet->cap);
	buf_fini(packet);
}

static void
job_free(struct job *job)
{
	packet_wipe(&job->packet);
	atomic_fetch_sub(&job->peer->jobs, 1);
	peer_unref(job->peer);
	free(job);
}

static void
job_run(void *arg)
{
	struct job *job = arg;
	CLEANUP(buf_fini) struct buf answer;
	struct err err = ERR_INIT;

	buf_init(&answer, PACKET_MAX);
	if (!job_answer(job, &answer))
		(void)shutdown(job->peer->fd, SHUT_RDWR);
	else if (answer.len > 0 &&
		 packet_send(job->peer->fd, buf_span(&answer), NULL, 0, 5000,
		     &err) == -1 &&
		 err.kind != ERR_CLOSED)
		log_warning(&log_process, "answer not sent", log_err(&err));
	job_free(job);
}

/* ---- the reactor's side
 * ------------------------------------------------------------------ */

static void
peer_end(struct reactor *r, struct peer *peer)
{
	reactor_unwatch(r, peer->fd);
	peer_unref(peer);
}

static void
peer_ready(struct reactor *r, int fd, void *arg)
{
	struct peer *peer = arg;
	struct job *job = calloc(1, sizeof(*job));
	struct err err = ERR_INIT;
	size_t fds_len;

	if (job == NULL) {
		peer_end(r, peer);
		return;
	}
	buf_init(&job->packet, PACKET_MAX);
	if (packet_recv(fd, &job->packet, NULL, 0, &fds_len, 0, &err) == -1) {
		packet_wipe(&job->packet);
		free(job);
		if (err.kind == ERR_TEMP &&
		    (err.os == EAGAIN || err.os == EINTR))
			return;
		if (err.kind != ERR_CLOSED)
			log_error(&log_process, "socket of a daemon closed",
			    log_err(&err));
		peer_end(r, peer);
		return;
	}
	job->peer = peer;
	atomic_fetch_add(&peer->refs, 1);
	if (atomic_fetch_add(&peer->jobs, 1) >= PEER_JOBS_MAX)
		(void)err_set(
		    &err, ERR_LIMIT, "over %d requests at once", PEER_JOBS_MAX);
	if (err.kind != ERR_NONE ||
	    reactor_defer(r, job_run, job, &err) == -1) {
		log_error(
		    &log_process, "socket of a daemon closed", log_err(&err));
		job_free(job);
		peer_end(r, peer);
	}
}

static void
server_accepted(struct reactor *r, int fd, void *arg)
{
	struct server *s = arg;
	struct peer *peer = calloc(1, sizeof(*peer));
	struct err err = ERR_INIT;
	bool full;

	if (peer == NULL) {
		(void)close(fd);
		return;
	}
	peer->server = s;
	peer->fd = fd;
	atomic_init(&peer->refs, 1);
	(void)pthread_mutex_lock(&s->lock);
	full = s->peers_len >= PEERS_MAX;
	peer->next = s->peers;
	peer->link = &s->peers;
	if (s->peers != NULL)
		s->peers->link = &peer->next;
	s->peers = peer;
	s->peers_len++;
	(void)pthread_mutex_unlock(&s->lock);
	counter_add(s->counters, COUNTER_SESSIONS, 1);
	counter_add(s->counters, COUNTER_CONNECTIONS, 1);
	if (full)
		(void)err_set(&err, ERR_LIMIT, "over %d sockets", PEERS_MAX);
	if (full || reactor_watch(r, fd, peer_ready, peer, &err) == -1) {
		log_error(&log_process, "socket of a daemon not served",
		    log_err(&err));
		peer_unref(peer);
	}
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

	return reactor_listen(r, &l, err);
}
