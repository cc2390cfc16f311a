/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/directory_private.h"

#include <stdio.h>
#include <string.h>

#include "common/ascii.h"
#include "common/log.h"

enum {
	VALUE_MAX = 512,
	FILTER_MAX = 4096,
	BASE_MAX = 1024
};

struct key_spec {
	char letter;        /* of its keys; part of the format on disk */
	const char *filter; /* with %s where the escaped value goes; up to 2 */
	bool kinds[ENTRY_ACTOR + 1];
	enum entry_attr attrs[2]; /* that must have the value; 0: none */
};

static const struct key_spec specs[] = {
	[KEY_ADDRESS] = { 'a',
	    "(&(|(objectClass=hkAccount)(objectClass=hkGroup))"
	    "(|(mailLocalAddress=%s)(hkIntlAddress=%s)))",
	    { [ENTRY_ACCOUNT] = true, [ENTRY_GROUP] = true },
	    { ATTR_ADDRESS, ATTR_INTL_ADDRESS } },
	[KEY_LOGIN] = { 'u', "(&(objectClass=hkAccount)(uid=%s))",
	    { [ENTRY_ACCOUNT] = true }, { ATTR_UID, 0 } },
	[KEY_ID] = { 'i',
	    "(&(objectClass=hkAccount)(|(hkAccountId=%s)(entryUUID=%s)))",
	    { [ENTRY_ACCOUNT] = true }, { ATTR_ACCOUNT_ID, ATTR_UUID } },
	[KEY_DOMAIN] = { 'd', "(&(objectClass=hkDomain)(associatedDomain=%s))",
	    { [ENTRY_DOMAIN] = true }, { ATTR_DOMAIN, 0 } },
	[KEY_HOST] = { 'h', "(&(objectClass=hkTenant)(hkHost=%s))",
	    { [ENTRY_TENANT] = true }, { ATTR_HOST, 0 } },
	[KEY_TENANT] = { 't', "(objectClass=hkTenant)",
	    { [ENTRY_TENANT] = true }, { ATTR_OU, 0 } },
	[KEY_DN] = { 'n', "(objectClass=*)",
	    { [ENTRY_TENANT] = true,
		[ENTRY_DOMAIN] = true,
		[ENTRY_ACCOUNT] = true,
		[ENTRY_GROUP] = true,
		[ENTRY_CLASS] = true,
		[ENTRY_ROLE] = true,
		[ENTRY_ACTOR] = true },
	    { ATTR_DN, 0 } },
	[KEY_LEGACY] = { 'l', "(&(objectClass=hkAccount)(hkLegacyId=%s))",
	    { [ENTRY_ACCOUNT] = true }, { ATTR_LEGACY_ID, 0 } },
	[KEY_HOST_ADDRESS] = { 'p',
	    "(&(objectClass=hkTenant)(hkHostAddress=%s))",
	    { [ENTRY_TENANT] = true }, { ATTR_HOST_ADDRESS, 0 } },
};

/* The question still has this entry as its answer. */
static bool
answers(const struct key_spec *spec, const struct entry *e, struct span value)
{
	if (!spec->kinds[e->kind])
		return false;
	for (size_t i = 0; i < 2; i++)
		if (spec->attrs[i] != 0 && entry_has(e, spec->attrs[i], value))
			return true;
	return false;
}

/* ---- Berkeley DB --------------------------------------------------------- */

static void
db_key(struct buf *out, char what, struct span rest)
{
	buf_clear(out);
	buf_append_octet(out, what);
	buf_append(out, rest);
}

/* Trouble here costs the memory of an outage, nothing else. */
static void
db_trouble(const struct err *err)
{
	log_warning(&log_process, "last known entries not kept", log_err(err));
}

static void
db_keep_entry(struct directory *d, struct entry *e, bool only_known)
{
	CLEANUP(buf_fini) struct buf key, old;
	struct err err = ERR_INIT;
	bool found;

	buf_init(&key, VALUE_MAX + 8);
	buf_init(&old, ENTRY_OCTETS_MAX);
	db_key(&key, 'E', entry_get(e, ATTR_UUID));
	if (db_get(d->db, buf_span(&key), &old, &found, &err) == -1 ||
	    (!found && only_known) ||
	    (found && span_eq(buf_span(&old), entry_fields(e))))
		return;
	if (db_put(d->db, buf_span(&key), entry_fields(e), &err) == -1)
		db_trouble(&err);
}

