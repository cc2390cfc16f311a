/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/editor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "tenants/ldap_connect.h"

/* What slapd gives in one page; its hard limit for users is 500. */
#define PAGE_SIZE 500

enum {
	URI_MAX = 512,
	BIND_MS = 3000
};

struct editor {
	LDAP *ld;
	char uri[URI_MAX]; /* of the server it is connected with */
	char *base, *bind_dn;
	unsigned answer_ms;
	int code;
};

/* The first of the servers that answers. */
static int
connect_first(struct editor *e, const struct editor_options *o, struct err *err)
{
	struct ldap_options options = {
		.uri = o->uri,
		.bind_dn = o->bind_dn,
		.password = o->password,
		.ca_file = o->ca_file,
		.starttls = o->starttls,
		.connect_ms = o->connect_ms,
		/* Of the bind, which computes a hash. */
		.search_ms = o->connect_ms + BIND_MS,
		.connections = 1,
	};
	struct timeval answer = { o->answer_ms / 1000,
		(o->answer_ms % 1000) * 1000 };
	struct span rest = span_trim(span_str(o->uri)), word;

	while (rest.len > 0) {
		if (!span_take_until(&rest, ' ', &word)) {
			word = rest;
			rest = span_from(rest, rest.len);
		}
		rest = span_trim(rest);
		if (word.len >= sizeof(e->uri))
			return err_set(
			    err, ERR_SYNTAX, "the URI of a server is too long");
		(void)snprintf(e->uri, sizeof(e->uri), "%.*s", SPAN_FMT(word));
		err_clear(err);
		if (ldap_server_connect(&options, e->uri, &e->ld, err) == -1)
			continue;
		(void)ldap_set_option(e->ld, LDAP_OPT_TIMEOUT, &answer);
		return 0;
	}
	return -1;
}

