/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/follow.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/log.h"
#include "tenants/directory_private.h"

enum {
	RETRY_MS = 500,
	QUIET_MS = 100,
	AGAIN_MS = 2,
	COOKIE_MAX = 1024
};

struct follower {
	struct directory *directory;
	pthread_t thread;
	int stop_fd;       /* readable: end */
	struct buf cookie; /* "" : begin from the contextCSN */
	unsigned told;     /* messages handled: grows with each */
	bool refreshing;   /* the server has not said yet that it is done */
	bool was_live;     /* for the log */
	unsigned turn;     /* of the pool, that the connection belongs to */
};

/* ---- what the server tells ------------------------------------------------
 */

/* 16 octets as "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx". */
static bool
uuid_text(const struct berval *uuid, char text[ENTRY_UUID_SIZE + 1])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	if (uuid == NULL || uuid->bv_len != 16)
		return false;
	for (size_t i = 0; i < 16; i++) {
		unsigned char c = (unsigned char)uuid->bv_val[i];

		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		text[at++] = hex[c >> 4];
		text[at++] = hex[c & 15];
	}
	text[at] = '\0';
	return true;
}

static void
removed(struct follower *f, const struct berval *uuid)
{
	char text[ENTRY_UUID_SIZE + 1];

	if (uuid_text(uuid, text))
		directory_removed(f->directory, span_str(text));
}

static int
on_entry(ldap_sync_t *ls, LDAPMessage *message, struct berval *uuid,
    ldap_sync_refresh_t phase)
{
	struct follower *f = ls->ls_private;
	CLEANUP(entry_unref) struct entry *e = NULL;
	struct err err = ERR_INIT;

	f->told++;
	switch (phase) {
	case LDAP_SYNC_CAPI_PRESENT:
		return LDAP_SUCCESS; /* unchanged */
	case LDAP_SYNC_CAPI_DELETE:
		removed(f, uuid);
		return LDAP_SUCCESS;
	default:
		break;
	}
	if (entry_from_ldap(ls->ls_ld, message, f->directory->base, &e, &err) ==
	    0) {
		directory_changed(f->directory, e);
	} else {
		/* Not readable: what we knew of it is wrong all the same. */
		removed(f, uuid);
	}
	return LDAP_SUCCESS;
}

static int
on_intermediate(ldap_sync_t *ls, LDAPMessage *message, BerVarray uuids,
    ldap_sync_refresh_t phase)
{
	struct follower *f = ls->ls_private;

	(void)message;
	f->told++;
	switch (phase) {
	case LDAP_SYNC_CAPI_PRESENTS:
	case LDAP_SYNC_CAPI_PRESENTS_IDSET:
		/* A list of what is still there: its log does not reach back
		 * far enough to say what was deleted. */
		cache_clear(f->directory->cache);
		break;
	case LDAP_SYNC_CAPI_DELETES_IDSET:
		for (size_t i = 0; uuids != NULL && uuids[i].bv_val != NULL;
		     i++)
			removed(f, &uuids[i]);
		break;
	case LDAP_SYNC_CAPI_DONE:
		f->refreshing = false;
		break;
	default:
		break;
	}
	return LDAP_SUCCESS;
}

static int
on_result(ldap_sync_t *ls, LDAPMessage *message, int refresh_deletes)
{
	(void)ls;
	(void)message;
	(void)refresh_deletes;
	return LDAP_SUCCESS;
}

static int
on_reference(ldap_sync_t *ls, LDAPMessage *message)
{
	(void)ls;
	(void)message;
	return LDAP_SUCCESS;
}

/* ---- the cookie -----------------------------------------------------------
 */