/* entry NULL: LDAP says that there is none. */
static void
db_keep(struct directory *d, struct span cache_key, struct entry *entry)
{
	CLEANUP(buf_fini) struct buf key, old;
	struct err err = ERR_INIT;
	struct span uuid;
	bool found;

	buf_init(&key, VALUE_MAX + 8);
	buf_init(&old, VALUE_MAX);
	if (d->db == NULL)
		return;
	db_key(&key, 'K', cache_key);
	if (db_get(d->db, buf_span(&key), &old, &found, &err) == -1)
		return;
	if (entry == NULL) {
		if (found && db_delete(d->db, buf_span(&key), &err) == -1)
			db_trouble(&err);
		return;
	}
	uuid = entry_get(entry, ATTR_UUID);
	if ((!found || !span_eq(buf_span(&old), uuid)) &&
	    db_put(d->db, buf_span(&key), uuid, &err) == -1)
		db_trouble(&err);
	db_keep_entry(d, entry, false);
}

static struct entry *
db_find(struct directory *d, const struct key_spec *spec, struct span cache_key,
    struct span value)
{
	CLEANUP(buf_fini) struct buf key, uuid, fields;
	struct entry *e = NULL;
	bool found;

	buf_init(&key, VALUE_MAX + 8);
	buf_init(&uuid, VALUE_MAX);
	buf_init(&fields, ENTRY_OCTETS_MAX);
	if (d->db == NULL)
		return NULL;
	db_key(&key, 'K', cache_key);
	if (db_get(d->db, buf_span(&key), &uuid, &found, NULL) == -1 || !found)
		return NULL;
	db_key(&key, 'E', buf_span(&uuid));
	if (db_get(d->db, buf_span(&key), &fields, &found, NULL) == -1 ||
	    !found ||
	    entry_from_fields(buf_span(&fields), d->base, &e, NULL) == -1)
		return NULL;
	if (!answers(spec, e, value)) {
		entry_unref(e);
		return NULL;
	}
	return e;
}

/* ---- LDAP ---------------------------------------------------------------- */

struct single {
	struct directory *d;
	const struct key_spec *spec;
	struct span value;
	struct entry *entry;
	unsigned count;
};

static bool
single_found(void *arg, LDAP *ld, LDAPMessage *message, struct err *err)
{
	struct single *s = arg;
	CLEANUP(entry_unref) struct entry *e = NULL;

	if (entry_from_ldap(ld, message, s->d->base, &e, err) == -1)
		return false;
	/* LDAP's comparison knows more equalities than ours (spaces). */
	if (!answers(s->spec, e, s->value))
		return true;
	if (s->count++ == 0)
		s->entry = STEAL(e);
	return true;
}

static void
single_restart(void *arg)
{
	struct single *s = arg;

	entry_unref(STEAL(s->entry));
	s->count = 0;
}

static int
build_query(struct directory *d, enum directory_key key, struct span value,
    struct buf *base, struct buf *filter, struct ldap_query *query,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf escaped;

	buf_init(&escaped, FILTER_MAX);
	ldap_filter_escape(value, &escaped);
	buf_append_fmt(base, "ou=tenants,%s", d->base);
	query->scope = LDAP_SCOPE_SUBTREE;
	if (key == KEY_TENANT || key == KEY_DN) {
		query->scope = LDAP_SCOPE_BASE;
		buf_clear(base);
		if (key == KEY_TENANT)
			buf_append_fmt(base, "ou=%.*s,ou=tenants,%s",
			    SPAN_FMT(value), d->base);
		else
			buf_append(base, value);
	}
	for (const char *p = specs[key].filter; *p != '\0'; p++) {
		if (*p == '%') {
			buf_append(filter, buf_span(&escaped));
			p++;
		} else {
			buf_append_octet(filter, *p);
		}
	}
	query->base = buf_str(base);
	query->filter = buf_str(filter);
	query->attrs = entry_attrs;
	query->size_limit = 2;
	if (buf_check(base, err) == -1)
		return -1;
	return buf_check(filter, err);
}

static enum lookup
ldap_find(struct directory *d, enum directory_key key, struct span value,
    struct entry **entry_out, struct err *err)
{
	struct single s = { d, &specs[key], value, NULL, 0 };
	struct ldap_query query = {
		.found = single_found, .restart = single_restart, .arg = &s
	};
	CLEANUP(buf_fini) struct buf base, filter;

