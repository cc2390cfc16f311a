/* SPDX-License-Identifier: BSD-2-Clause */
/* From lines of the table to jobs. */
#include <stdlib.h>
#include <string.h>

#include "master/ask.h"
#include "master/import.h"
#include "tenants/password.h"

/* ---- the first line ---------------------------------------------------------
 */

static int
column_of(
    struct import *i, struct span name, struct column *out, struct err *err)
{
	const struct field *f = kind_field_find(i->m->kind, name);

	out->field = f;
	if (span_eq(name, SPAN("address")))
		out->type = COLUMN_ADDRESS;
	else if (span_eq(name, SPAN("tenant")))
		out->type = COLUMN_TENANT;
	else if (span_eq(name, SPAN("password")))
		out->type = COLUMN_PASSWORD;
	else if (span_eq(name, SPAN("password-hash")))
		out->type = COLUMN_HASH;
	else if (f != NULL)
		out->type = (f->flags & FIELD_FIXED) != 0 ? COLUMN_IGNORED
							  : COLUMN_FIELD;
	else
		return err_set(err, ERR_SYNTAX,
		    "there is no column \"%.*s\"; expected fields of \"hikyaku "
		    "account help\", address, tenant, password, password-hash",
		    SPAN_FMT(span_first(name, 40)));
	return 0;
}

static int
check_columns(const struct import *i, struct err *err)
{
	bool address = false, secret = false;

	for (size_t c = 0; c < i->columns_len; c++) {
		const struct column *one = &i->columns[c];

		if (one->type == COLUMN_PASSWORD || one->type == COLUMN_HASH) {
			if (secret)
				return err_set(err, ERR_SYNTAX,
				    "expected either password or "
				    "password-hash");
			secret = true;
		}
		address |= one->type == COLUMN_ADDRESS;
		for (size_t k = 0; k < c; k++)
			if (i->columns[k].type == one->type &&
			    i->columns[k].field == one->field)
				return err_set(err, ERR_SYNTAX,
				    "a column stands there twice");
	}
	return address ? 0
		       : err_set(err, ERR_SYNTAX,
			     "expected a column \"address\" in the first line");
}

int
import_header(struct import *i, struct err *err)
{
	CLEANUP(csv_record_fini) struct csv_record header;
	size_t attrs = 0;

	csv_record_init(&header);
	switch (csv_take(&i->csv, &header, err)) {
	case CSV_RECORD:
		break;
	case CSV_END:
		return err_set(err, ERR_SYNTAX,
		    "it is empty; expected names of columns in the first line");
	case CSV_BAD:
	case CSV_BROKEN:
		return -1;
	}
	for (; i->columns_len < header.len; i->columns_len++)
		if (column_of(i, span_trim(header.fields[i->columns_len]),
			&i->columns[i->columns_len], err) == -1)
			return -1;
	for (size_t c = 0; c < i->columns_len; c++)
		if (i->columns[c].type == COLUMN_FIELD)
			i->attrs[attrs++] = i->columns[c].field->attribute;
	i->attrs[attrs++] = "mail";
	i->attrs[attrs++] = "uid";
	i->attrs[attrs++] = "hkStatus";
	return check_columns(i, err);
}

/* ---- who was seen -----------------------------------------------------------
 */

static void
put_hash(uint64_t *table, size_t cap, uint64_t hash)
{
	size_t at = (size_t)hash & (cap - 1);

	while (table[at] != 0)
		at = (at + 1) & (cap - 1);
	table[at] = hash;
}

static bool
grow_seen(struct import *i)
{
	size_t cap = i->seen_cap == 0 ? 4096 : i->seen_cap * 2;
	uint64_t *grown = calloc(cap, sizeof(*grown));

	if (grown == NULL)
		return false;
	for (size_t n = 0; n < i->seen_cap; n++)
		if (i->seen[n] != 0)
			put_hash(grown, cap, i->seen[n]);
	free(i->seen);
	i->seen = grown;
	i->seen_cap = cap;
	return true;
}

/*
 * By 64 bits of hash only, since ten million addresses would be half a
 * gigabyte: once in 300,000 such tables a line is refused wrongly.
 */
