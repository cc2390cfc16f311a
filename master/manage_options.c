/* SPDX-License-Identifier: BSD-2-Clause */
/* The words behind "hikyaku account set". */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "master/manage.h"

/* Options that are no fields.  OPTION 0: every verb takes it. */
static const struct plain_option {
	const char *name;
	unsigned option;
	bool has_value;
	size_t offset; /* of a bool, or a const char * */
} plain_options[] = {
	{ "as", 0, true, offsetof(struct manage_options, as) },
	{ "password-file", 0, true,
	    offsetof(struct manage_options, password_file) },
	{ "quiet", 0, false, offsetof(struct manage_options, quiet) },
	{ "tenant", OPTION_TENANT, true,
	    offsetof(struct manage_options, tenant) },
	{ "domain", OPTION_DOMAIN, true,
	    offsetof(struct manage_options, domain) },
	{ "json", OPTION_FORMAT, false, offsetof(struct manage_options, json) },
	{ "csv", OPTION_FORMAT, false, offsetof(struct manage_options, csv) },
	{ "columns", OPTION_FORMAT, true,
	    offsetof(struct manage_options, columns) },
	{ "ask-password", OPTION_PASSWORD, false,
	    offsetof(struct manage_options, ask_password) },
	{ "cram-md5", OPTION_PASSWORD, false,
	    offsetof(struct manage_options, cram_md5) },
	{ "days", OPTION_DAYS, true, offsetof(struct manage_options, days) },
	{ "dry-run", OPTION_DRY_RUN, false,
	    offsetof(struct manage_options, dry_run) },
	{ "role", OPTION_ROLE, true, offsetof(struct manage_options, role) },
	{ "keep-old", OPTION_KEEP, false,
	    offsetof(struct manage_options, keep_old) },
	{ "expired", OPTION_EXPIRED, false,
	    offsetof(struct manage_options, expired) },
	{ "app", OPTION_APP, true, offsetof(struct manage_options, app) },
	{ "service", OPTION_APP, true,
	    offsetof(struct manage_options, services) },
	{ "revoke-app", OPTION_APP, true,
	    offsetof(struct manage_options, revoke_app) },
	{ "scheme", OPTION_IMPORT, true,
	    offsetof(struct manage_options, scheme) },
	{ "update-passwords", OPTION_IMPORT, false,
	    offsetof(struct manage_options, update_passwords) },
};

/* One word that begins with "--", and the word behind it. */
struct word {
	const char *whole; /* as it was typed */
	struct span name;
	const char *value; /* behind "=", or NULL */
	const char *next;  /* the following word, or NULL */
	bool used_next;
};

static int
complain(const struct manage *m, const char *what, const char *why)
{
	(void)fprintf(stderr, "hikyaku: %s: ", m->title);
	manage_print(stderr, span_str(what));
	(void)fprintf(stderr, ": %s\n", why);
	return -1;
}

static const char *
word_value(struct word *w)
{
	if (w->value != NULL)
		return w->value;
	w->used_next = w->next != NULL;
	return w->next;
}

static const struct plain_option *
plain_find(struct span name, const struct verb *verb)
{
	for (size_t i = 0; i < sizeof(plain_options) / sizeof(*plain_options);
	     i++) {
		const struct plain_option *o = &plain_options[i];

		if (span_eq(name, span_str(o->name)) &&
		    (o->option == 0 || (verb->options & o->option) != 0))
			return o;
	}
	return NULL;
}

static int
take_plain(struct manage *m, const struct plain_option *o, struct word *w)
{
	char *at = (char *)&m->options + o->offset;
	const char *value;

	if (!o->has_value) {
		if (w->value != NULL)
			return complain(m, w->whole, "it takes no value");
		*(bool *)at = true;
		return 0;
	}
	value = word_value(w);
	if (value == NULL)
		return complain(m, w->whole, "expected a value");
	memcpy(at, &value, sizeof(value));
	return 0;
}

