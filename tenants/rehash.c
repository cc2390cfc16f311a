/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/rehash.h"

#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/file.h"
#include "common/log.h"
#include "tenants/editor.h"
#include "tenants/password.h"
#include "tenants/password_new.h"

enum {
	WAITING_MAX = 64,
	SECRET_MAX = 2048,
	SECRETS_MAX = 16384,
	/* Of all when LDAP does not answer; when slapd refuses one, so that it
	 * is told no more often. */
	PAUSE_DOWN_S = 30,
	PAUSE_REFUSED_S = 2
};

struct job {
	struct job *next;
	char id[TENANT_ID_MAX + 1];
	char tenant[TENANT_NAME_MAX + 1];
	struct buf dn, stored, password;
	struct buf secrets; /* those of stored, each ended by NUL */
	bool keep_clear;
};

struct rehash {
	struct editor_options options; /* its strings: those below */
	char *uri, *base, *bind_dn, *ca_file;
	struct buf ldap_password;
	unsigned cost;
	char fresh[CRYPT_GENSALT_OUTPUT_SIZE]; /* how new ones begin */
	struct remember *remember;
	struct editor *editor; /* the thread's */
	pthread_t thread;
	bool started;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t wake;
	struct job *first, **last, *now;
	unsigned waiting;
	time_t not_before;
	bool stop;
};

static void
clean(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

static void
job_free(struct job *j)
{
	if (j == NULL)
		return;
	clean(&j->dn);
	clean(&j->stored);
	clean(&j->password);
	clean(&j->secrets);
	free(j);
}
CLEANUP_DEFINE_PTR(struct job, job_free)

/* ---- beginning and end -----------------------------------------------------
 */

/* "{CRYPT}$y$j9T$" of "$y$j9T$salt". */
static int
find_fresh(struct rehash *r, struct err *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	ptrdiff_t end;

	if (crypt_gensalt_rn(
		"$y$", r->cost, NULL, 0, setting, (int)sizeof(setting)) == NULL)
		return err_sys(err, "crypt_gensalt_rn");
	end = span_rindex(span_str(setting), '$');
	if (end < (ptrdiff_t)strlen("$y$"))
		return err_set(err, ERR_TEMP, "no yescrypt in libcrypt");
	(void)snprintf(
	    r->fresh, sizeof(r->fresh), "{CRYPT}%.*s", (int)end + 1, setting);
	return 0;
}

static int
read_password(const char *path, struct buf *out, struct err *err)
{
	if (file_read(path, out, err) == -1)
		return -1;
	while (out->len > 0 && (out->data[out->len - 1] == '\n' ||
				   out->data[out->len - 1] == '\r'))
		buf_truncate(out, out->len - 1);
	return out->len > 0
		   ? buf_check(out, err)
		   : err_set(err, ERR_POLICY, "%s: no password in it", path);
}

int
rehash_new(const struct tenantd_conf *conf, struct remember *remember,
    struct rehash **rehash_out, struct err *err)
{
	CLEANUP(rehash_free) struct rehash *r = NULL;

	*rehash_out = NULL;
	if (conf->rehash_password_file[0] == '\0')
		return 0;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return err_sys(err, "rehash");
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->wake, NULL);
	r->last = &r->first;
	r->cost = (unsigned)conf->password_cost;
	r->remember = remember;
	buf_init(&r->ldap_password, SECRET_MAX);
	r->uri =
	    strdup(conf->rehash_uri[0] == '\0' ? conf->uri : conf->rehash_uri);
	r->base = strdup(conf->base);
	r->bind_dn = strdup(conf->rehash_dn);
	r->ca_file = strdup(conf->ca_file);
	if (r->uri == NULL || r->base == NULL || r->bind_dn == NULL ||
	    r->ca_file == NULL)
		return err_sys(err, "rehash");
	if (read_password(conf->rehash_password_file, &r->ldap_password, err) ==
		-1 ||
	    find_fresh(r, err) == -1)
		return -1;
	r->options = (struct editor_options){
		.uri = r->uri,
		.base = r->base,
		.bind_dn = r->bind_dn,
		.password = buf_str(&r->ldap_password),
		.ca_file = r->ca_file,
		.starttls = conf->starttls,
		.connect_ms = (unsigned)conf->connect_wait * 1000,
		.answer_ms = (unsigned)conf->search_wait * 1000,
	};
	*rehash_out = STEAL(r);
	return 0;
}

