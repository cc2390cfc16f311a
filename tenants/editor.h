/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection that edits the directory, for tools.  It is bound as one
 * identity, so that slapd's access rules decide what it may do; it checks
 * nothing that slapd checks.  For one thread, and after ldap_connect_init.
 */
#ifndef HK_TENANTS_EDITOR_H
#define HK_TENANTS_EDITOR_H

#include <stdbool.h>

#include <ldap.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct editor_options {
	const char *uri; /* servers that take writes, blanks between */
	const char *base;
	const char *bind_dn, *password;
	const char *ca_file; /* "": the system's */
	bool starttls;
	unsigned connect_ms, answer_ms;
};

struct editor;

/* Errors: ERR_TEMP, no server, or it does not know who we say we are. */
int editor_open(const struct editor_options *options,
    struct editor **editor_out, struct err *err);
void editor_free(struct editor *e);
CLEANUP_DEFINE_PTR(struct editor, editor_free)

/* For operations that are not waited for one by one. */
LDAP *editor_ldap(const struct editor *e);
/* "o=hikyaku" */
const char *editor_base(const struct editor *e);
const char *editor_bind_dn(const struct editor *e);
unsigned editor_answer_ms(const struct editor *e);

/* ---- what shall be written ------------------------------------------------
 */

/* Values may be secrets; changes_fini cleans them. */
struct changes {
	LDAPMod **mods; /* NULL at the end */
	size_t len;
	bool failed; /* sticky: no memory */
};

void changes_init(struct changes *c);
void changes_fini(struct changes *c);
CLEANUP_DEFINE_VALUE(struct changes, changes_fini)

/*
 * op: LDAP_MOD_ADD, LDAP_MOD_DELETE or LDAP_MOD_REPLACE.  Values of the same
 * attribute and op become one modification, in which each stands once.
 */
void changes_value(
    struct changes *c, int op, const char *attribute, struct span value);
/* The attribute shall have no value. */
void changes_clear(struct changes *c, const char *attribute);
/* It names this attribute in some modification, or in one that replaces. */
bool changes_has(const struct changes *c, const char *attribute);
bool changes_replaces(const struct changes *c, const char *attribute);
int changes_check(const struct changes *c, struct err *err);
/*
 * Copies those modifications of which same() says that the entry has these
 * values not.
 */
int changes_copy_if(struct changes *to, const struct changes *from,
    bool (*same)(LDAP *ld, LDAPMessage *entry, const LDAPMod *mod), LDAP *ld,
    LDAPMessage *entry, struct err *err);

/* ---- operations -----------------------------------------------------------
 */

/*
 * Errors: ERR_POLICY, slapd refused, with its words and its result code;
 *         ERR_TEMP, no answer: it may or may not have been done.
 */
int editor_add(
    struct editor *e, const char *dn, const struct changes *c, struct err *err);
int editor_modify(
    struct editor *e, const char *dn, const struct changes *c, struct err *err);
/* Only if the entry matches the filter.               RFC 4528 */
int editor_modify_if(struct editor *e, const char *dn, const char *filter,
    const struct changes *c, struct err *err);
/* A new name in the same place; the old value of the name goes. */
int editor_rename(
    struct editor *e, const char *dn, const char *rdn, struct err *err);
int editor_delete(struct editor *e, const char *dn, struct err *err);
int editor_delete_if(
    struct editor *e, const char *dn, const char *filter, struct err *err);

/* The result code of the last operation. */
int editor_code(const struct editor *e);
/* Records what slapd said; answers -1.  Text may be NULL. */
int editor_refused(
    const struct editor *e, int code, const char *text, struct err *err);

/* ---- reading --------------------------------------------------------------
 */

/* Called for each entry; false, with err set, ends the search. */
typedef bool editor_each(
    void *arg, LDAP *ld, LDAPMessage *entry, struct err *err);

struct editor_query {
	const char *base;
	int scope; /* LDAP_SCOPE_* */
	const char *filter;
	const char *const *attrs; /* NULL: all of the user's */
};
/*
 * All entries, in pages, so that no limit of slapd cuts the list.  A base that
 * is not there, or that may not be seen, is an empty list.
 */
int editor_search(struct editor *e, const struct editor_query *query,
    editor_each *each, void *arg, struct err *err);

/* One entry; entry NULL when there is none. */
struct found {
	LDAPMessage *result, *entry;
	char *dn;
};
int editor_find(struct editor *e, const struct editor_query *query,
    struct found *found_out, struct err *err);
void found_fini(struct found *f);
CLEANUP_DEFINE_VALUE(struct found, found_fini)

/* Appends the first value; false when there is none. */
bool entry_value(
    LDAP *ld, LDAPMessage *entry, const char *attribute, struct buf *out);

#endif
