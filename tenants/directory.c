/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/directory.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/ascii.h"
#include "common/file.h"
#include "common/log.h"
#include "tenants/app_password.h"
#include "tenants/conf.h"
#include "tenants/directory_private.h"
#include "tenants/follow.h"
#include "tenants/effective.h"
#include "tenants/info.h"
#include "tenants/layers.h"
#include "tenants/login_name.h"
#include "tenants/told.h"

enum {
	CREDENTIALS_MAX = 16384,
	APPS_MAX = 128 * 1024, /* 100 values of 1024 octets, and more */
	PASSWORD_FILE_MAX = 1024,
	KEY_OCTETS = 1024 /* of entries in memory behind a key, at most */
};

/* ---- beginning and end -----------------------------------------------------
 */

static int
read_password(const char *path, struct buf *password, struct err *err)
{
	if (file_read(path, password, err) == -1)
		return -1;
	while (
	    password->len > 0 && (password->data[password->len - 1] == '\n' ||
				     password->data[password->len - 1] == '\r'))
		buf_truncate(password, password->len - 1);
	if (password->len == 0)
		return err_set(err, ERR_POLICY, "%s: no password in it", path);
	return buf_check(password, err);
}

static int
open_pool(struct directory *d, const struct tenantd_conf *conf, struct err *err)
{
	struct ldap_options options = {
		.uri = conf->uri,
		.bind_dn = conf->bind_dn,
		.ca_file = conf->ca_file,
		.starttls = conf->starttls,
		.connect_ms = (unsigned)conf->connect_wait * 1000,
		.search_ms = (unsigned)conf->search_wait * 1000,
		.connections = (unsigned)conf->connections,
	};
	struct buf password;
	int rc;

	buf_init(&password, PASSWORD_FILE_MAX);
	rc = read_password(conf->password_file, &password, err);
	if (rc == 0) {
		options.password = buf_str(&password);
		rc = ldap_pool_new(&options, &d->pool, err);
	}
	if (password.data != NULL)
		OPENSSL_cleanse(password.data, password.cap);
	buf_fini(&password);
	return rc;
}

/* Without the disk only an outage of LDAP is worse. */
static void
open_db(struct directory *d, const struct tenantd_conf *conf,
    const char *state_directory)
{
	struct err err = ERR_INIT;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/entries", state_directory);
	if (db_open(path, conf->cache_disk, &d->db, &err) == -1)
		log_error(&log_process, "last known entries not available",
		    log_err(&err));
}

int
directory_new(const struct tenantd_conf *conf, const char *state_directory,
    struct directory **d_out, struct err *err)
{
	CLEANUP(directory_free)
	struct directory *d = calloc(1, sizeof(*d));

	if (d == NULL || (d->base = strdup(conf->base)) == NULL ||
	    (d->memory = calloc(1, sizeof(*d))) == NULL)
		return err_sys(err, "directory");
	d->live = &d->live_here;
	if (open_pool(d, conf, err) == -1 ||
	    cache_new(conf->cache_keys, conf->cache_keys * KEY_OCTETS,
		&d->cache, err) == -1 ||
	    told_new(&d->told, err) == -1)
		return -1;
	open_db(d, conf, state_directory);
	*d_out = STEAL(d);
	return 0;
}

int
directory_start(struct directory *d, struct counters *counters, struct err *err)
{
	d->counters = counters;
	*d->memory = *d;
	d->memory->memory_only = true;
	if (ldap_pool_start(d->pool, err) == -1)
		return -1;
	return follower_start(d, &d->follower, err);
}

void
directory_free(struct directory *d)
{
	if (d == NULL)
		return;
	follower_free(d->follower);
	db_close(d->db);
	cache_free(d->cache);
	told_free(d->told);
	ldap_pool_free(d->pool);
	free(d->memory);
	free(d->base);
	free(d);
}

struct directory *
directory_memory(const struct directory *d)
{
	return d->memory;
}

int
directory_set_would_wait(struct err *err)
{
	/* This is no trouble that anybody reads: no text is made. */
	if (err != NULL)
		*err = (struct err){ .kind = ERR_TEMP, .os = EAGAIN };
	return -1;
}

bool
directory_would_wait(const struct err *err)
{
	return err->kind == ERR_TEMP && err->os == EAGAIN;
}

/* ---- entries by name --------------------------------------------------------
 */

enum lookup
directory_account(struct directory *d, const char *id,
    struct account_info *account_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found = directory_find(d, KEY_ID, span_str(id), &e, err);

	/* An imported id names its account alone, not also by entryUUID. */
	if (found == LOOKUP_FOUND)
		found = info_account(d, e, account_out, err);
	if (found == LOOKUP_FOUND && strcmp(account_out->id, id) != 0)
		found = LOOKUP_NONE;
	return found;
}

enum lookup
directory_tenant(struct directory *d, const char *name,
    struct tenant_info *tenant_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found =
	    directory_find(d, KEY_TENANT, span_str(name), &e, err);

	return found == LOOKUP_FOUND ? info_tenant(d, e, tenant_out, err)
				     : found;
}