static int
note_seen(struct import *i, struct span address, struct err *err)
{
	uint64_t hash = hash_span(&i->secret, address) | 1;
	size_t at;

	if (i->seen_len * 2 >= i->seen_cap && !grow_seen(i))
		return err_set(err, ERR_TEMP, "out of memory");
	for (at = (size_t)hash & (i->seen_cap - 1); i->seen[at] != 0;
	     at = (at + 1) & (i->seen_cap - 1))
		if (i->seen[at] == hash)
			return err_set(err, ERR_POLICY,
			    "an earlier line has this address");
	i->seen[at] = hash;
	i->seen_len++;
	return 0;
}

/* ---- whose it is ------------------------------------------------------------
 */

static struct import_domain *
domain_add(
    struct import *i, struct span domain, const char *tenant, struct err *err)
{
	struct import_domain *grown =
	    reallocarray(i->domains, i->domains_len + 1, sizeof(*grown));
	struct import_domain *one;

	if (grown != NULL)
		i->domains = grown;
	one = grown == NULL ? NULL : &grown[i->domains_len];
	if (one == NULL ||
	    (one->domain = strndup(domain.p, domain.len)) == NULL) {
		(void)err_set(err, ERR_TEMP, "out of memory");
		return NULL;
	}
	one->tenant = tenant == NULL ? NULL : strdup(tenant);
	i->domains_len++;
	return one;
}

/* Asked once for each domain. */
static int
tenant_of(struct import *i, struct job *job, struct err *err)
{
	struct span address = buf_span(&job->address);
	struct span domain =
	    span_from(address, (size_t)span_rindex(address, '@') + 1);
	const struct import_domain *one = NULL;

	for (size_t n = i->domains_len; n-- > 0 && one == NULL;)
		if (span_eq(span_str(i->domains[n].domain), domain))
			one = &i->domains[n];
	if (one == NULL) {
		CLEANUP(buf_fini) struct buf tenant;
		int rc;

		buf_init(&tenant, 256);
		rc = manage_tenant_of_address(i->m, address, &tenant, err);
		if (rc == -1 && err->kind != ERR_POLICY)
			return -1;
		one = domain_add(
		    i, domain, rc == -1 ? NULL : buf_str(&tenant), err);
		if (one == NULL)
			return -1;
	}
	if (one->tenant == NULL)
		return err_set(err, ERR_POLICY,
		    "there is no domain %.*s that %.80s may see",
		    SPAN_FMT(span_first(domain, 80)),
		    editor_bind_dn(i->m->editor));
	buf_append_str(&job->tenant, one->tenant);
	return buf_check(&job->tenant, err);
}

static const struct field address_field = { "address", "mail", FIELD_OWN, 0,
	NULL, "" };

static int
identify(struct import *i, struct job *job, struct err *err)
{
	struct span address = SPAN_NONE, tenant = SPAN_NONE;

	if (job->record.len != i->columns_len)
		return err_set(err, ERR_SYNTAX,
		    "it has %zu fields; expected %zu, as the first line",
		    job->record.len, i->columns_len);
	for (size_t c = 0; c < i->columns_len; c++) {
		if (i->columns[c].type == COLUMN_ADDRESS)
			address = span_trim(job->record.fields[c]);
		else if (i->columns[c].type == COLUMN_TENANT)
			tenant = span_trim(job->record.fields[c]);
	}
	if (field_parse(&address_field, i->m->tenantd.base, address,
		&job->address, err) == -1 ||
	    note_seen(i, buf_span(&job->address), err) == -1 ||
	    tenant_of(i, job, err) == -1)
		return -1;
	if (tenant.len > 0 && !span_eq(tenant, buf_span(&job->tenant)))
		return err_set(err, ERR_POLICY,
		    "tenant: \"%.*s\", but its domain is of %s",
		    SPAN_FMT(span_first(tenant, 63)), buf_str(&job->tenant));
	return 0;
}

/* ---- lines ------------------------------------------------------------------
 */

void
job_init(struct job *job)
{
	memset(job, 0, sizeof(*job));
	csv_record_init(&job->record);
	buf_init(&job->address, FIELD_VALUE_MAX);
	buf_init(&job->tenant, 256);
	buf_init(&job->dn, DN_MAX);
	changes_init(&job->changes);
	password_new_init(&job->made);
}

void
job_fini(struct job *job)
{
	csv_record_fini(&job->record);
	buf_fini(&job->address);
	buf_fini(&job->tenant);
	buf_fini(&job->dn);
	changes_fini(&job->changes);
	password_new_fini(&job->made);
}