void
rehash_free(struct rehash *r)
{
	struct job *next;

	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->mutex);
	r->stop = true;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->mutex);
	if (r->started)
		(void)pthread_join(r->thread, NULL);
	for (struct job *j = r->first; j != NULL; j = next) {
		next = j->next;
		job_free(j);
	}
	editor_free(r->editor);
	clean(&r->ldap_password);
	free(r->uri);
	free(r->base);
	free(r->bind_dn);
	free(r->ca_file);
	(void)pthread_cond_destroy(&r->wake);
	(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}

/* ---- one account -----------------------------------------------------------
 */

static void
put_changes(
    const struct job *j, const struct password_new *made, struct changes *c)
{
	struct span rest = buf_span(&j->secrets), secret;

	changes_value(c, LDAP_MOD_DELETE, "userPassword", buf_span(&j->stored));
	changes_value(c, LDAP_MOD_ADD, "userPassword", buf_span(&made->stored));
	while (span_take_until(&rest, '\0', &secret))
		changes_value(c, LDAP_MOD_DELETE, "hkSecret", secret);
	changes_value(c, LDAP_MOD_ADD, "hkSecret", buf_span(&made->scram));
	if (made->clear.len > 0)
		changes_value(
		    c, LDAP_MOD_ADD, "hkSecret", buf_span(&made->clear));
}

/* It is as right as it was before. */
static void
remember_new_one(
    struct rehash *r, const struct job *j, const struct password_new *made)
{
	unsigned char digest[REMEMBER_DIGEST];

	if (remember_digest(r->remember, span_str(j->id),
		buf_span(&made->stored), buf_span(&j->password), digest,
		NULL) == 0)
		remember_add(r->remember, digest);
}

static int
store_anew(struct rehash *r, const struct job *j, struct err *err)
{
	CLEANUP(password_new_fini) struct password_new made;
	CLEANUP(changes_fini) struct changes changes;

	password_new_init(&made);
	changes_init(&changes);
	if (password_new_make(buf_span(&j->password), r->cost, j->keep_clear,
		&made, err) == -1)
		return -1;
	put_changes(j, &made, &changes);
	if (changes_check(&changes, err) == -1 ||
	    (r->editor == NULL &&
		editor_open(&r->options, &r->editor, err) == -1))
		return -1;
	/* Before slapd tells the follower of it, and clients come again. */
	remember_new_one(r, j, &made);
	return editor_modify(r->editor, buf_str(&j->dn), &changes, err);
}

/* Answers for how many seconds nothing is to be tried. */
static time_t
do_job(struct rehash *r, const struct job *j)
{
	struct err err = ERR_INIT;

	if (store_anew(r, j, &err) == 0) {
		log_info(&log_process, "password stored anew",
		    log_str("tenant", j->tenant), log_str("account", j->id));
		return 0;
	}
	if (r->editor != NULL && err.kind == ERR_POLICY &&
	    (editor_code(r->editor) == LDAP_NO_SUCH_ATTRIBUTE ||
		editor_code(r->editor) == LDAP_NO_SUCH_OBJECT)) {
		log_info(&log_process,
		    "password not stored anew, it was changed meanwhile",
		    log_str("tenant", j->tenant), log_str("account", j->id));
		return 0;
	}
	log_warning(&log_process, "password not stored anew",
	    log_str("tenant", j->tenant), log_str("account", j->id),
	    log_err(&err));
	if (err.kind == ERR_POLICY)
		return PAUSE_REFUSED_S;
	editor_free(r->editor);
	r->editor = NULL;
	return PAUSE_DOWN_S;
}

