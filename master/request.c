/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/request.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ascii.h"
#include "common/log.h"
#include "common/outbound.h"
#include "master/feed.h"
#include "master/lookup.h"
#include "master/metrics.h"
#include "master/unit.h"

/* Requests that may wait for one session process, and units at all. */
#define WAITERS_MAX 4096
#define UNITS_MAX 4096

bool
request_tenant_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 63)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] != '-' && (!ascii_is(name[i], ASCII_DIGIT) &&
					  (name[i] < 'a' || name[i] > 'z')))
			return false;
	return true;
}

/* ---- answers
 * ------------------------------------------------------------------- */

static void
answer_err(struct unit *u, uint32_t serial, const struct err *why)
{
	if (u->control != -1)
		(void)control_send_err(u->control, serial, why);
}

static void
answer_refused(struct unit *u, uint32_t serial, const char *what)
{
	struct err why = ERR_INIT;

	log_warning(&log_process, "daemon asks for what it may not have",
	    log_str("daemon", u->name), log_str("what", what));
	(void)err_set(&why, ERR_POLICY, "%s may not do that", u->name);
	answer_err(u, serial, &why);
}

static void
answer_fd(struct unit *u, uint32_t serial, int fd)
{
	CLEANUP(control_draft_fini) struct control_draft d = { .fds_len = 0 };
	struct err err = ERR_INIT;

	control_begin(&d, CONTROL_OK, serial);
	if (fd != -1)
		control_put_fd(&d, "peer", fd);
	if (u->control != -1 && control_send(&d, u->control, 0, &err) == -1)
		log_warning(&log_process, "daemon takes no answer",
		    log_str("daemon", u->name), log_err(&err));
}

static void
answer_connected(struct master *m, struct unit *u, uint32_t serial,
    const char *name, int type)
{
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;

	if (socket_connect_beneath(m->internal_dir, name, type, &fd, &err) ==
	    -1)
		answer_err(u, serial, &err);
	else
		answer_fd(u, serial, fd);
}

/* ---- session processes
 * -------------------------------------------------------------- */

/* Lets the first session unit go that nobody uses; its counters go too. */
static bool
session_evict(struct master *m)
{
	for (struct unit *u = m->units; u != NULL; u = u->next) {
		if (u->role != DAEMON_SESSION || u->state != UNIT_DOWN ||
		    u->waiters != NULL || u->due_ms != 0 || u->unwanted)
			continue;
		u->unwanted = true; /* freed when no event can be about it */
		return true;
	}
	return false;
}

static struct unit *
session_unit(struct master *m, const struct service *service,
    const char *tenant, unsigned shard)
{
	struct unit *s = unit_find(m, service, DAEMON_SESSION, tenant, shard);
	size_t count = 0;

	if (s != NULL) {
		s->unwanted = false;
		return s;
	}
	for (struct unit *u = m->units; u != NULL; u = u->next)
		count += !u->unwanted;
	if (count >= UNITS_MAX && !session_evict(m))
		return NULL;
	return unit_new(m, service, DAEMON_SESSION, tenant, shard);
}

static int
session_wait(
    struct unit *s, const struct unit *u, uint32_t serial, struct err *err)
{
	struct waiter *w;

