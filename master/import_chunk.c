/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps that import.h tells. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/import.h"
#include "master/manage_new.h"
#include "tenants/ldap_pool.h"
#include "tenants/naming.h"

enum {
	THREADS_MAX = 64
};

/* ---- answers ----------------------------------------------------------------
 */

/* The result code of a job's operation, and slapd's words. */
static int
answer_of(struct import *i, struct job *job, LDAPMessage **result_out,
    int *code_out, struct err *err)
{
	LDAP *ld = editor_ldap(i->m->editor);
	struct timeval limit = { editor_answer_ms(i->m->editor) / 1000, 0 };
	LDAPMessage *m = NULL;
	char *text = NULL;
	int type = ldap_result(ld, job->id, LDAP_MSG_ALL, &limit, &m);

	*code_out = LDAP_TIMEOUT;
	if (type == -1)
		(void)ldap_get_option(ld, LDAP_OPT_RESULT_CODE, code_out);
	else if (type != 0)
		(void)ldap_parse_result(
		    ld, m, code_out, NULL, &text, NULL, NULL, 0);
	/* What it would refuse is no error of ours yet. */
	(void)editor_refused(i->m->editor, *code_out, text, err);
	ldap_memfree(text);
	if (result_out != NULL)
		*result_out = m;
	else
		(void)ldap_msgfree(m);
	return err->kind == ERR_TEMP && *code_out != LDAP_SUCCESS ? -1 : 0;
}

/* ---- look -------------------------------------------------------------------
 */

static int
send_look(struct import *i, struct job *job, struct err *err)
{
	CLEANUP(buf_fini) struct buf base;
	CLEANUP(buf_fini) struct buf filter;
	static const char *const names[] = { "mailLocalAddress",
		"hkIntlAddress", "uid" };
	char **attrs;
	int rc;

	buf_init(&base, DN_MAX);
	buf_init(&filter, FILTER_MAX);
	naming_unit(
	    &base, i->m->tenantd.base, buf_span(&job->tenant), "accounts");
	buf_append_str(&filter, "(&(objectClass=hkAccount)(|");
	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
		buf_append_fmt(&filter, "(%s=", names[n]);
		ldap_filter_escape(buf_span(&job->address), &filter);
		buf_append_octet(&filter, ')');
	}
	buf_append_str(&filter, "))");
	if (buf_check(&base, err) == -1 || buf_check(&filter, err) == -1)
		return -1;
	memcpy(&attrs, &(const char *const *){ i->attrs }, sizeof(attrs));
	rc = ldap_search_ext(editor_ldap(i->m->editor), buf_str(&base),
	    LDAP_SCOPE_ONELEVEL, buf_str(&filter), attrs, 0, NULL, NULL, NULL,
	    0, &job->id);
	return rc == LDAP_SUCCESS ? 0
				  : editor_refused(i->m->editor, rc, NULL, err);
}

/* ---- build ------------------------------------------------------------------
 */

static bool
same_values(LDAP *ld, LDAPMessage *entry, const LDAPMod *mod)
{
	struct berval **values = ldap_get_values_len(ld, entry, mod->mod_type);
	int have = ldap_count_values_len(values);
	int want = ldap_count_values_len(mod->mod_bvalues);
	bool same = have == want;

	for (int w = 0; same && w < want; w++) {
		const struct berval *a = mod->mod_bvalues[w];
		bool found = false;

		for (int h = 0; h < have; h++)
			found |= span_eq(span_of(a->bv_val, a->bv_len),
			    span_of(values[h]->bv_val, values[h]->bv_len));
		same = found;
	}
	ldap_value_free_len(values);
	return same;
}

static int
build_change(
    struct import *i, struct job *job, LDAPMessage *entry, struct err *err)
{
	CLEANUP(changes_fini) struct changes all;
	LDAP *ld = editor_ldap(i->m->editor);
	struct found found = { NULL, entry, ldap_get_dn(ld, entry) };
	int rc = -1;

	changes_init(&all);
	import_settings(i, job);
	if (found.dn == NULL) {
		(void)err_set(err, ERR_TEMP, "entry without a DN");
	} else if (manage_settings(i->m, &found, &all, err) == 0) {
		buf_append_str(&job->dn, found.dn);
		rc = changes_copy_if(
		    &job->changes, &all, same_values, ld, entry, err);
	}
	if (rc == 0 && i->m->options.update_passwords)
		rc = import_password(i, job, LDAP_MOD_REPLACE, err);
	ldap_memfree(found.dn);
	if (rc == 0)
		job->state = job->changes.len > 0 || job->password.len > 0
				 ? JOB_CHANGE
				 : JOB_UNCHANGED;
	return rc;
}