/* "rid=000,csn=A;B" of the moment. */
static int
cookie_of_now(LDAP *ld, const char *base, struct buf *cookie, struct err *err)
{
	static char name[] = "contextCSN";
	char *attrs[] = { name, NULL };
	struct timeval limit = { 5, 0 };
	struct berval **values = NULL;
	LDAPMessage *result = NULL, *entry;
	int rc = ldap_search_ext_s(ld, base, LDAP_SCOPE_BASE, "(objectClass=*)",
	    attrs, 0, NULL, NULL, &limit, 0, &result);

	if (rc == LDAP_SUCCESS &&
	    (entry = ldap_first_entry(ld, result)) != NULL)
		values = ldap_get_values_len(ld, entry, name);
	buf_clear(cookie);
	for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
		buf_append_str(cookie, i == 0 ? "rid=000,csn=" : ";");
		buf_append(
		    cookie, span_of(values[i]->bv_val, values[i]->bv_len));
	}
	ldap_value_free_len(values);
	(void)ldap_msgfree(result);
	if (rc != LDAP_SUCCESS)
		return err_set(
		    err, ERR_TEMP, "contextCSN: %s", ldap_err2string(rc));
	if (cookie->len == 0)
		return err_set(err, ERR_TEMP,
		    "%s has no contextCSN that we may read: is syncprov on?",
		    base);
	return buf_check(cookie, err);
}

static void
cookie_keep(struct follower *f, const ldap_sync_t *ls)
{
	if (ls->ls_cookie.bv_val == NULL || ls->ls_cookie.bv_len == 0 ||
	    ls->ls_cookie.bv_len > COOKIE_MAX)
		return;
	buf_clear(&f->cookie);
	buf_append(
	    &f->cookie, span_of(ls->ls_cookie.bv_val, ls->ls_cookie.bv_len));
}

/* ---- the thread ------------------------------------------------------------
 */

/* False: time to end. */
static bool
rest(struct follower *f, int ms)
{
	struct pollfd p = { f->stop_fd, POLLIN, 0 };

	return poll(&p, 1, ms) <= 0;
}

/* Whether input came, or (quiet) none within the time; false: end. */
static bool
wait_input(struct follower *f, int fd, int ms, bool *input_out)
{
	struct pollfd p[2] = { { f->stop_fd, POLLIN, 0 }, { fd, POLLIN, 0 } };
	int got = poll(p, 2, ms);

	*input_out = got > 0 && p[1].revents != 0;
	return !(got > 0 && p[0].revents != 0);
}

static void
set_live(struct follower *f, bool live)
{
	atomic_store(f->directory->live, live);
	if (live != f->was_live) {
		if (live)
			log_info(&log_process, "following the directory");
		f->was_live = live;
	}
}

/* The server may send one message; the connection still works? */
static bool
still_there(struct follower *f, int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	(void)f;
	return poll(&p, 1, 0) >= 0 && (p.revents & (POLLERR | POLLHUP)) == 0;
}

/*
 * All that has come.  libldap reads ahead, so the descriptor may be quiet while
 * messages wait in its memory; and it may stop in the middle of one, which is
 * why persist comes here every QUIET_MS without input too.
 */
static int
take_messages(struct follower *f, ldap_sync_t *ls)
{
	unsigned told;
	int rc;

	do {
		told = f->told;
		rc = ldap_sync_poll(ls);
	} while (rc == LDAP_SUCCESS && f->told != told);
	return rc;
}

/* Until the connection breaks or the end; the answer is LDAP's code. */
static int
persist(struct follower *f, ldap_sync_t *ls)
{
	int rc = ldap_sync_init(ls, LDAP_SYNC_REFRESH_AND_PERSIST), fd = -1;
	bool input = false;
	unsigned told = 0;

	if (rc != LDAP_SUCCESS)
		return rc;
	if (ldap_get_option(ls->ls_ld, LDAP_OPT_DESC, &fd) != 0 || fd == -1)
		return LDAP_SERVER_DOWN;
	for (;;) {
		if ((rc = take_messages(f, ls)) != LDAP_SUCCESS)
			return rc;
		cookie_keep(f, ls);
		if (ls->ls_refreshPhase == LDAP_SYNC_CAPI_DONE)
			f->refreshing = false;
		if (!f->refreshing)
			set_live(f, true);
		/* Input that told nothing was the beginning of something. */
		if (!wait_input(f, fd,
			input && told == f->told ? AGAIN_MS : QUIET_MS, &input))
			return LDAP_SUCCESS;
		told = f->told;
		if (!input && !still_there(f, fd))
			return LDAP_SERVER_DOWN;
		/* What one server tells and another one answers do not fit
		 * together. */
		if (ldap_pool_turn(f->directory->pool) != f->turn)
			return LDAP_SERVER_DOWN;
	}
}

static char *
copy_text(const char *text)
{
	return ldap_strdup(text);
}