int
editor_open(
    const struct editor_options *o, struct editor **editor_out, struct err *err)
{
	CLEANUP(editor_free) struct editor *e = calloc(1, sizeof(*e));

	if (e == NULL || (e->base = strdup(o->base)) == NULL ||
	    (e->bind_dn = strdup(o->bind_dn)) == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	e->answer_ms = o->answer_ms;
	if (connect_first(e, o, err) == -1)
		return -1;
	*editor_out = STEAL(e);
	return 0;
}

void
editor_free(struct editor *e)
{
	if (e == NULL)
		return;
	if (e->ld != NULL)
		(void)ldap_unbind_ext(e->ld, NULL, NULL);
	free(e->base);
	free(e->bind_dn);
	free(e);
}

LDAP *
editor_ldap(const struct editor *e)
{
	return e->ld;
}

const char *
editor_base(const struct editor *e)
{
	return e->base;
}

const char *
editor_bind_dn(const struct editor *e)
{
	return e->bind_dn;
}

unsigned
editor_answer_ms(const struct editor *e)
{
	return e->answer_ms;
}

int
editor_code(const struct editor *e)
{
	return e->code;
}

/* ---- changes ----------------------------------------------------------------
 */

void
changes_init(struct changes *c)
{
	memset(c, 0, sizeof(*c));
}

static void
value_free(struct berval *value)
{
	if (value == NULL)
		return;
	if (value->bv_val != NULL)
		OPENSSL_cleanse(value->bv_val, value->bv_len);
	free(value->bv_val);
	free(value);
}

static void
mod_free(LDAPMod *mod)
{
	for (size_t i = 0;
	     mod->mod_bvalues != NULL && mod->mod_bvalues[i] != NULL; i++)
		value_free(mod->mod_bvalues[i]);
	free(mod->mod_bvalues);
	free(mod->mod_type);
	free(mod);
}

void
changes_fini(struct changes *c)
{
	for (size_t i = 0; i < c->len; i++)
		mod_free(c->mods[i]);
	free(c->mods);
	changes_init(c);
}

static LDAPMod *
mod_find(const struct changes *c, int op, const char *attribute)
{
	for (size_t i = 0; i < c->len; i++)
		if (c->mods[i]->mod_op == (op | LDAP_MOD_BVALUES) &&
		    strcasecmp(c->mods[i]->mod_type, attribute) == 0)
			return c->mods[i];
	return NULL;
}

static LDAPMod *
mod_make(struct changes *c, int op, const char *attribute)
{
	LDAPMod **grown = reallocarray(c->mods, c->len + 2, sizeof(*c->mods));
	LDAPMod *mod = calloc(1, sizeof(*mod));

	if (grown != NULL)
		c->mods = grown;
	if (mod != NULL)
		mod->mod_type = strdup(attribute);
	if (grown == NULL || mod == NULL || mod->mod_type == NULL) {
		free(mod);
		c->failed = true;
		return NULL;
	}
	mod->mod_op = op | LDAP_MOD_BVALUES;
	c->mods[c->len++] = mod;
	c->mods[c->len] = NULL;
	return mod;
}

static struct berval *
value_new(struct span value)
{
	struct berval *new = calloc(1, sizeof(*new));

	if (new == NULL || (new->bv_val = malloc(value.len + 1)) == NULL) {
		free(new);
		return NULL;
	}
	if (value.len > 0)
		memcpy(new->bv_val, value.p, value.len);
	new->bv_val[value.len] = '\0';
	new->bv_len = value.len;
	return new;
}

void
changes_value(
    struct changes *c, int op, const char *attribute, struct span value)
{
	LDAPMod *mod = mod_find(c, op, attribute);
	struct berval **grown;
	size_t len = 0;

	if (mod == NULL && (mod = mod_make(c, op, attribute)) == NULL)
		return;
	for (; mod->mod_bvalues != NULL && mod->mod_bvalues[len] != NULL; len++)
		if (span_eq(span_of(mod->mod_bvalues[len]->bv_val,
				mod->mod_bvalues[len]->bv_len),
			value))
			return;
	grown = reallocarray(mod->mod_bvalues, len + 2, sizeof(*grown));
	if (grown == NULL) {
		c->failed = true;
		return;
	}
	mod->mod_bvalues = grown;
	grown[len] = value_new(value);
	grown[len + 1] = NULL;
	c->failed |= grown[len] == NULL;
}

void
changes_clear(struct changes *c, const char *attribute)
{
	if (mod_find(c, LDAP_MOD_REPLACE, attribute) == NULL)
		(void)mod_make(c, LDAP_MOD_REPLACE, attribute);
}

bool
changes_has(const struct changes *c, const char *attribute)
{
	return mod_find(c, LDAP_MOD_ADD, attribute) != NULL ||
	       mod_find(c, LDAP_MOD_REPLACE, attribute) != NULL ||
	       mod_find(c, LDAP_MOD_DELETE, attribute) != NULL;
}

bool
changes_replaces(const struct changes *c, const char *attribute)
{
	return mod_find(c, LDAP_MOD_REPLACE, attribute) != NULL;
}

int
changes_check(const struct changes *c, struct err *err)
{
	return c->failed ? err_set(err, ERR_TEMP, "out of memory") : 0;
}

int
changes_copy_if(struct changes *to, const struct changes *from,
    bool (*same)(LDAP *ld, LDAPMessage *entry, const LDAPMod *mod), LDAP *ld,
    LDAPMessage *entry, struct err *err)
{
	for (size_t i = 0; i < from->len; i++) {
		const LDAPMod *mod = from->mods[i];
		int op = mod->mod_op & ~LDAP_MOD_BVALUES;

		if (same(ld, entry, mod))
			continue;
		if (mod->mod_bvalues == NULL)
			changes_clear(to, mod->mod_type);
		for (size_t v = 0;
		     mod->mod_bvalues != NULL && mod->mod_bvalues[v] != NULL;
		     v++)
			changes_value(to, op, mod->mod_type,
			    span_of(mod->mod_bvalues[v]->bv_val,
				mod->mod_bvalues[v]->bv_len));
	}
	return changes_check(to, err);
}

/* ---- operations -------------------------------------------------------------
 */

static bool
no_answer(int code)
{
	/* libldap's own codes are negative: no server, timeout, ... */
	return code < 0 || code == LDAP_BUSY || code == LDAP_UNAVAILABLE ||
	       code == LDAP_OTHER;
}

int
editor_refused(
    const struct editor *e, int code, const char *text, struct err *err)
{
	const char *name = ldap_err2string(code);

	if (text == NULL || text[0] == '\0')
		return err_set(err, no_answer(code) ? ERR_TEMP : ERR_POLICY,
		    "%s %s: %s (%d)", e->uri,
		    no_answer(code) ? "failed" : "refused", name, code);
	return err_set(err, no_answer(code) ? ERR_TEMP : ERR_POLICY,
	    "%s %s: %s (%s, %d)", e->uri,
	    no_answer(code) ? "failed" : "refused", text, name, code);
}

/* Remembers the code, and tells what the server said. */
static int
outcome(struct editor *e, int code, struct err *err)
{
	char *text = NULL;
	int rc;

	e->code = code;
	if (code == LDAP_SUCCESS)
		return 0;
	(void)ldap_get_option(e->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
	rc = editor_refused(e, code, text, err);
	ldap_memfree(text);
	return rc;
}

int
editor_add(
    struct editor *e, const char *dn, const struct changes *c, struct err *err)
{
	if (changes_check(c, err) == -1)
		return -1;
	return outcome(e, ldap_add_ext_s(e->ld, dn, c->mods, NULL, NULL), err);
}

int
editor_modify(
    struct editor *e, const char *dn, const struct changes *c, struct err *err)
{
	if (changes_check(c, err) == -1)
		return -1;
	if (c->len == 0)
		return 0;
	return outcome(
	    e, ldap_modify_ext_s(e->ld, dn, c->mods, NULL, NULL), err);
}

/* The control that lets an operation happen only if filter is true. */
static int
assertion(struct editor *e, const char *filter, LDAPControl **control_out)
{
	return ldap_create_assertion_control(
	    e->ld, (char *)(uintptr_t)filter, 1, control_out);
}

int
editor_modify_if(struct editor *e, const char *dn, const char *filter,
    const struct changes *c, struct err *err)
{
	LDAPControl *controls[2] = { NULL, NULL };
	int rc = assertion(e, filter, &controls[0]);

	if (changes_check(c, err) == -1)
		rc = LDAP_NO_MEMORY;
	if (rc == LDAP_SUCCESS)
		rc = ldap_modify_ext_s(e->ld, dn, c->mods, controls, NULL);
	ldap_control_free(controls[0]);
	return outcome(e, rc, err);
}

int
editor_rename(
    struct editor *e, const char *dn, const char *rdn, struct err *err)
{
	return outcome(
	    e, ldap_rename_s(e->ld, dn, rdn, NULL, 1, NULL, NULL), err);
}

int
editor_delete(struct editor *e, const char *dn, struct err *err)
{
	return outcome(e, ldap_delete_ext_s(e->ld, dn, NULL, NULL), err);
}

int
editor_delete_if(
    struct editor *e, const char *dn, const char *filter, struct err *err)
{
	LDAPControl *controls[2] = { NULL, NULL };
	int rc = assertion(e, filter, &controls[0]);

	if (rc == LDAP_SUCCESS)
		rc = ldap_delete_ext_s(e->ld, dn, controls, NULL);
	ldap_control_free(controls[0]);
	return outcome(e, rc, err);
}

/* ---- reading ----------------------------------------------------------------
 */

/* libldap reads the names only, but takes no const. */
static char **
names(const char *const *attrs)
{
	char **copy;

	memcpy(&copy, &attrs, sizeof(copy));
	return copy;
}

int
editor_find(struct editor *e, const struct editor_query *query,
    struct found *found_out, struct err *err)
{
	int rc;

	memset(found_out, 0, sizeof(*found_out));
	rc = ldap_search_ext_s(e->ld, query->base, query->scope, query->filter,
	    names(query->attrs), 0, NULL, NULL, NULL, 2, &found_out->result);
	if (rc == LDAP_NO_SUCH_OBJECT || rc == LDAP_SIZELIMIT_EXCEEDED)
		rc = LDAP_SUCCESS;
	if (outcome(e, rc, err) == -1)
		return -1;
	found_out->entry = ldap_first_entry(e->ld, found_out->result);
	if (found_out->entry == NULL)
		return 0;
	found_out->dn = ldap_get_dn(e->ld, found_out->entry);
	return found_out->dn == NULL
		   ? err_set(err, ERR_TEMP, "entry without a DN")
		   : 0;
}

void
found_fini(struct found *f)
{
	ldap_memfree(f->dn);
	(void)ldap_msgfree(f->result);
	memset(f, 0, sizeof(*f));
}

struct page {
	struct editor *e;
	const struct editor_query *query;
	editor_each *each;
	void *arg;
	struct berval cookie;
	bool stopped; /* each has set the error */
};

/* The end of a page: whether there is another. */
static int
page_end(struct page *p, LDAPMessage *result)
{
	LDAPControl **controls = NULL, *found;
	struct berval cookie = { 0, NULL };
	ber_int_t estimate;
	int code, rc;

	rc = ldap_parse_result(
	    p->e->ld, result, &code, NULL, NULL, NULL, &controls, 0);
	found = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	if (rc == LDAP_SUCCESS && found != NULL)
		rc = ldap_parse_pageresponse_control(
		    p->e->ld, found, &estimate, &cookie);
	ldap_memfree(p->cookie.bv_val);
	p->cookie = cookie;
	ldap_controls_free(controls);
	return rc == LDAP_SUCCESS ? code : rc;
}

/* Entries as they come; answers the result code. */
static int
page_read(struct page *p, int id, struct err *err)
{
	struct timeval limit = { p->e->answer_ms / 1000,
		(p->e->answer_ms % 1000) * 1000 };
	int rc = LDAP_SUCCESS;

	for (bool more = true; more;) {
		LDAPMessage *m = NULL;
		int type = ldap_result(p->e->ld, id, LDAP_MSG_ONE, &limit, &m);

		if (type == LDAP_RES_SEARCH_ENTRY) {
			more = p->each(p->arg, p->e->ld, m, err);
			p->stopped |= !more;
		} else if (type != LDAP_RES_SEARCH_REFERENCE) {
			rc = LDAP_TIMEOUT;
			if (type == -1)
				(void)ldap_get_option(
				    p->e->ld, LDAP_OPT_RESULT_CODE, &rc);
			else if (type != 0)
				rc = page_end(p, m);
			more = false;
		}
		(void)ldap_msgfree(m);
	}
	if (p->stopped)
		(void)ldap_abandon_ext(p->e->ld, id, NULL, NULL);
	return rc;
}

static int
page_get(struct page *p, struct err *err)
{
	LDAPControl *controls[2] = { NULL, NULL };
	int id, rc = ldap_create_page_control(
		    p->e->ld, PAGE_SIZE, &p->cookie, 1, &controls[0]);

	if (rc == LDAP_SUCCESS)
		rc = ldap_search_ext(p->e->ld, p->query->base, p->query->scope,
		    p->query->filter, names(p->query->attrs), 0, controls, NULL,
		    NULL, 0, &id);
	ldap_control_free(controls[0]);
	if (rc == LDAP_SUCCESS)
		rc = page_read(p, id, err);
	if (p->stopped)
		return -1;
	if (rc == LDAP_NO_SUCH_OBJECT)
		rc = LDAP_SUCCESS;
	return outcome(p->e, rc, err);
}

int
editor_search(struct editor *e, const struct editor_query *query,
    editor_each *each, void *arg, struct err *err)
{
	struct page p = { e, query, each, arg, { 0, NULL }, false };
	int rc;

	do {
		rc = page_get(&p, err);
	} while (rc == 0 && p.cookie.bv_len > 0);
	ldap_memfree(p.cookie.bv_val);
	return rc;
}

bool
entry_value(
    LDAP *ld, LDAPMessage *entry, const char *attribute, struct buf *out)
{
	struct berval **values = ldap_get_values_len(ld, entry, attribute);
	bool there = values != NULL && values[0] != NULL;

	if (there)
		buf_append(out, span_of(values[0]->bv_val, values[0]->bv_len));
	ldap_value_free_len(values);
	return there;
}
