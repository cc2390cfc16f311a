/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/batch.h"

#include <string.h>

void
batch_init(struct batch *b, struct editor *editor)
{
	memset(b, 0, sizeof(*b));
	b->editor = editor;
}

static void
forget(struct batch *b)
{
	ber_bvfree(b->id);
	b->id = NULL;
	b->len = 0;
}

void
batch_fini(struct batch *b)
{
	if (b->id != NULL)
		(void)ldap_txn_end_s(
		    editor_ldap(b->editor), 0, b->id, NULL, NULL, NULL);
	forget(b);
}

/* What a failed call of libldap left behind. */
static int
failure(const struct batch *b, int code, struct err *err)
{
	char *text = NULL;
	int rc;

	(void)ldap_get_option(
	    editor_ldap(b->editor), LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
	rc = editor_refused(b->editor, code, text, err);
	ldap_memfree(text);
	return rc;
}

/* The control that makes a change a part of it. */
struct part {
	LDAPControl control;
	LDAPControl *list[2];
};

static int
begin(struct batch *b, struct part *p, struct err *err)
{
	int rc = LDAP_SUCCESS;

	memset(p, 0, sizeof(*p));
	if (b->len == BATCH_MAX)
		return err_set(err, ERR_LIMIT, "batch is full");
	if (b->id == NULL)
		rc = ldap_txn_start_s(
		    editor_ldap(b->editor), NULL, NULL, &b->id);
	if (rc != LDAP_SUCCESS)
		return failure(b, rc, err);
	p->control.ldctl_oid = (char *)(uintptr_t)LDAP_CONTROL_TXN_SPEC;
	p->control.ldctl_value = *b->id;
	p->control.ldctl_iscritical = 1;
	p->list[0] = &p->control;
	return 0;
}

static int
end(struct batch *b, int code, int id, struct err *err)
{
	if (code != LDAP_SUCCESS)
		return failure(b, code, err);
	b->ids[b->len++] = id;
	return 0;
}

int
batch_modify(struct batch *b, const char *dn, const struct changes *changes,
    struct err *err)
{
	struct part p;
	int id = 0, rc;

	if (changes_check(changes, err) == -1)
		return -1;
	if (changes->len == 0)
		return 0;
	if (begin(b, &p, err) == -1)
		return -1;
	rc = ldap_modify_ext(
	    editor_ldap(b->editor), dn, changes->mods, p.list, NULL, &id);
	return end(b, rc, id, err);
}

/* ---- the end ----------------------------------------------------------------
 */

/* Each change is answered at once: whether it will be part of the batch. */
static int
take_answer(struct batch *b, size_t i, struct err *err)
{
	struct timeval limit = { editor_answer_ms(b->editor) / 1000, 0 };
	LDAPMessage *m = NULL;
	char *text = NULL;
	int code = LDAP_TIMEOUT, rc;

	rc = ldap_result(
	    editor_ldap(b->editor), b->ids[i], LDAP_MSG_ALL, &limit, &m);
	if (rc == -1)
		(void)ldap_get_option(
		    editor_ldap(b->editor), LDAP_OPT_RESULT_CODE, &code);
	else if (rc != 0)
		rc = ldap_parse_result(editor_ldap(b->editor), m, &code, NULL,
		    &text, NULL, NULL, 1);
	rc = code == LDAP_SUCCESS || code == LDAP_TXN_SPECIFY_OKAY
		 ? 0
		 : editor_refused(b->editor, code, text, err);
	ldap_memfree(text);
	return rc;
}

static size_t
place_of(const struct batch *b, int id)
{
	for (size_t i = 0; i < b->len; i++)
		if (b->ids[i] == id)
			return i;
	return SIZE_MAX;
}

/* The message id of the change that failed, or 0. RFC 5805 2.4 */
static int
take_culprit(struct batch *b, LDAPMessage *m)
{
	struct berval *data = NULL;
	BerElement *ber = NULL;
	ber_int_t id = 0;

	if (ldap_parse_extended_result(
		editor_ldap(b->editor), m, NULL, &data, 0) == LDAP_SUCCESS &&
	    data != NULL && (ber = ber_init(data)) != NULL &&
	    ber_scanf(ber, "{i", &id) == LBER_ERROR)
		id = 0;
	ber_free(ber, 1);
	ber_bvfree(data);
	return id;
}

static int
take_end(struct batch *b, int id, size_t *failed_out, struct err *err)
{
	struct timeval limit = { editor_answer_ms(b->editor) / 1000, 0 };
	LDAPMessage *m = NULL;
	char *text = NULL;
	int code = LDAP_TIMEOUT, rc;

	rc = ldap_result(editor_ldap(b->editor), id, LDAP_MSG_ALL, &limit, &m);
	if (rc == -1)
		(void)ldap_get_option(
		    editor_ldap(b->editor), LDAP_OPT_RESULT_CODE, &code);
	if (rc > 0) {
		*failed_out = place_of(b, take_culprit(b, m));
		(void)ldap_parse_result(editor_ldap(b->editor), m, &code, NULL,
		    &text, NULL, NULL, 0);
	}
	(void)ldap_msgfree(m);
	rc = code == LDAP_SUCCESS ? 0
				  : editor_refused(b->editor, code, text, err);
	ldap_memfree(text);
	return rc;
}

int
batch_commit(struct batch *b, size_t *failed_out, struct err *err)
{
	size_t failed = SIZE_MAX, ignored;
	int id = 0, rc = 0, code;

	if (b->id == NULL)
		return 0;
	for (size_t i = 0; i < b->len && rc == 0; i++) {
		rc = take_answer(b, i, err);
		failed = rc == -1 ? i : SIZE_MAX;
	}
	code = ldap_txn_end(
	    editor_ldap(b->editor), rc == 0, b->id, NULL, NULL, &id);
	if (code != LDAP_SUCCESS && rc == 0)
		rc = failure(b, code, err);
	else if (code == LDAP_SUCCESS && rc == 0)
		rc = take_end(b, id, &failed, err);
	else if (code == LDAP_SUCCESS)
		(void)take_end(b, id, &ignored, NULL);
	if (failed_out != NULL)
		*failed_out = failed;
	forget(b);
	return rc;
}

/* libldap takes no const, but writes nothing. */
static LDAPControl noop = {
	.ldctl_oid = (char *)(uintptr_t)LDAP_CONTROL_NOOP,
	.ldctl_iscritical = 1,
};

int
batch_try_add(
    struct editor *e, const char *dn, const struct changes *c, struct err *err)
{
	LDAPControl *list[] = { &noop, NULL };
	int id = 0, rc;

	if (changes_check(c, err) == -1)
		return -1;
	rc = ldap_add_ext(editor_ldap(e), dn, c->mods, list, NULL, &id);
	return rc == LDAP_SUCCESS ? id : editor_refused(e, rc, NULL, err);
}

int
batch_try_modify(
    struct editor *e, const char *dn, const struct changes *c, struct err *err)
{
	LDAPControl *list[] = { &noop, NULL };
	int id = 0, rc;

	if (changes_check(c, err) == -1)
		return -1;
	rc = ldap_modify_ext(editor_ldap(e), dn, c->mods, list, NULL, &id);
	return rc == LDAP_SUCCESS ? id : editor_refused(e, rc, NULL, err);
}