	buf_init(&base, BASE_MAX);
	buf_init(&filter, FILTER_MAX);
	if (build_query(d, key, value, &base, &filter, &query, err) == -1)
		return LOOKUP_FAILED;
	counter_add(d->counters, COUNTER_DIRECTORY_LOOKUPS, 1);
	if (ldap_pool_search(d->pool, &query, err) == -1) {
		counter_add(d->counters, COUNTER_DIRECTORY_ERRORS, 1);
		entry_unref(s.entry);
		return LOOKUP_FAILED;
	}
	if (s.count > 1) {
		/* Whose is it?  Nobody's until a person has decided. */
		log_error(&log_process, "one value in two entries",
		    log_span("value", value),
		    log_span("dn", entry_get(s.entry, ATTR_DN)));
		entry_unref(s.entry);
		(void)err_set(err, ERR_TEMP, "one value in two entries");
		return LOOKUP_FAILED;
	}
	*entry_out = s.entry;
	return s.entry == NULL ? LOOKUP_NONE : LOOKUP_FOUND;
}

/* ---- all three ----------------------------------------------------------- */

/* "a:" and the value in lower case; false: no entry can have such a value. */
static bool
key_build(enum directory_key key, struct span value, struct buf *out)
{
	if (value.len == 0 || value.len > VALUE_MAX - 2)
		return false;
	buf_append_octet(out, specs[key].letter);
	buf_append_octet(out, ':');
	for (size_t i = 0; i < value.len; i++) {
		if (ascii_is(value.p[i], ASCII_CTL))
			return false;
		buf_append_octet(out, ascii_lower(value.p[i]));
	}
	return buf_check(out, NULL) == 0;
}

static bool
value_allowed(enum directory_key key, struct span value)
{
	/* It becomes part of a DN. */
	if (key == KEY_TENANT)
		for (size_t i = 0; i < value.len; i++)
			if (!ascii_is(value.p[i], ASCII_ALPHA | ASCII_DIGIT) &&
			    value.p[i] != '-')
				return false;
	return true;
}

/*
 * What was so when LDAP answered last.  Memory is as good as the database here,
 * and newer.  "There is none" counts for domains alone: the mail of our users
 * to the rest of the world goes on, and resolve.c says on what it rests.
 */
static enum lookup
find_in_outage(struct directory *d, enum directory_key key,
    struct span cache_key, struct span value, struct entry **entry_out)
{
	switch (cache_get(d->cache, cache_key, entry_out)) {
	case CACHED_ENTRY:
		if (answers(&specs[key], *entry_out, value))
			return LOOKUP_FOUND;
		entry_unref(STEAL(*entry_out));
		break;
	case CACHED_NONE:
	case CACHED_NONE_THEN:
		if (key == KEY_DOMAIN)
			return LOOKUP_NONE;
		break;
	case CACHED_NOT:
		break;
	}
	if (d->memory_only)
		return LOOKUP_FAILED;
	*entry_out = db_find(d, &specs[key], cache_key, value);
	return *entry_out == NULL ? LOOKUP_FAILED : LOOKUP_FOUND;
}

/* The same without waiting; LOOKUP_FAILED: somebody who may wait must ask. */
static enum lookup
find_in_memory_only(struct directory *d, enum directory_key key,
    struct span cache_key, struct span value, struct entry **entry_out,
    struct err *err)
{
	enum lookup found = LOOKUP_FAILED;

	if (ldap_pool_is_down(d->pool))
		found = find_in_outage(d, key, cache_key, value, entry_out);
	if (found == LOOKUP_FAILED)
		(void)directory_set_would_wait(err);
	return found;
}

enum lookup
directory_find(struct directory *d, enum directory_key key, struct span value,
    struct entry **entry_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf cache_key;
	enum lookup found;
	uint64_t mark;

	*entry_out = NULL;
	buf_init(&cache_key, VALUE_MAX + 2);
	if (!value_allowed(key, value) || !key_build(key, value, &cache_key))
		return LOOKUP_NONE;
	value = span_from(buf_span(&cache_key), 2);
	if (atomic_load(d->live)) {
		switch (cache_get(d->cache, buf_span(&cache_key), entry_out)) {
		case CACHED_ENTRY:
			counter_add(d->counters, COUNTER_DIRECTORY_HITS, 1);
			if (answers(&specs[key], *entry_out, value))
				return LOOKUP_FOUND;
			entry_unref(STEAL(*entry_out));
			break;
		case CACHED_NONE:
			counter_add(d->counters, COUNTER_DIRECTORY_HITS, 1);
			return LOOKUP_NONE;
		case CACHED_NONE_THEN:
		case CACHED_NOT:
			break;
		}
	}
	if (d->memory_only)
		return find_in_memory_only(
		    d, key, buf_span(&cache_key), value, entry_out, err);
	mark = cache_mark(d->cache);
	found = ldap_find(d, key, value, entry_out, err);
	if (found == LOOKUP_FAILED)
		return find_in_outage(
		    d, key, buf_span(&cache_key), value, entry_out);
	cache_put(d->cache, buf_span(&cache_key), *entry_out, mark);
	db_keep(d, buf_span(&cache_key), *entry_out);
	return found;
}