enum lookup
directory_host(struct directory *d, struct span host,
    struct tenant_info *tenant_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found = directory_find(d, KEY_HOST, host, &e, err);

	return found == LOOKUP_FOUND ? info_tenant(d, e, tenant_out, err)
				     : found;
}

enum lookup
directory_domain(struct directory *d, struct span domain,
    struct domain_info *domain_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found = directory_find(d, KEY_DOMAIN, domain, &e, err);

	return found == LOOKUP_FOUND
		   ? info_domain(d, e, domain, domain_out, err)
		   : found;
}

/* ---- credentials ------------------------------------------------------------
 */

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->cap);
	buf_fini(b);
}

void
credentials_fini(struct credentials *c)
{
	wipe(&c->passwords);
	wipe(&c->secrets);
	wipe(&c->apps);
	buf_fini(&c->dn);
}

static void
put_values(const struct entry *e, enum entry_attr attr, struct buf *out)
{
	struct span rest = entry_fields(e), value;

	while (entry_next(&rest, attr, &value)) {
		/* NUL ends a value here; no scheme has one. */
		if (value.len == 0 || span_index(value, '\0') != -1)
			continue;
		buf_append(out, value);
		buf_append_octet(out, '\0');
	}
}

/* Somebody allows it, and nobody forbids it. */
static bool
keeps_secret(const struct layers *l)
{
	bool allowed = false;

	for (size_t i = 0; i < l->len; i++) {
		struct span said = entry_get(l->entries[i], ATTR_KEEP_SECRET);

		if (said.p != NULL && !span_eq_nocase(said, SPAN("TRUE")))
			return false;
		allowed = allowed || said.p != NULL;
	}
	return allowed;
}

/* What its tenant and its class of service say. */
static enum lookup
put_policy(struct directory *d, struct entry *e, unsigned service,
    struct credentials *out, struct err *err)
{
	CLEANUP(layers_fini) struct layers l = { .len = 0 };
	struct entry *tenant = NULL;
	enum lookup found;

	if (e->kind == ENTRY_ACTOR)
		return LOOKUP_FOUND;
	found = layers_of_account(d, e, &l, &tenant, err);
	if (found != LOOKUP_FOUND)
		return found;
	out->rehash =
	    span_eq_nocase(entry_get(tenant, ATTR_REHASH), SPAN("TRUE"));
	out->keep_secret = keeps_secret(&l);
	app_passwords_put(e, service,
	    layers_ceiling(&l, ATTR_MAX_APP_PASSWORDS, UINT64_MAX), &out->apps);
	return found;
}

/* "cn=NAME,ou=platform,BASE", NAME of letters, digits and hyphens. */
static bool
is_service_name(struct directory *d, struct span login)
{
	CLEANUP(buf_fini) struct buf parent = { .max = KEY_OCTETS };
	struct span name = login;

	if (!span_take_nocase(&name, SPAN("cn=")))
		return false;
	buf_append_fmt(&parent, ",ou=platform,%s", d->base);
	if (buf_check(&parent, NULL) == -1 || name.len <= parent.len ||
	    !span_eq_nocase(
		span_from(name, name.len - parent.len), buf_span(&parent)))
		return false;
	name = span_first(name, name.len - parent.len);
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is(name.p[i], ASCII_ALPHA | ASCII_DIGIT) &&
		    name.p[i] != '-')
			return false;
	return true;
}

enum lookup
directory_find_identity(struct directory *d, const struct login_name *name,
    struct entry **e_out, struct err *err)
{
	enum lookup found;

	if (!is_service_name(d, name->text))
		return login_name_find(d, name, e_out, err);
	found = directory_find(d, KEY_DN, name->text, e_out, err);
	if (found == LOOKUP_FOUND && (*e_out)->kind != ENTRY_ACTOR) {
		entry_unref(STEAL(*e_out));
		return LOOKUP_NONE;
	}
	return found;
}

static enum lookup
info_identity(struct directory *d, struct entry *e, struct account_info *out,
    struct err *err)
{
	if (e->kind != ENTRY_ACTOR)
		return info_account(d, e, out, err);
	memset(out, 0, sizeof(*out));
	(void)snprintf(out->id, sizeof(out->id), "%.*s",
	    SPAN_FMT(entry_get(e, ATTR_UUID)));
	(void)snprintf(out->address, sizeof(out->address), "%.*s",
	    SPAN_FMT(entry_get(e, ATTR_DN)));
	return LOOKUP_FOUND;
}

