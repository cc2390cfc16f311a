/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku passwd --app and --revoke-app: passwords for single programs. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "common/ascii.h"
#include "master/ask.h"
#include "master/manage.h"
#include "tenants/app_password.h"
#include "tenants/client.h"
#include "tenants/naming.h"
#include "tenants/password_new.h"

enum {
	ID_LETTERS = 8,
	VALUE_MAX = 2048
};

/* ---- the labels that are there ---------------------------------------------
 */

struct labels {
	struct berval **values; /* NULL: none */
};

static void
labels_init(struct labels *l, struct manage *m, const struct found *found)
{
	l->values = ldap_get_values_len(
	    editor_ldap(m->editor), found->entry, "hkAppLabel");
}

static void
labels_fini(struct labels *l)
{
	ldap_value_free_len(l->values);
}
CLEANUP_DEFINE_VALUE(struct labels, labels_fini)

static size_t
labels_count(const struct labels *l)
{
	return (size_t)ldap_count_values_len(l->values);
}

static struct span
labels_at(const struct labels *l, size_t i)
{
	return span_of(l->values[i]->bv_val, l->values[i]->bv_len);
}

/* The first that has this name or this ID from *i on. */
static bool
labels_find(const struct labels *l, struct span name, size_t *i)
{
	struct app_label label;

	for (; *i < labels_count(l); (*i)++)
		if (app_label_parse(labels_at(l, *i), &label) &&
		    (span_eq(label.label, name) || span_eq(label.id, name)))
			return true;
	return false;
}

/* ---- a new one -------------------------------------------------------------
 */

/* Appends the services as the directory has them; nothing said means all. */
static int
put_services(const char *said, struct buf *out, struct err *err)
{
	static const char *const names[] = { "imap", "pop3", "smtp" };
	struct span rest = span_str(said == NULL ? "imap,pop3,smtp" : said);
	bool found[3] = { false, false, false };
	const char *between = "";

	while (rest.len > 0) {
		size_t len = 0, i = 0;
		struct span word;

		while (
		    len < rest.len && rest.p[len] != ',' && rest.p[len] != ' ')
			len++;
		word = span_first(rest, len);
		rest = span_from(rest, len < rest.len ? len + 1 : len);
		while (i < 3 && !span_eq(word, span_str(names[i])))
			i++;
		if (word.len == 0)
			continue;
		if (i == 3)
			return err_set(err, ERR_SYNTAX,
			    "--service \"%.*s\": expected some of imap, pop3, "
			    "smtp",
			    SPAN_FMT(word));
		found[i] = true;
	}
	for (size_t i = 0; i < 3; i++) {
		if (!found[i])
			continue;
		buf_append_fmt(out, "%s%s", between, names[i]);
		between = ",";
	}
	return between[0] != '\0'
		   ? 0
		   : err_set(err, ERR_SYNTAX,
			 "--service: expected some of imap, pop3, smtp");
}

static int
put_id(struct buf *out, struct err *err)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char chance[ID_LETTERS];

	if (RAND_bytes(chance, sizeof(chance)) != 1)
		return err_set(err, ERR_TEMP, "no random octets");
	for (size_t i = 0; i < sizeof(chance); i++)
		buf_append_octet(out, letters[chance[i] % 32]);
	return 0;
}

static int
put_label(
    const struct manage *m, struct span id, struct buf *label, struct err *err)
{
	time_t now = time(NULL);
	struct tm utc;
	char text[32];

	(void)gmtime_r(&now, &utc);
	(void)strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &utc);
	buf_append(label, id);
	buf_append_octet(label, ' ');
	if (put_services(m->options.services, label, err) == -1)
		return -1;
	buf_append_fmt(label, " %s ", text);
	buf_append_str(label, m->options.app);
	return buf_check(label, err);
}

static int
check_name(const char *name, const struct labels *labels, struct err *err)
{
	size_t i = 0;

	if (name[0] == '\0')
		return err_set(err, ERR_SYNTAX, "--app: expected a name");
	for (const char *p = name; *p != '\0'; p++)
		if (ascii_is(*p, ASCII_CTL))
			return err_set(err, ERR_SYNTAX,
			    "--app: a control character in the name");
	if (labels_find(labels, span_str(name), &i))
		return err_set(err, ERR_POLICY,
		    "there is one named \"%.80s\" already; expected another "
		    "name, or --revoke-app first",
		    name);
	return 0;
}