/* Its memory serves the next line. */
static void
job_clear(struct job *job)
{
	buf_clear(&job->address);
	buf_clear(&job->tenant);
	buf_clear(&job->dn);
	changes_fini(&job->changes);
	password_new_fini(&job->made);
	password_new_init(&job->made);
	job->password = SPAN_NONE;
	job->state = JOB_READ;
	job->was_add = false;
}

int
import_read(struct import *i)
{
	struct err err = ERR_INIT;
	bool any = false;

	i->jobs_len = 0;
	while (i->jobs_len < IMPORT_CHUNK) {
		struct job *job = &i->jobs[i->jobs_len];

		job_clear(job);
		err_clear(&err);
		switch (csv_take(&i->csv, &job->record, &err)) {
		case CSV_END:
			return any;
		case CSV_BROKEN:
			i->counts.lines++;
			import_refuse_line(i, job->record.line, &err);
			return 1;
		case CSV_BAD:
			i->counts.lines++;
			any = true;
			import_refuse_line(i, job->record.line, &err);
			continue;
		case CSV_RECORD:
			break;
		}
		i->counts.lines++;
		any = true;
		if (identify(i, job, &err) == -1)
			import_refuse(i, job, &err);
		else
			i->jobs_len++;
	}
	return 1;
}

void
import_settings(struct import *i, const struct job *job)
{
	struct manage_options *o = &i->m->options;

	o->settings_len = 0;
	/* An empty cell says nothing. */
	for (size_t c = 0; c < i->columns_len; c++) {
		struct span text = job->record.fields[c];

		if (i->columns[c].type == COLUMN_FIELD &&
		    span_trim(text).len > 0 && o->settings_len < SETTINGS_MAX)
			o->settings[o->settings_len++] =
			    (struct setting){ i->columns[c].field, SETTING_SET,
				    text };
	}
}

/* ---- passwords --------------------------------------------------------------
 */

/* Appends the hash as slapd takes it. */
static int
complete_hash(
    struct import *i, struct span hash, struct buf *out, struct err *err)
{
	if (hash.p[0] == '$')
		buf_append(out, SPAN("{CRYPT}"));
	else if (hash.p[0] != '{' && i->m->options.scheme != NULL)
		buf_append_fmt(out, "{%s}", i->m->options.scheme);
	else if (hash.p[0] != '{')
		return err_set(err, ERR_SYNTAX,
		    "password-hash: expected {SCHEME}..., or --scheme for "
		    "those without one");
	buf_append(out, hash);
	if (buf_check(out, err) == -1)
		return -1;
	if (!password_has_scheme(buf_span(out)))
		return err_set(err, ERR_SYNTAX,
		    "password-hash: no scheme that we have, or malformed; "
		    "expected one of hikyaku-directory(7)");
	if (span_starts_nocase(buf_span(out), SPAN("{SCRAM-SHA-256}"))) {
		CLEANUP(secret_fini) struct buf copy;

		buf_init(&copy, FIELD_VALUE_MAX);
		buf_append(&copy, buf_span(out));
		buf_clear(out);
		buf_append(out, SPAN("{CRYPT}"));
		buf_append(out, buf_span(&copy));
	}
	return buf_check(out, err);
}

int
import_password(struct import *i, struct job *job, int op, struct err *err)
{
	CLEANUP(secret_fini) struct buf stored;
	struct span text = SPAN_NONE, rest;
	bool hash = false;

	buf_init(&stored, FIELD_VALUE_MAX);
	for (size_t c = 0; c < i->columns_len; c++) {
		if (i->columns[c].type != COLUMN_PASSWORD &&
		    i->columns[c].type != COLUMN_HASH)
			continue;
		hash = i->columns[c].type == COLUMN_HASH;
		text = job->record.fields[c];
	}
	if (text.len == 0)
		return 0;
	rest = text;
	/* Kept in clear only where a class of service allows it. */
	if (!hash || span_take_nocase(&rest, SPAN("{CLEARTEXT}"))) {
		job->password = hash ? rest : text;
		return 0;
	}
	if (complete_hash(i, text, &stored, err) == -1)
		return -1;
	changes_value(&job->changes, op, "userPassword", buf_span(&stored));
	/* What was made from another password. */
	if (op == LDAP_MOD_REPLACE)
		changes_clear(&job->changes, "hkSecret");
	return 0;
}