/* "quota" or, with a prefix, "no-quota": the field and what to do with it. */
static const struct field *
field_of(const struct manage *m, struct span name, enum setting_how *how_out)
{
	static const struct {
		struct span prefix;
		enum setting_how how;
	} ways[] = {
		{ { "", 0 }, SETTING_SET },
		{ { "add-", 4 }, SETTING_ADD },
		{ { "remove-", 7 }, SETTING_REMOVE },
		{ { "no-", 3 }, SETTING_CLEAR },
	};

	for (size_t i = 0; m->kind != NULL && i < 4; i++) {
		const struct field *f;

		if (!span_starts(name, ways[i].prefix))
			continue;
		f = kind_field_find(
		    m->kind, span_from(name, ways[i].prefix.len));
		*how_out = ways[i].how;
		if (f != NULL)
			return f;
	}
	return NULL;
}

static int
check_setting(struct manage *m, const struct verb *verb, const struct field *f,
    enum setting_how how, const char *whole)
{
	if ((verb->options & OPTION_FILTERS) != 0)
		return how == SETTING_SET && f->attribute != NULL
			   ? 0
			   : complain(m, whole, "not here");
	if ((f->flags & FIELD_FIXED) != 0)
		return complain(m, whole, "it cannot be set by hand");
	if ((how == SETTING_ADD || how == SETTING_REMOVE) &&
	    (f->flags & FIELD_MANY) == 0)
		return complain(m, whole, "it has one value only; set it");
	if (how != SETTING_SET && strcmp(verb->name, "add") == 0)
		return complain(m, whole, "not for what is new");
	return 0;
}

static int
take_field(struct manage *m, const struct verb *verb, struct word *w)
{
	enum setting_how how = SETTING_SET;
	const struct field *f = field_of(m, w->name, &how);
	struct setting *s;

	if (f == NULL ||
	    (verb->options & (OPTION_SETTINGS | OPTION_FILTERS)) == 0)
		return complain(m, w->whole,
		    "there is no such option; \"hikyaku KIND help\" lists "
		    "them");
	if (check_setting(m, verb, f, how, w->whole) == -1)
		return -1;
	if (m->options.settings_len == SETTINGS_MAX)
		return complain(m, w->whole, "too many options");
	s = &m->options.settings[m->options.settings_len++];
	*s = (struct setting){ f, how, SPAN_NONE };
	if (how == SETTING_CLEAR)
		return w->value == NULL
			   ? 0
			   : complain(m, w->whole, "it takes no value");
	s->text = span_str(word_value(w));
	return s->text.p != NULL ? 0
				 : complain(m, w->whole, "expected a value");
}

static int
take_option(struct manage *m, const struct verb *verb, struct word *w)
{
	const struct plain_option *o = plain_find(w->name, verb);

	return o != NULL ? take_plain(m, o, w) : take_field(m, verb, w);
}

int
manage_options_take(
    struct manage *m, const struct verb *verb, int argc, char **argv)
{
	bool names_only = false;

	for (int i = 0; i < argc; i++) {
		struct word w = { .whole = argv[i],
			.next = i + 1 < argc ? argv[i + 1] : NULL };
		const char *equals;

		if (!names_only && strcmp(argv[i], "--") == 0) {
			names_only = true;
			continue;
		}
		if (names_only || strncmp(argv[i], "--", 2) != 0) {
			if (m->options.names_len == verb->names_max)
				return complain(m, argv[i], "not expected");
			m->options.names[m->options.names_len++] = argv[i];
			continue;
		}
		w.name = span_str(argv[i] + 2);
		equals = strchr(argv[i], '=');
		if (equals != NULL) {
			w.value = equals + 1;
			w.name.len = (size_t)(equals - argv[i] - 2);
		}
		if (take_option(m, verb, &w) == -1)
			return -1;
		i += w.used_next ? 1 : 0;
	}
	if (m->options.names_len < verb->names_min)
		return complain(m, "a name is missing", "expected one");
	return 0;
}