/* What tenantd would not look at is not made.  A user sees no tenant. */
static int
check_room(struct manage *m, const struct found *account, size_t count,
    struct err *err)
{
	CLEANUP(found_fini) struct found tenant = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf name;
	uint64_t limit = UINT64_MAX;

	buf_init(&name, 256);
	if (manage_limit(m, account, "hkMaxAppPasswords", &limit, err) == -1 ||
	    (naming_tenant_of(span_str(account->dn), m->tenantd.base, &name) &&
		(manage_find(m, kind_of(KIND_TENANT), buf_span(&name), &tenant,
		     err) == -1 ||
		    manage_limit(
			m, &tenant, "hkMaxAppPasswords", &limit, err) == -1)))
		return -1;
	if (count < limit)
		return 0;
	return limit == 0
		   ? err_set(err, ERR_POLICY,
			 "the class of service allows no app passwords "
			 "(max-app-passwords is 0)")
		   : err_set(err, ERR_POLICY,
			 "there are %zu app passwords; max-app-passwords "
			 "allows %llu",
			 count, (unsigned long long)limit);
}

static int
make(struct manage *m, const struct found *found, struct buf *password,
    struct err *err)
{
	CLEANUP(labels_fini) struct labels labels;
	CLEANUP(changes_fini) struct changes changes;
	CLEANUP(buf_fini) struct buf id, label, value;

	labels_init(&labels, m, found);
	changes_init(&changes);
	buf_init(&id, VALUE_MAX);
	buf_init(&label, VALUE_MAX);
	buf_init(&value, VALUE_MAX);
	if (check_name(m->options.app, &labels, err) == -1 ||
	    check_room(m, found, labels_count(&labels), err) == -1 ||
	    put_id(&id, err) == -1 ||
	    put_label(m, buf_span(&id), &label, err) == -1)
		return -1;
	buf_append(&value, buf_span(&id));
	buf_append_octet(&value, ' ');
	if (password_new_app(password, &value, err) == -1)
		return -1;
	changes_value(&changes, LDAP_MOD_ADD, "hkAppLabel", buf_span(&label));
	if (labels_count(&labels) > 0) {
		changes_value(
		    &changes, LDAP_MOD_ADD, "hkAppPassword", buf_span(&value));
		return changes_check(&changes, err) == -1
			   ? -1
			   : editor_modify(m->editor, found->dn, &changes, err);
	}
	/* Nobody can see the hashes of those that were revoked; while there is
	 * no label all of them are. */
	changes_value(
	    &changes, LDAP_MOD_REPLACE, "hkAppPassword", buf_span(&value));
	return changes_check(&changes, err) == -1
		   ? -1
		   : editor_modify_if(m->editor, found->dn, "(!(hkAppLabel=*))",
			 &changes, err);
}

int
manage_app(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(secret_fini) struct buf password;
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int status;

	buf_init(&password, VALUE_MAX);
	if (manage_must_find(m, name, &found, &status) == -1)
		return status;
	if (make(m, &found, &password, &err) == -1)
		return manage_fail(m, name, &err);
	(void)printf("%s\n", buf_str(&password));
	if (!m->options.quiet)
		(void)fprintf(stderr,
		    "It is shown this once, and holds with the login name of "
		    "the account.\n");
	return MANAGE_DONE;
}

/* ---- taking one back -------------------------------------------------------
 */

int
manage_app_revoke(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(changes_fini) struct changes changes;
	CLEANUP(labels_fini) struct labels labels = { NULL };
	struct span app = span_str(m->options.revoke_app);
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	size_t count = 0;
	int status;

	changes_init(&changes);
	if (manage_must_find(m, name, &found, &status) == -1)
		return status;
	labels_init(&labels, m, &found);
	for (size_t i = 0; labels_find(&labels, app, &i); i++, count++)
		changes_value(&changes, LDAP_MOD_DELETE, "hkAppLabel",
		    labels_at(&labels, i));
	if (count == 0) {
		(void)err_set(&err, ERR_POLICY,
		    "there is no app password \"%.80s\"", app.p);
		return manage_fail(m, name, &err);
	}
	/* That was all: the hashes go, too. */
	if (count == labels_count(&labels))
		changes_clear(&changes, "hkAppPassword");
	if (changes_check(&changes, &err) == -1 ||
	    editor_modify(m->editor, found.dn, &changes, &err) == -1)
		return manage_fail(m, name, &err);
	return MANAGE_DONE;
}
