/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One entry of the directory, as tenantd keeps it in memory and, in the same
 * octets, in Berkeley DB:
 *
 *	entry = *field			common/packet.h
 *	field = tag length value	tag: enum entry_attr, as often as it has
 *					values; dn and uuid first
 *
 * Immutable and counted.
 */
#ifndef HK_TENANTS_ENTRY_H
#define HK_TENANTS_ENTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <ldap.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "tenants/attrs.h"

enum {
	ENTRY_OCTETS_MAX = 4 * 1024 * 1024,
	ENTRY_UUID_SIZE = 36
};

enum entry_kind {
	ENTRY_OTHER, /* of no use to us */
	ENTRY_TENANT,
	ENTRY_DOMAIN,
	ENTRY_ACCOUNT,
	ENTRY_GROUP,
	ENTRY_CLASS,
	ENTRY_ROLE,  /* groupOfNames: owners, helpdesk */
	ENTRY_ACTOR, /* a service that may log in as others */
};

struct entry {
	atomic_uint refs;
	enum entry_kind kind;
	char tenant[64]; /* whose branch it is in; "": the platform's */
	size_t len;
	char data[]; /* fields */
};

/* From an answer; base is the root of the tree ("o=hikyaku"). */
int entry_from_ldap(LDAP *ld, LDAPMessage *message, const char *base,
    struct entry **entry_out, struct err *err);
/* From octets, which are checked. */
int entry_from_fields(struct span fields, const char *base,
    struct entry **entry_out, struct err *err);
/*
 * Puts "?" for each control character of a value.  slapd's patterns end at a
 * NUL, so what follows one can be anything: it shall not end a line of a
 * protocol, and "active\0" is no word that anybody knows.  Settings
 * (settings_spec.h) stay as they are, as a "?" has a meaning in a rule; a
 * control character in one makes it a bad one (effective.h).
 */
void entry_clean(enum entry_attr attr, char *value, size_t len);
struct entry *entry_ref(struct entry *e);
void entry_unref(struct entry *e);
CLEANUP_DEFINE_PTR(struct entry, entry_unref)

struct span entry_fields(const struct entry *e);
/* The first value; p NULL when there is none. */
struct span entry_get(const struct entry *e, enum entry_attr attr);
/* Values one by one: *rest starts as entry_fields(e). */
bool entry_next(
    struct span *rest, enum entry_attr attr, struct span *value_out);
/* One of the values equals this one, without regard to ASCII case. */
bool entry_has(const struct entry *e, enum entry_attr attr, struct span value);
/* The first value as a number; 0 without one, or a malformed one. */
uint64_t entry_number(const struct entry *e, enum entry_attr attr);

#endif