	if (s->waiters_len >= WAITERS_MAX)
		return err_set(err, ERR_LIMIT, "too many wait for %s", s->name);
	w = malloc(sizeof(*w));
	if (w == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	*w = (struct waiter){ s->waiters, u->id, serial };
	s->waiters = w;
	s->waiters_len++;
	return 0;
}

void
unit_answer_waiters(struct master *m, struct unit *s, const struct err *trouble)
{
	while (s->waiters != NULL) {
		struct waiter *w = s->waiters;
		struct unit *u = unit_by_id(m, w->unit);

		s->waiters = w->next;
		s->waiters_len--;
		if (u != NULL && trouble != NULL)
			answer_err(u, w->serial, trouble);
		else if (u != NULL)
			answer_connected(
			    m, u, w->serial, s->name, SOCK_SEQPACKET);
		free(w);
	}
}

/* Brings a session process that is down on its way. */
static void
session_begin(struct master *m, struct unit *s)
{
	struct err err = ERR_INIT;

	/* One that keeps dying is not started faster than its backoff. */
	if (s->state != UNIT_DOWN || s->due_ms != 0)
		return;
	if (geteuid() != 0) {
		s->uid = geteuid();
		s->gid = getegid();
		unit_start(m, s);
		return;
	}
	s->state = UNIT_LOOKUP;
	if (lookup_ask(m->lookup, s->tenant, &err) == -1) {
		s->state = UNIT_DOWN;
		unit_answer_waiters(m, s, &err);
	}
}

static void
connect_session(struct master *m, struct unit *u, struct control_packet *p)
{
	struct unit *s;
	struct err err = ERR_INIT;

	if (!request_tenant_name(p->tenant) ||
	    p->shard >= m->conf->top.shards) {
		(void)err_set(&err, ERR_SYNTAX, "no such session process");
		answer_err(u, p->head.serial, &err);
		return;
	}
	s = session_unit(m, u->service, p->tenant, (unsigned)p->shard);
	if (s != NULL && s->state == UNIT_READY && s->control != -1) {
		s->idle_ms = master_now_ms();
		answer_connected(m, u, p->head.serial, s->name, SOCK_SEQPACKET);
		return;
	}
	if (s == NULL || m->phase != PHASE_RUN)
		(void)err_set(&err, ERR_TEMP, "no session process now");
	else if (session_wait(s, u, p->head.serial, &err) == 0) {
		session_begin(m, s);
		return;
	}
	answer_err(u, p->head.serial, &err);
}

/* ---- directories of tenants
 * ---------------------------------------------------------- */

static int
directory_wait(struct master *m, const struct unit *u,
    const struct control_packet *p, struct err *err)
{
	struct directory_waiter *w;

	if (m->directories_len >= WAITERS_MAX)
		return err_set(err, ERR_LIMIT, "too many wait for tenantd");
	if (lookup_ask(m->lookup, p->tenant, err) == -1)
		return -1;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	w->next = m->directories;
	w->unit = u->id;
	w->serial = p->head.serial;
	strcpy(w->tenant, p->tenant);
	m->directories = w;
	m->directories_len++;
	return 0;
}

static void
directories_known(struct master *m, const char *tenant, uid_t uid, gid_t gid,
    const struct err *trouble)
{
	struct directory_waiter **at = &m->directories, *w;
	struct err err = ERR_INIT;

	if (trouble == NULL &&
	    feed_tenant_directory(m, tenant, uid, gid, &err) == -1)
		trouble = &err;
	while ((w = *at) != NULL) {
		struct unit *u;

		if (strcmp(w->tenant, tenant) != 0) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		m->directories_len--;
		u = unit_by_id(m, w->unit);
		if (u != NULL && trouble != NULL)
			answer_err(u, w->serial, trouble);
		else if (u != NULL)
			answer_fd(u, w->serial, -1);
		free(w);
	}
}

void
request_tenant_known(struct master *m, const char *tenant, uid_t uid, gid_t gid,
    const struct err *trouble)
{
	struct err err = ERR_INIT;

	if (trouble == NULL &&
	    (uid < m->conf->tenant_low || uid > m->conf->tenant_high ||
		gid < m->conf->tenant_low || gid > m->conf->tenant_high)) {
		(void)err_set(&err, ERR_POLICY,
		    "tenant %s has uid %u and gid %u, outside of tenant-uids",
		    tenant, (unsigned)uid, (unsigned)gid);
		log_error(&log_process, "tenant refused", log_err(&err));
		trouble = &err;
	}
	for (struct unit *s = m->units; s != NULL; s = s->next) {
		if (s->state != UNIT_LOOKUP || strcmp(s->tenant, tenant) != 0)
			continue;
		if (s->role != DAEMON_SESSION)
			continue;
		s->state = UNIT_DOWN;
		s->uid = uid;
		s->gid = gid;
		if (trouble == NULL) {
			unit_start(m, s);
			continue;
		}
		unit_answer_waiters(m, s, trouble);
		/* Names that gates make up must not pile up here. */
		s->unwanted = true;
	}
	directories_known(m, tenant, uid, gid, trouble);
}

/* ---- the two requests
 * -------------------------------------------------------------------- */

static unsigned
unit_may(const struct unit *u)
{
	return u->role == DAEMON_SESSION ? SERVICE_SESSION_MAY
					 : u->service->may;
}

/* Who hands mail over may do that and nothing else: the connection begins
 * with saying so. */
static void
connect_relayd(struct master *m, struct unit *u, uint32_t serial)
{
	CLEANUP(buf_fini) struct buf first = { .max = PACKET_MAX };
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;

	packet_begin(&first,
	    (struct packet_head){ OUTBOUND_VERSION, OUTBOUND_HANDOVER, 0 });
	if (socket_connect_beneath(
		m->internal_dir, "relayd", SOCK_SEQPACKET, &fd, &err) == -1 ||
	    packet_send(fd, buf_span(&first), NULL, 0, 0, &err) == -1)
		answer_err(u, serial, &err);
	else
		answer_fd(u, serial, fd);
}

void
request_connect(struct master *m, struct unit *u, struct control_packet *p)
{
	unsigned may = unit_may(u);
	struct err err = ERR_INIT;

	if (strcmp(p->name, "tenantd") == 0 && (may & MAY_TENANTD) != 0) {
		answer_connected(
		    m, u, p->head.serial, "tenantd", SOCK_SEQPACKET);
	} else if (strcmp(p->name, "deliveryd") == 0 &&
		   (may & MAY_DELIVERYD) != 0) {
		answer_connected(
		    m, u, p->head.serial, "deliveryd", SOCK_STREAM);
	} else if (strcmp(p->name, "relayd") == 0 && (may & MAY_RELAYD) != 0) {
		connect_relayd(m, u, p->head.serial);
	} else if (strcmp(p->name, u->service->name) == 0 &&
		   (may & MAY_SESSION) != 0) {
		connect_session(m, u, p);
	} else if (strcmp(p->name, "metrics") == 0 &&
		   (may & MAY_METRICS) != 0) {
		CLEANUP(fd_close) int fd = -1;

		if (metrics_memfd(m, &fd, &err) == -1)
			answer_err(u, p->head.serial, &err);
		else
			answer_fd(u, p->head.serial, fd);
	} else {
		answer_refused(u, p->head.serial, p->name);
	}
}

void
request_directory(struct master *m, struct unit *u, struct control_packet *p)
{
	struct err err = ERR_INIT;

	if ((unit_may(u) & MAY_DIRECTORY) == 0) {
		answer_refused(u, p->head.serial, "a tenant's directory");
		return;
	}
	if (!request_tenant_name(p->tenant)) {
		(void)err_set(&err, ERR_SYNTAX, "no name of a tenant");
	} else if (geteuid() != 0) {
		if (feed_tenant_directory(
			m, p->tenant, geteuid(), getegid(), &err) == 0) {
			answer_fd(u, p->head.serial, -1);
			return;
		}
	} else if (directory_wait(m, u, p, &err) == 0) {
		return;
	}
	answer_err(u, p->head.serial, &err);
}