static int
check_found(struct import *i, const struct job *job, LDAPMessage *entry,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	LDAP *ld = editor_ldap(i->m->editor);

	buf_init(&text, FIELD_VALUE_MAX);
	(void)entry_value(ld, entry, "mail", &text);
	if (!span_eq_nocase(buf_span(&text), buf_span(&job->address)))
		return err_set(err, ERR_POLICY, "it is another name of %.100s",
		    buf_str(&text));
	buf_clear(&text);
	(void)entry_value(ld, entry, "hkStatus", &text);
	if (span_eq_nocase(buf_span(&text), SPAN("deleted")))
		return err_set(err, ERR_POLICY,
		    "it is deleted; expected \"hikyaku account undelete\"");
	return 0;
}

static int
build_add(struct import *i, struct job *job, struct err *err)
{
	uint64_t *left;

	import_settings(i, job);
	if (import_room(i, buf_span(&job->tenant), &left, err) == -1)
		return -1;
	if (*left == 0)
		return err_set(
		    err, ERR_LIMIT, "max-accounts of the tenant is reached");
	if (manage_new_account(i->m, buf_span(&job->address),
		buf_span(&job->tenant), &job->dn, &job->changes, err) == -1 ||
	    import_password(i, job, LDAP_MOD_ADD, err) == -1)
		return -1;
	if (*left != UINT64_MAX)
		(*left)--;
	job->state = JOB_ADD;
	job->was_add = true;
	return 0;
}

static void
build(struct import *i, struct job *job, LDAPMessage *result)
{
	LDAPMessage *entry =
	    ldap_first_entry(editor_ldap(i->m->editor), result);
	struct err err = ERR_INIT;
	int rc;

	if (entry != NULL)
		rc = check_found(i, job, entry, &err) == -1
			 ? -1
			 : build_change(i, job, entry, &err);
	else
		rc = build_add(i, job, &err);
	if (rc == 0)
		return;
	/* A parent may come with the same chunk: one more try, then. */
	if (job->state == JOB_READ &&
	    span_starts(span_str(err.text), SPAN("parent: there is no"))) {
		changes_fini(&job->changes);
		buf_clear(&job->dn);
		job->state = JOB_LATER;
		return;
	}
	import_refuse(i, job, &err);
}

static int
look_and_build(struct import *i, enum job_state which, struct err *err)
{
	for (size_t n = 0; n < i->jobs_len; n++)
		if (i->jobs[n].state == which &&
		    send_look(i, &i->jobs[n], err) == -1)
			return -1;
	for (size_t n = 0; n < i->jobs_len; n++) {
		struct job *job = &i->jobs[n];
		LDAPMessage *result = NULL;
		struct err why = ERR_INIT;
		int code;

		if (job->state != which)
			continue;
		if (answer_of(i, job, &result, &code, &why) == -1) {
			*err = why;
			return -1;
		}
		if (code == LDAP_SUCCESS || code == LDAP_NO_SUCH_OBJECT)
			build(i, job, result);
		else
			import_refuse(i, job, &why);
		(void)ldap_msgfree(result);
	}
	return 0;
}

/* ---- try --------------------------------------------------------------------
 */

static bool
is_pending(const struct job *job)
{
	return job->state == JOB_ADD || job->state == JOB_CHANGE;
}

static int
send_tries(struct import *i, struct err *err)
{
	for (size_t n = 0; n < i->jobs_len; n++) {
		struct job *job = &i->jobs[n];

		/* Only a password: there is nothing to be tried. */
		if (!is_pending(job) || job->changes.len == 0)
			continue;
		job->id = job->was_add
			      ? batch_try_add(i->m->editor, buf_str(&job->dn),
				    &job->changes, err)
			      : batch_try_modify(i->m->editor,
				    buf_str(&job->dn), &job->changes, err);
		if (job->id == -1)
			return -1;
	}
	return 0;
}

static void
give_room_back(struct import *i, const struct job *job)
{
	uint64_t *left;

	if (job->was_add &&
	    import_room(i, buf_span(&job->tenant), &left, NULL) == 0 &&
	    *left != UINT64_MAX)
		(*left)++;
}

static int
try_all(struct import *i, struct err *err)
{
	if (send_tries(i, err) == -1)
		return -1;
	for (size_t n = 0; n < i->jobs_len; n++) {
		struct job *job = &i->jobs[n];
		struct err why = ERR_INIT;
		int code;

		if (!is_pending(job) || job->changes.len == 0)
			continue;
		if (answer_of(i, job, NULL, &code, &why) == -1) {
			*err = why;
			return -1;
		}
		if (code == LDAP_X_NO_OPERATION)
			continue;
		give_room_back(i, job);
		import_refuse(i, job, &why);
	}
	return 0;
}

