/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One attribute of the directory as the tools know it: the name that people
 * type, the attribute behind it, and how its values are written.  Options,
 * columns of CSV, lists, JSON and the manual pages all use the tables of
 * kind.h, which are made of these.
 */
#ifndef HK_TENANTS_FIELD_H
#define HK_TENANTS_FIELD_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum field_type {
	FIELD_TEXT,    /* one line of UTF-8 */
	FIELD_LINES,   /* UTF-8 with line breaks */
	FIELD_WORD,    /* one of words */
	FIELD_BOOL,    /* yes, no; in LDAP TRUE, FALSE */
	FIELD_NUMBER,  /* 0 to 999999999999999 */
	FIELD_OCTETS,  /* "512M": k, M, G, T are powers of 1024 */
	FIELD_ADDRESS, /* anybody's */
	FIELD_OWN,     /* an address in a domain of ours */
	FIELD_DOMAIN,
	FIELD_TIME,   /* 2026-08-10T09:00:00+09:00; in LDAP RFC 4517 3.3.13 */
	FIELD_CLASS,  /* name of a class of service; in LDAP its DN */
	FIELD_PERSON, /* address of an account; in LDAP its DN */
	FIELD_TENANT, /* in whose branch the entry is: no attribute */
};

enum {
	FIELD_MANY = 1 << 0,   /* any number of values */
	FIELD_COLUMN = 1 << 1, /* shown in lists */
	/* The platform, the server or another command writes it. */
	FIELD_FIXED = 1 << 2,
	/* The values but one: mailLocalAddress without mail, uid without the
	 * one that names the entry. */
	FIELD_BESIDE = 1 << 3,
};

struct field {
	const char *name;      /* "spam-level" */
	const char *attribute; /* "hkSpamLevel" */
	enum field_type type;
	unsigned flags;
	const char *const *words; /* FIELD_WORD: NULL at the end */
	const char *help;         /* half a sentence */
};

enum {
	FIELD_VALUE_MAX = 16384 /* over any that the schema allows */
};

/*
 * Appends to *value what LDAP is to hold for what a person wrote.  Of a person
 * it is the address, in lower case; the caller finds the DN.  base: of the
 * tree.
 *
 * Errors: ERR_SYNTAX, with what was expected.
 */
int field_parse(const struct field *f, const char *base, struct span text,
    struct buf *value, struct err *err);

/* FIELD_PLAIN is what field_parse reads back and programs like best;
 * FIELD_FRIENDLY, for people, is read back too. */
enum field_style {
	FIELD_PLAIN,
	FIELD_FRIENDLY,
};
/* Appends a value of LDAP as a person may write it. */
void field_format(const struct field *f, enum field_style style,
    struct span value, struct buf *out);

/*
 * The next of several values in one text: addresses and words stand between
 * blanks, everything else one a line.  False at the end.
 */
bool field_split(const struct field *f, struct span *rest, struct span *out);
/* What goes between them: " " or "\n". */
const char *field_separator(const struct field *f);

#endif
