/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/ldap_link.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/reactor.h"

enum {
	/* How often the reader looks up when nothing comes. */
	LOOK_MS = 500
};

/* A search under way; it lies on its caller's stack. */
struct search {
	struct search *next;
	const struct ldap_query *query;
	int msgid;
	pthread_cond_t changed;
	bool busy;     /* the reader is in found() */
	bool given_up; /* the caller does not want it any more */
	bool done;
	enum ldap_searched outcome;
	struct err err;
};

struct ldap_link {
	LDAP *ld; /* the reader's; senders hold the lock */
	int fd;   /* its socket */
	unsigned stall_ms;
	void (*ended)(void *arg);
	void *arg;
	pthread_t reader;
	pthread_mutex_t lock; /* guards all below */
	struct search *searches;
	uint64_t heard_ms; /* when something came, or the first was sent */
	bool broken, stalled;
};

static int
ldap_err(struct err *err, int rc, const char *what)
{
	return err_set(err, ERR_TEMP, "%s: %s", what, ldap_err2string(rc));
}

/* ---- the reader ------------------------------------------------------------
 */

static void
search_end(struct search *s, enum ldap_searched outcome)
{
	if (!s->done) {
		s->outcome = outcome;
		s->done = true;
	}
	(void)pthread_cond_signal(&s->changed);
}

/* With the lock held. */
static void
link_break(struct ldap_link *l, const char *why)
{
	if (l->broken)
		return;
	l->broken = true;
	for (struct search *s = l->searches; s != NULL; s = s->next) {
		(void)err_set(&s->err, ERR_TEMP, "LDAP search: %s", why);
		search_end(s, LDAP_SEARCH_BROKEN);
	}
}

static struct search *
search_find(const struct ldap_link *l, int msgid)
{
	struct search *s = l->searches;

	while (s != NULL && s->msgid != msgid)
		s = s->next;
	return s;
}

/* One entry of it, outside of the lock: found() may write to disk. */
static void
search_entry(struct ldap_link *l, struct search *s, LDAPMessage *message)
{
	bool good;

	if (s->done || s->given_up)
		return;
	s->busy = true;
	(void)pthread_mutex_unlock(&l->lock);
	good = s->query->found(s->query->arg, l->ld, message, &s->err);
	(void)pthread_mutex_lock(&l->lock);
	s->busy = false;
	(void)pthread_cond_signal(&s->changed);
	if (!good)
		search_end(s, LDAP_SEARCH_FAILED);
}

static void
search_result(struct ldap_link *l, struct search *s, LDAPMessage *message)
{
	int code = LDAP_OTHER;
	int rc =
	    ldap_parse_result(l->ld, message, &code, NULL, NULL, NULL, NULL, 0);

	if (rc != LDAP_SUCCESS)
		code = rc;
	switch (code) {
	case LDAP_SUCCESS:
	case LDAP_SIZELIMIT_EXCEEDED:
	case LDAP_NO_SUCH_OBJECT:
		search_end(s, LDAP_SEARCHED);
		return;
	/* Not an answer about the entry: the pool asks another server. */
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
	case LDAP_UNWILLING_TO_PERFORM:
		(void)ldap_err(&s->err, code, "LDAP search");
		search_end(s, LDAP_SEARCH_BROKEN);
		return;
	default:
		(void)ldap_err(&s->err, code, "LDAP search");
		search_end(s, LDAP_SEARCH_FAILED);
	}
}

static void
dispatch(struct ldap_link *l, LDAPMessage *message)
{
	struct search *s;

	(void)pthread_mutex_lock(&l->lock);
	l->heard_ms = clock_ms();
	s = search_find(l, ldap_msgid(message));
	if (s != NULL && ldap_msgtype(message) == LDAP_RES_SEARCH_ENTRY)
		search_entry(l, s, message);
	else if (s != NULL && ldap_msgtype(message) == LDAP_RES_SEARCH_RESULT)
		search_result(l, s, message);
	(void)pthread_mutex_unlock(&l->lock);
}

/* Nothing came for a while; false: too long. */
static bool
still_good(struct ldap_link *l)
{
	(void)pthread_mutex_lock(&l->lock);
	if (l->searches != NULL && clock_ms() > l->heard_ms + l->stall_ms) {
		l->stalled = true;
		link_break(l, "the server does not answer");
	}
	(void)pthread_mutex_unlock(&l->lock);
	return !ldap_link_broken(l);
}

/*
 * All that has come.  ldap_result must not wait: it would hold a lock that
 * senders need.  False: the connection is broken.
 */
static bool
reader_take(struct ldap_link *l)
{
	struct timeval at_once = { 0, 0 };
	LDAPMessage *message;
	int rc;

	do {
		message = NULL;
		rc = ldap_result(
		    l->ld, LDAP_RES_ANY, LDAP_MSG_ONE, &at_once, &message);
		if (rc > 0)
			dispatch(l, message);
		(void)ldap_msgfree(message);
	} while (rc > 0);
	return rc == 0;
}

static void *
reader_main(void *arg)
{
	struct ldap_link *l = arg;
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	do {
		if (poll(&p, 1, LOOK_MS) == -1 && errno != EINTR)
			break;
	} while (!ldap_link_broken(l) && reader_take(l) && still_good(l));
	ldap_link_break(l);
	l->ended(l->arg);
	return NULL;
}