/* ---- hash -------------------------------------------------------------------
 */

struct hashing_work {
	struct import *i;
	atomic_size_t next;
};

static void *
hash_some(void *arg)
{
	struct hashing_work *w = arg;
	struct import *i = w->i;
	size_t n;

	while ((n = atomic_fetch_add(&w->next, 1)) < i->jobs_len) {
		struct job *job = &i->jobs[n];

		err_clear(&job->why);
		if (is_pending(job) && job->password.len > 0)
			(void)password_new_make(job->password,
			    (unsigned)i->m->tenantd.password_cost, false,
			    &job->made, &job->why);
	}
	return NULL;
}

static void
put_made(struct job *job)
{
	int op = job->was_add ? LDAP_MOD_ADD : LDAP_MOD_REPLACE;

	changes_value(
	    &job->changes, op, "userPassword", buf_span(&job->made.stored));
	changes_value(
	    &job->changes, op, "hkSecret", buf_span(&job->made.scram));
}

static int
hash_all(struct import *i, struct err *err)
{
	struct hashing_work w = { .i = i };
	pthread_t threads[THREADS_MAX];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t started = 0;

	atomic_init(&w.next, 0);
	while (started + 1 < (size_t)processors && started < THREADS_MAX &&
	       pthread_create(&threads[started], NULL, hash_some, &w) == 0)
		started++;
	(void)hash_some(&w);
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
	for (size_t n = 0; n < i->jobs_len; n++) {
		struct job *job = &i->jobs[n];

		if (!is_pending(job) || job->password.len == 0)
			continue;
		if (job->why.kind == ERR_NONE) {
			put_made(job);
			continue;
		}
		if (job->why.kind == ERR_TEMP) {
			*err = job->why;
			return -1;
		}
		/* Too long, say: this line's fault. */
		give_room_back(i, job);
		import_refuse(i, job, &job->why);
	}
	return 0;
}

/* ---- write ------------------------------------------------------------------
 */

static void
count_done(struct import *i, struct job *job)
{
	job->state = JOB_DONE;
	if (job->was_add)
		i->counts.added++;
	else
		i->counts.changed++;
}

static int
send_write(struct import *i, struct job *job, struct err *err)
{
	LDAP *ld = editor_ldap(i->m->editor);
	const char *dn = buf_str(&job->dn);
	int rc;

	if (changes_check(&job->changes, err) == -1)
		return -1;
	rc = job->was_add
		 ? ldap_add_ext(ld, dn, job->changes.mods, NULL, NULL, &job->id)
		 : ldap_modify_ext(
		       ld, dn, job->changes.mods, NULL, NULL, &job->id);
	return rc == LDAP_SUCCESS ? 0
				  : editor_refused(i->m->editor, rc, NULL, err);
}

/* Each is a change of its own, and each gets its own answer. */
static int
write_all(struct import *i, struct err *err)
{
	for (size_t n = 0; n < i->jobs_len; n++)
		if (is_pending(&i->jobs[n]) &&
		    send_write(i, &i->jobs[n], err) == -1)
			return -1;
	for (size_t n = 0; n < i->jobs_len; n++) {
		struct job *job = &i->jobs[n];
		struct err why = ERR_INIT;
		int code;

		if (!is_pending(job))
			continue;
		if (answer_of(i, job, NULL, &code, &why) == -1) {
			*err = why;
			return -1;
		}
		if (code == LDAP_SUCCESS) {
			count_done(i, job);
			continue;
		}
		give_room_back(i, job);
		import_refuse(i, job, &why);
	}
	return 0;
}

/* ---- all of it --------------------------------------------------------------
 */

static int
do_jobs(struct import *i, enum job_state which, struct err *err)
{
	if (look_and_build(i, which, err) == -1)
		return -1;
	if (i->m->options.dry_run) {
		if (try_all(i, err) == -1)
			return -1;
		for (size_t n = 0; n < i->jobs_len; n++)
			if (is_pending(&i->jobs[n]))
				count_done(i, &i->jobs[n]);
		return 0;
	}
	return hash_all(i, err) == -1 ? -1 : write_all(i, err);
}

int
import_chunk(struct import *i, struct err *err)
{
	if (do_jobs(i, JOB_READ, err) == -1 || do_jobs(i, JOB_LATER, err) == -1)
		return -1;
	for (size_t n = 0; n < i->jobs_len; n++)
		i->counts.unchanged += i->jobs[n].state == JOB_UNCHANGED;
	return 0;
}