enum lookup
directory_credentials(struct directory *d, const struct login_name *name,
    struct credentials *out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found;

	memset(out, 0, sizeof(*out));
	buf_init(&out->passwords, CREDENTIALS_MAX);
	buf_init(&out->secrets, CREDENTIALS_MAX);
	buf_init(&out->apps, APPS_MAX);
	buf_init(&out->dn, KEY_OCTETS);
	found = directory_find_identity(d, name, &e, err);
	if (found == LOOKUP_FOUND)
		found = info_identity(d, e, &out->account, err);
	/* Whoever knows its password is told no more than a stranger. */
	if (found == LOOKUP_FOUND && out->account.status == ACCOUNT_DELETED)
		return LOOKUP_NONE;
	if (found != LOOKUP_FOUND)
		return found;
	put_values(e, ATTR_PASSWORD, &out->passwords);
	put_values(e, ATTR_SECRET, &out->secrets);
	buf_append(&out->dn, entry_get(e, ATTR_DN));
	found = put_policy(d, e, name->service, out, err);
	if (buf_check(&out->passwords, err) == -1 ||
	    buf_check(&out->secrets, err) == -1 ||
	    buf_check(&out->apps, err) == -1)
		return LOOKUP_FAILED;
	return found;
}

/* ---- settings ---------------------------------------------------------------
 */

static enum lookup
account_settings(struct directory *d, struct entry *e,
    struct account_info *account_out, struct buf *items, struct err *err)
{
	enum lookup found = info_account(d, e, account_out, err);

	return found == LOOKUP_FOUND ? effective_settings(d, e, items, err)
				     : found;
}

enum lookup
directory_settings(struct directory *d, const char *id,
    struct account_info *account_out, struct buf *items, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found = directory_find(d, KEY_ID, span_str(id), &e, err);

	if (found == LOOKUP_FOUND)
		found = account_settings(d, e, account_out, items, err);
	/* As directory_account. */
	if (found == LOOKUP_FOUND && strcmp(account_out->id, id) != 0)
		found = LOOKUP_NONE;
	return found;
}

enum lookup
directory_settings_of(struct directory *d, struct span login,
    struct account_info *account_out, struct buf *items, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found = directory_find_login(d, login, &e, err);

	return found == LOOKUP_FOUND
		   ? account_settings(d, e, account_out, items, err)
		   : found;
}

enum lookup
directory_defaults(struct directory *d, const char *name,
    struct tenant_info *tenant_out, struct buf *items, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found =
	    directory_find(d, KEY_TENANT, span_str(name), &e, err);

	if (found == LOOKUP_FOUND)
		found = info_tenant(d, e, tenant_out, err);
	return found == LOOKUP_FOUND ? effective_settings(d, e, items, err)
				     : found;
}

/* ---- lists ------------------------------------------------------------------
 */

struct list {
	struct directory *d;
	char *items;
	size_t item_size, count, cap;
	struct err *err;
	bool failed;
};

/* Room for one more, or NULL (then failed is set). */
static void *
list_room(struct list *l)
{
	if (l->count == l->cap) {
		size_t cap = l->cap == 0 ? 16 : l->cap * 2;
		char *items = reallocarray(l->items, cap, l->item_size);

		if (items == NULL) {
			(void)err_sys(l->err, "list");
			l->failed = true;
			return NULL;
		}
		l->items = items;
		l->cap = cap;
	}
	return l->items + l->count * l->item_size;
}

static bool
list_took(struct list *l, enum lookup found)
{
	if (found == LOOKUP_FOUND)
		l->count++;
	l->failed = found == LOOKUP_FAILED;
	return !l->failed;
}

static bool
list_tenant(void *arg, struct entry *e)
{
	struct list *l = arg;
	struct tenant_info *room = list_room(l);

	return room != NULL && list_took(l, info_tenant(l->d, e, room, l->err));
}

static bool
list_domain(void *arg, struct entry *e)
{
	struct list *l = arg;
	struct domain_info *room = list_room(l);

	return room != NULL &&
	       list_took(l, info_domain(l->d, e, entry_get(e, ATTR_DOMAIN),
				room, l->err));
}

/* Both kinds of items begin with their name. */
static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int
list_run(struct list *l, enum entry_kind kind, const char *tenant,
    bool (*each)(void *arg, struct entry *entry), size_t *count_out,
    struct err *err)
{
	l->err = err;
	if (directory_each(l->d, kind, tenant, each, l, err) == -1 ||
	    l->failed) {
		free(l->items);
		return -1;
	}
	if (l->count > 0)
		qsort(l->items, l->count, l->item_size, by_name);
	*count_out = l->count;
	return 0;
}

int
directory_list(struct directory *d, struct tenant_info **list_out,
    size_t *count_out, struct err *err)
{
	struct list l = { .d = d, .item_size = sizeof(**list_out) };

	if (list_run(&l, ENTRY_TENANT, "", list_tenant, count_out, err) == -1)
		return -1;
	*list_out = (struct tenant_info *)(void *)l.items;
	return 0;
}

int
directory_domains(struct directory *d, const char *tenant,
    struct domain_info **list_out, size_t *count_out, struct err *err)
{
	struct list l = { .d = d, .item_size = sizeof(**list_out) };

	if (list_run(&l, ENTRY_DOMAIN, tenant == NULL ? "" : tenant,
		list_domain, count_out, err) == -1)
		return -1;
	*list_out = (struct domain_info *)(void *)l.items;
	return 0;
}