static void *
rehash_run(void *arg)
{
	struct rehash *r = arg;

	(void)pthread_mutex_lock(&r->mutex);
	while (!r->stop) {
		CLEANUP(job_free) struct job *j = r->first;
		time_t pause;

		if (j == NULL) {
			(void)pthread_cond_wait(&r->wake, &r->mutex);
			continue;
		}
		r->first = j->next;
		if (r->first == NULL)
			r->last = &r->first;
		r->waiting--;
		r->now = j;
		(void)pthread_mutex_unlock(&r->mutex);
		pause = do_job(r, j);
		(void)pthread_mutex_lock(&r->mutex);
		r->now = NULL;
		if (pause > 0)
			r->not_before = time(NULL) + pause;
	}
	(void)pthread_mutex_unlock(&r->mutex);
	return NULL;
}

int
rehash_start(struct rehash *r, struct err *err)
{
	int error;

	if (r == NULL)
		return 0;
	error = pthread_create(&r->thread, NULL, rehash_run, r);
	if (error != 0) {
		errno = error;
		return err_sys(err, "thread that stores passwords anew");
	}
	r->started = true;
	return 0;
}

/* ---- what is offered --------------------------------------------------------
 */

/* As new ones are, with something for SCRAM beside it. */
static bool
is_new(const struct rehash *r, const struct credentials *c, struct span stored)
{
	struct span rest = buf_span(&c->secrets), secret, value;

	if (!span_starts_nocase(stored, span_str(r->fresh)))
		return false;
	while (span_take_until(&rest, '\0', &secret))
		if (password_secret_of(secret, stored, &value) &&
		    span_starts_nocase(value, SPAN("{SCRAM-SHA-256}")))
			return true;
	return false;
}

static struct job *
job_new(const struct credentials *c, struct span stored, struct span password)
{
	CLEANUP(job_free) struct job *j = calloc(1, sizeof(*j));
	struct span rest = buf_span(&c->secrets), secret, value;

	if (j == NULL)
		return NULL;
	buf_init(&j->dn, SECRETS_MAX);
	buf_init(&j->stored, SECRET_MAX);
	buf_init(&j->password, SECRET_MAX);
	buf_init(&j->secrets, SECRETS_MAX);
	(void)snprintf(j->id, sizeof(j->id), "%s", c->account.id);
	(void)snprintf(
	    j->tenant, sizeof(j->tenant), "%s", c->account.tenant.name);
	buf_append(&j->dn, buf_span(&c->dn));
	buf_append(&j->stored, stored);
	buf_append(&j->password, password);
	j->keep_clear = c->keep_secret && password_is_clear(stored);
	while (span_take_until(&rest, '\0', &secret)) {
		if (!password_secret_of(secret, stored, &value))
			continue;
		buf_append(&j->secrets, secret);
		buf_append_octet(&j->secrets, '\0');
		if (c->keep_secret && password_is_clear(value))
			j->keep_clear = true;
	}
	if (buf_check(&j->dn, NULL) == -1 ||
	    buf_check(&j->stored, NULL) == -1 ||
	    buf_check(&j->password, NULL) == -1 ||
	    buf_check(&j->secrets, NULL) == -1)
		return NULL;
	return STEAL(j);
}

/* The mutex is held. */
static bool
has_room(const struct rehash *r, const char *id)
{
	if (r->waiting >= WAITING_MAX || time(NULL) < r->not_before ||
	    (r->now != NULL && strcmp(r->now->id, id) == 0))
		return false;
	for (const struct job *j = r->first; j != NULL; j = j->next)
		if (strcmp(j->id, id) == 0)
			return false;
	return true;
}

void
rehash_offer(struct rehash *r, const struct credentials *c, struct span stored,
    struct span password)
{
	CLEANUP(job_free) struct job *j = NULL;

	if (r == NULL || !c->rehash || is_new(r, c, stored))
		return;
	j = job_new(c, stored, password);
	(void)pthread_mutex_lock(&r->mutex);
	if (j != NULL && has_room(r, j->id)) {
		*r->last = j;
		r->last = &j->next;
		r->waiting++;
		j = NULL;
		(void)pthread_cond_signal(&r->wake);
	}
	(void)pthread_mutex_unlock(&r->mutex);
}