/* ---- lists --------------------------------------------------------------- */

struct listing {
	struct directory *d;
	/* What was found.  Given away when all is there: each() may search
	 * itself, which it must not on the thread that reads answers, nor
	 * while the database is read. */
	struct entry **entries;
	size_t len, cap;

	enum entry_kind kind;
	const char *tenant;
	bool (*each)(void *arg, struct entry *entry);
	void *arg;
};

static void
listing_restart(void *arg)
{
	struct listing *l = arg;

	while (l->len > 0)
		entry_unref(l->entries[--l->len]);
}

static void
listing_fini(struct listing *l)
{
	listing_restart(l);
	free(l->entries);
}
CLEANUP_DEFINE_VALUE(struct listing, listing_fini)

/* Room for one more; NULL with err set. */
static struct entry **
listing_room(struct listing *l, struct err *err)
{
	if (l->len == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		struct entry **grown =
		    reallocarray(l->entries, cap, sizeof(struct entry *));

		if (grown == NULL) {
			(void)err_sys(err, "list");
			return NULL;
		}
		l->entries = grown;
		l->cap = cap;
	}
	return &l->entries[l->len];
}

static bool
listing_ldap(void *arg, LDAP *ld, LDAPMessage *message, struct err *err)
{
	struct listing *l = arg;
	struct entry **room = listing_room(l, err);

	if (room == NULL ||
	    entry_from_ldap(ld, message, l->d->base, room, err) == -1)
		return false;
	l->len++;
	return true;
}

static bool
listing_db(void *arg, struct span key, struct span value)
{
	struct listing *l = arg;
	struct entry **room = listing_room(l, NULL);

	(void)key;
	if (room == NULL)
		return false;
	if (entry_from_fields(value, l->d->base, room, NULL) == -1)
		return true;
	/* Millions of accounts lie there, too. */
	if ((*room)->kind == l->kind)
		l->len++;
	else
		entry_unref(*room);
	return true;
}

static void
listing_keep(struct listing *l)
{
	for (size_t i = 0; i < l->len && l->d->db != NULL; i++)
		db_keep_entry(l->d, l->entries[i], false);
}

static void
listing_give(struct listing *l)
{
	for (size_t i = 0; i < l->len; i++) {
		struct entry *e = l->entries[i];

		if (e->kind != l->kind ||
		    (l->tenant[0] != '\0' && strcmp(l->tenant, e->tenant) != 0))
			continue;
		if (!l->each(l->arg, e))
			return;
	}
}

int
directory_each(struct directory *d, enum entry_kind kind, const char *tenant,
    bool (*each)(void *arg, struct entry *entry), void *arg, struct err *err)
{
	CLEANUP(listing_fini)
	struct listing l = {
		.d = d, .kind = kind, .tenant = tenant, .each = each, .arg = arg
	};
	struct ldap_query query = {
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = kind == ENTRY_TENANT ? "(objectClass=hkTenant)"
					       : "(objectClass=hkDomain)",
		.attrs = entry_attrs,
		.found = listing_ldap,
		.restart = listing_restart,
		.arg = &l,
	};
	struct err ldap_err = ERR_INIT;
	CLEANUP(buf_fini) struct buf base;

	buf_init(&base, BASE_MAX);
	if (d->memory_only)
		return directory_set_would_wait(err);
	buf_append_fmt(&base, "ou=tenants,%s", d->base);
	query.base = buf_str(&base);
	if (ldap_pool_search(d->pool, &query, &ldap_err) == 0) {
		/* A later outage needs them. */
		listing_keep(&l);
	} else if (d->db == NULL) {
		if (err != NULL)
			*err = ldap_err;
		return -1;
	} else {
		listing_restart(&l);
		if (db_each(d->db, SPAN("E"), listing_db, &l, err) == -1)
			return -1;
	}
	listing_give(&l);
	return 0;
}

/* ---- changes ------------------------------------------------------------- */

void
directory_changed(struct directory *d, struct entry *entry)
{
	cache_change(d->cache, entry);
	if (d->db != NULL)
		db_keep_entry(d, entry, true);
}

void
directory_removed(struct directory *d, struct span uuid)
{
	CLEANUP(buf_fini) struct buf key = { .max = 0 };
	struct err err = ERR_INIT;

	cache_remove(d->cache, uuid);
	buf_init(&key, VALUE_MAX + 8);
	if (d->db == NULL)
		return;
	db_key(&key, 'E', uuid);
	if (db_delete(d->db, buf_span(&key), &err) == -1)
		db_trouble(&err);
}