static int
sync_prepare(struct follower *f, ldap_sync_t *ls, LDAP *ld, struct err *err)
{
	size_t n = 0;

	if (ldap_sync_initialize(ls) == NULL)
		return err_set(err, ERR_TEMP, "ldap_sync_initialize");
	ls->ls_ld = ld;
	ls->ls_base = copy_text(f->directory->base);
	ls->ls_scope = LDAP_SCOPE_SUBTREE;
	ls->ls_filter = copy_text("(objectClass=*)");
	while (entry_attrs[n] != NULL)
		n++;
	ls->ls_attrs = ldap_memcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; ls->ls_attrs != NULL && i < n; i++)
		ls->ls_attrs[i] = copy_text(entry_attrs[i]);
	ls->ls_cookie.bv_val = copy_text(buf_str(&f->cookie));
	ls->ls_cookie.bv_len = f->cookie.len;
	/* 0: ldap_sync_poll does not wait. */
	ls->ls_timeout = 0;
	ls->ls_search_entry = on_entry;
	ls->ls_search_reference = on_reference;
	ls->ls_intermediate = on_intermediate;
	ls->ls_search_result = on_result;
	ls->ls_private = f;
	if (ls->ls_base == NULL || ls->ls_filter == NULL ||
	    ls->ls_attrs == NULL || ls->ls_cookie.bv_val == NULL)
		return err_set(err, ERR_TEMP, "LDAP sync: no memory");
	return 0;
}

/* One connection's life. */
static int
follow_once(struct follower *f, struct err *err)
{
	ldap_sync_t ls;
	LDAP *ld = NULL;
	int rc;

	memset(&ls, 0, sizeof(ls));
	if (ldap_pool_connect(f->directory->pool, &ld, &f->turn, err) == -1)
		return -1;
	if (f->cookie.len == 0) {
		if (cookie_of_now(ld, f->directory->base, &f->cookie, err) ==
		    -1) {
			(void)ldap_unbind_ext(ld, NULL, NULL);
			return -1;
		}
		/* What was asked for before that moment may have changed in
		 * it, and is not told. */
		cache_clear(f->directory->cache);
	}
	f->refreshing = true;
	if (sync_prepare(f, &ls, ld, err) == -1) {
		ldap_sync_destroy(&ls, 0);
		return -1;
	}
	rc = persist(f, &ls);
	set_live(f, false);
	/* Also of a server that is behind the one we followed before: it does
	 * not know the moment that the cookie tells. */
	if (rc == LDAP_SYNC_REFRESH_REQUIRED || rc == LDAP_UNWILLING_TO_PERFORM)
		buf_clear(&f->cookie);
	ldap_sync_destroy(&ls, 0); /* and the connection */
	return rc == LDAP_SUCCESS
		   ? 0
		   : err_set(err, ERR_TEMP, "%s", ldap_err2string(rc));
}

static void *
run_follower(void *arg)
{
	struct follower *f = arg;
	bool told = false;

	do {
		struct err err = ERR_INIT;
		bool was_live;

		f->was_live = false;
		(void)follow_once(f, &err);
		was_live = err.kind == ERR_NONE;
		if (err.kind != ERR_NONE && !told) {
			log_warning(&log_process,
			    "directory lost, known entries serve",
			    log_err(&err));
			told = true;
		}
		if (was_live)
			told = false;
	} while (rest(f, RETRY_MS));
	set_live(f, false);
	return NULL;
}

int
follower_start(
    struct directory *d, struct follower **follower_out, struct err *err)
{
	struct follower *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return err_sys(err, "follower");
	f->directory = d;
	buf_init(&f->cookie, COOKIE_MAX);
	f->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (f->stop_fd == -1) {
		free(f);
		return err_sys(err, "eventfd");
	}
	if (pthread_create(&f->thread, NULL, run_follower, f) != 0) {
		fd_close(f->stop_fd);
		free(f);
		return err_set(err, ERR_TEMP, "no thread for the follower");
	}
	*follower_out = f;
	return 0;
}

void
follower_free(struct follower *f)
{
	uint64_t one = 1;

	if (f == NULL)
		return;
	if (write(f->stop_fd, &one, sizeof(one)) == sizeof(one))
		(void)pthread_join(f->thread, NULL);
	fd_close(f->stop_fd);
	buf_fini(&f->cookie);
	free(f);
}