/* ---- life ------------------------------------------------------------------
 */

int
ldap_link_new(LDAP *ld, unsigned stall_ms, void (*ended)(void *arg), void *arg,
    struct ldap_link **link_out, struct err *err)
{
	struct ldap_link *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		(void)ldap_unbind_ext(ld, NULL, NULL);
		return err_sys(err, "LDAP link");
	}
	l->ld = ld;
	if (ldap_get_option(ld, LDAP_OPT_DESC, &l->fd) != 0)
		l->fd = -1;
	l->stall_ms = stall_ms;
	l->ended = ended;
	l->arg = arg;
	(void)pthread_mutex_init(&l->lock, NULL);
	if (pthread_create(&l->reader, NULL, reader_main, l) != 0) {
		(void)ldap_unbind_ext(ld, NULL, NULL);
		(void)pthread_mutex_destroy(&l->lock);
		free(l);
		return err_set(err, ERR_TEMP, "no thread for an LDAP link");
	}
	*link_out = l;
	return 0;
}

void
ldap_link_break(struct ldap_link *l)
{
	(void)pthread_mutex_lock(&l->lock);
	link_break(l, "the connection has ended");
	/* The reader, if it waits, is told by the end of the socket, which is
	 * closed after its end only. */
	(void)shutdown(l->fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&l->lock);
}

bool
ldap_link_broken(struct ldap_link *l)
{
	bool broken;

	(void)pthread_mutex_lock(&l->lock);
	broken = l->broken;
	(void)pthread_mutex_unlock(&l->lock);
	return broken;
}

bool
ldap_link_stalled(struct ldap_link *l)
{
	bool stalled;

	(void)pthread_mutex_lock(&l->lock);
	stalled = l->stalled;
	(void)pthread_mutex_unlock(&l->lock);
	return stalled;
}

void
ldap_link_free(struct ldap_link *l)
{
	if (l == NULL)
		return;
	ldap_link_break(l);
	(void)pthread_join(l->reader, NULL);
	(void)ldap_unbind_ext(l->ld, NULL, NULL);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

/* ---- searches --------------------------------------------------------------
 */

/*
 * With the lock held, so that the reader knows it before its answer comes.
 * False: s->outcome says why not.
 */
static bool
search_send(struct ldap_link *l, struct search *s)
{
	const struct ldap_query *q = s->query;
	char **attrs;
	int rc;

	if (l->broken) {
		(void)err_set(&s->err, ERR_TEMP, "LDAP link: broken");
		s->outcome = LDAP_SEARCH_BROKEN;
		return false;
	}
	/* libldap reads the names only, but takes no const. */
	memcpy(&attrs, &q->attrs, sizeof(attrs));
	if (l->searches == NULL)
		l->heard_ms = clock_ms();
	rc = ldap_search_ext(l->ld, q->base, q->scope, q->filter, attrs, 0,
	    NULL, NULL, NULL, q->size_limit, &s->msgid);
	if (rc == LDAP_SUCCESS) {
		s->next = l->searches;
		l->searches = s;
		return true;
	}
	(void)ldap_err(&s->err, rc, "LDAP search");
	/* A filter or DN that libldap refuses is not the link's fault. */
	s->outcome = rc == LDAP_FILTER_ERROR || rc == LDAP_INVALID_DN_SYNTAX ||
			     rc == LDAP_ENCODING_ERROR
			 ? LDAP_SEARCH_FAILED
			 : LDAP_SEARCH_BROKEN;
	if (s->outcome == LDAP_SEARCH_BROKEN)
		link_break(l, ldap_err2string(rc));
	return false;
}

static void
search_remove(struct ldap_link *l, const struct search *s)
{
	struct search **at = &l->searches;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
}

static void
search_wait(struct ldap_link *l, struct search *s, uint64_t deadline_ms)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000,
	};
	int rc = 0;

	while (!s->done && rc == 0)
		rc = pthread_cond_timedwait(&s->changed, &l->lock, &until);
	s->given_up = true;
	/* What found() has in its hands is the caller's. */
	while (s->busy)
		(void)pthread_cond_wait(&s->changed, &l->lock);
	if (s->done)
		return;
	s->outcome = LDAP_SEARCH_LATE;
	(void)err_set(&s->err, ERR_TEMP, "LDAP search: not in time");
	(void)ldap_abandon_ext(l->ld, s->msgid, NULL, NULL);
}

static void
search_init(struct search *s, const struct ldap_query *query)
{
	pthread_condattr_t attr;

	*s = (struct search){ .query = query, .err = ERR_INIT };
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
}

enum ldap_searched
ldap_link_search(struct ldap_link *l, const struct ldap_query *query,
    uint64_t deadline_ms, struct err *err)
{
	struct search s;

	search_init(&s, query);
	(void)pthread_mutex_lock(&l->lock);
	if (search_send(l, &s)) {
		search_wait(l, &s, deadline_ms);
		search_remove(l, &s);
	}
	(void)pthread_mutex_unlock(&l->lock);
	(void)pthread_cond_destroy(&s.changed);
	if (s.outcome != LDAP_SEARCHED && err != NULL)
		*err = s.err;
	return s.outcome;
}
