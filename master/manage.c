/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/manage.h"

#include <stdio.h>
#include <string.h>

#include "common/ascii.h"
#include "common/conf_outline.h"
#include "common/file.h"
#include "master/ask.h"
#include "tenants/ldap_connect.h"
#include "tenants/naming.h"

#define ALL ((1u << KIND_CLASS << 1) - 1)
#define ACCOUNT (1u << KIND_ACCOUNT)
/* Those that are deleted in two steps. */
#define MORTAL (1u << KIND_ACCOUNT | 1u << KIND_GROUP | 1u << KIND_TENANT)
/* Those with a status. */
#define LIVING (ALL & ~(1u << KIND_CLASS))

static const struct verb verbs[] = {
	{ "add", ALL, OPTION_SETTINGS | OPTION_PASSWORD | OPTION_TENANT, 1, 1,
	    " %s [--FIELD VALUE ...]", "make a new one", manage_add },
	{ "set", ALL, OPTION_SETTINGS | OPTION_TENANT, 1, 1,
	    " %s --FIELD VALUE ...", "change it", manage_set },
	{ "show", ALL, OPTION_FORMAT | OPTION_TENANT, 1, 1, " %s [--json]",
	    "tell all about it", manage_show },
	{ "list", ALL,
	    OPTION_FILTERS | OPTION_FORMAT | OPTION_TENANT | OPTION_DOMAIN, 0,
	    0, " [--tenant T] [--FIELD VALUE] [--json | --csv]",
	    "list those that match", manage_list },
	{ "suspend", LIVING, OPTION_TENANT, 1, 1, " %s", "no login; mail waits",
	    manage_suspend },
	{ "resume", LIVING, OPTION_TENANT, 1, 1, " %s",
	    "end a suspension or another restriction", manage_resume },
	{ "delete", ALL, OPTION_TENANT | OPTION_DAYS, 1, 1,
	    " %s [--days NUMBER]",
	    "as if it were not there; removed when the days are over",
	    manage_delete },
	{ "undelete", MORTAL, OPTION_TENANT, 1, 1, " %s", "bring it back",
	    manage_undelete },
	{ "purge", MORTAL, OPTION_TENANT | OPTION_EXPIRED, 0, 1,
	    " %s | --expired",
	    "remove what is deleted and whose days are over, with its mail",
	    manage_purge },
	{ "rename", LIVING, OPTION_TENANT | OPTION_KEEP, 2, 2,
	    " %s NEW [--keep-old]", "another name; the mail stays where it is",
	    manage_rename },
	{ "import", ACCOUNT, OPTION_TENANT | OPTION_DRY_RUN | OPTION_IMPORT, 1,
	    1, " FILE.csv [--dry-run] [--scheme NAME] [--update-passwords]",
	    "add accounts from a table, and change those that differ",
	    manage_import },
	{ "export", ALL,
	    OPTION_FILTERS | OPTION_FORMAT | OPTION_TENANT | OPTION_DOMAIN, 0,
	    0, " [--tenant T] [--FIELD VALUE] [--columns A,B]",
	    "a table that import reads", manage_export },
};
#define VERBS_LEN (sizeof(verbs) / sizeof(*verbs))

/* No field of its own: what it does is one thing. */
static const struct verb passwd = { "passwd", 0,
	OPTION_PASSWORD | OPTION_TENANT | OPTION_APP, 1, 1,
	" ADDRESS [--app NAME [--service LIST] | --revoke-app NAME]",
	"give an account a new password, or one for a single program",
	manage_passwd };

/* ---- complaints -------------------------------------------------------------
 */

void
manage_print(FILE *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		/* C1 controls are 0xc2 0x80 to 0xc2 0x9f. */
		if (c == 0xc2 && i + 1 < text.len &&
		    (unsigned char)text.p[i + 1] < 0xa0) {
			(void)fputc('?', out);
			i++;
			continue;
		}
		(void)fputc(ascii_is((char)c, ASCII_CTL) ? '?' : c, out);
	}
}

static int
status_of(const struct err *err)
{
	switch (err->kind) {
	case ERR_SYNTAX:
		return MANAGE_USAGE;
	case ERR_TEMP:
	case ERR_CLOSED:
		return MANAGE_NO_DIRECTORY;
	case ERR_NONE:
	case ERR_POLICY:
	case ERR_LIMIT:
		break;
	}
	return MANAGE_REFUSED;
}

int
manage_fail(const struct manage *m, const char *name, const struct err *err)
{
	(void)fprintf(stderr, "hikyaku: %s", m->title);
	if (name != NULL) {
		(void)fputc(' ', stderr);
		manage_print(stderr, span_str(name));
	}
	(void)fputs(": ", stderr);
	manage_print(stderr, span_str(err->text));
	(void)fprintf(stderr, "%s%s\n", err->os == 0 ? "" : ": ",
	    err->os == 0 ? "" : strerror(err->os));
	return status_of(err);
}

int
manage_not_found(const struct manage *m, const char *name)
{
	(void)fprintf(stderr, "hikyaku: %s ", m->title);
	manage_print(stderr, span_str(name));
	(void)fprintf(stderr,
	    ": there is none that %s may see; expected the name of one that "
	    "is there\n",
	    editor_bind_dn(m->editor));
	return MANAGE_NOT_FOUND;
}

/* ---- opening ----------------------------------------------------------------
 */

static int
read_settings(struct manage *m, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	const char *file = m->ctx->file;

	buf_init(&text, CONF_TEXT_MAX);
	if (file_read(file, &text, err) == -1 ||
	    conf_parse(&tenantd_section, buf_span(&text), file, &m->tenantd,
		err) == -1 ||
	    conf_parse(&manage_section, buf_span(&text), file, &m->conf, err) ==
		-1)
		return -1;
	return manage_conf_check(&m->conf, file, err);
}

static int
connect_as(struct manage *m, const char *dn, const char *password,
    struct editor **editor_out, struct err *err)
{
	struct editor_options options = {
		.uri = m->conf.uri[0] != '\0' ? m->conf.uri : m->tenantd.uri,
		.base = m->tenantd.base,
		.bind_dn = dn,
		.password = password,
		.ca_file = m->tenantd.ca_file,
		.starttls = m->tenantd.starttls,
		.connect_ms = (unsigned)m->tenantd.connect_wait * 1000,
		/* Writes may wait for the disk. */
		.answer_ms = 60000,
	};

	return editor_open(&options, editor_out, err);
}

static int
connect_operator(struct manage *m, struct err *err)
{
	CLEANUP(secret_fini) struct buf password;
	int rc;

	buf_init(&password, ASK_MAX + 1);
	if (m->conf.password_file[0] != '\0')
		rc = ask_file(m->conf.password_file, &password, err);
	else
		rc = ask_password("Operator's password: ", &password, err);
	if (rc == -1)
		return -1;
	return connect_as(
	    m, m->conf.bind_dn, buf_str(&password), &m->editor, err);
}

/*
 * The DN of --as.  Nobody may look it up before the bind but who knows the
 * operator's password; everyone else says which tenant it is.
 */
static int
find_as(struct manage *m, struct buf *dn, struct err *err)
{
	struct span as = span_str(m->options.as);
	int rc;

	if (span_index(as, '=') != -1) {
		buf_append(dn, as);
		return 0;
	}
	if (m->options.tenant != NULL) {
		naming_rdn(dn, "uid", as);
		buf_append_octet(dn, ',');
		naming_unit(dn, m->tenantd.base, span_str(m->options.tenant),
		    "accounts");
		return buf_check(dn, err);
	}
	if (m->conf.password_file[0] == '\0' || connect_operator(m, err) == -1)
		return err_set(err, ERR_SYNTAX,
		    "--as %.100s: expected --tenant as well, or a DN",
		    m->options.as);
	rc = manage_person(m, as, dn, err);
	editor_free(m->editor);
	m->editor = NULL;
	return rc;
}

static int
connect_other(struct manage *m, struct err *err)
{
	CLEANUP(secret_fini) struct buf password;
	CLEANUP(buf_fini) struct buf dn;
	char prompt[400];
	int rc;

	buf_init(&password, ASK_MAX + 1);
	buf_init(&dn, DN_MAX);
	if (find_as(m, &dn, err) == -1)
		return -1;
	(void)snprintf(
	    prompt, sizeof(prompt), "Password of %.300s: ", m->options.as);
	if (m->options.password_file != NULL)
		rc = ask_file(m->options.password_file, &password, err);
	else
		rc = ask_password(prompt, &password, err);
	if (rc == -1)
		return -1;
	return connect_as(m, buf_str(&dn), buf_str(&password), &m->editor, err);
}

/* Whoever is of a tenant sees that branch only. */
static int
set_scope(struct manage *m, struct err *err)
{
	CLEANUP(buf_fini) struct buf tenant;
	const char *base = m->tenantd.base;

	buf_clear(&m->scope);
	buf_init(&tenant, 256);
	if (m->options.tenant != NULL)
		naming_tenant(&m->scope, base, span_str(m->options.tenant));
	else if (naming_tenant_of(
		     span_str(editor_bind_dn(m->editor)), base, &tenant))
		naming_tenant(&m->scope, base, buf_span(&tenant));
	else
		naming_tenants(&m->scope, base);
	return buf_check(&m->scope, err);
}

int
manage_open(struct manage *m, int *status_out)
{
	struct err err = ERR_INIT;

	buf_init(&m->scope, DN_MAX);
	*status_out = MANAGE_REFUSED;
	ldap_connect_init();
	if (read_settings(m, &err) == -1) {
		hikyaku_complain(&err);
		return -1;
	}
	naming_tenants(&m->scope, m->tenantd.base);
	if ((m->options.as != NULL ? connect_other(m, &err)
				   : connect_operator(m, &err)) == -1 ||
	    set_scope(m, &err) == -1) {
		*status_out = manage_fail(m, NULL, &err);
		return -1;
	}
	return 0;
}

void
manage_close(struct manage *m)
{
	editor_free(m->editor);
	buf_fini(&m->scope);
	conf_section_fini(&tenantd_section, &m->tenantd);
	conf_section_fini(&manage_section, &m->conf);
}

/* ---- the command ------------------------------------------------------------
 */

static const char *
key_title(const struct kind *kind)
{
	switch (kind->id) {
	case KIND_TENANT:
		return "TENANT";
	case KIND_DOMAIN:
		return "DOMAIN";
	case KIND_CLASS:
		return "CLASS";
	case KIND_ACCOUNT:
	case KIND_GROUP:
		break;
	}
	return "ADDRESS";
}

static void
print_usage(FILE *out, const struct kind *kind)
{
	(void)fprintf(
	    out, "usage: hikyaku [-c file] %s VERB ...\n\n", kind->name);
	for (size_t i = 0; i < VERBS_LEN; i++) {
		const struct verb *v = &verbs[i];
		const char *arguments = v->arguments;

		if ((v->kinds & (1u << kind->id)) == 0)
			continue;
		(void)fprintf(out, "    %-8s", v->name);
		if (strncmp(arguments, " %s", 3) == 0) {
			(void)fprintf(out, " %s", key_title(kind));
			arguments += 3;
		}
		(void)fprintf(out, "%s\n             %s\n", arguments, v->help);
	}
	if (kind->id == KIND_ACCOUNT)
		(void)fputs(
		    "    settings ADDRESS\n             show what holds "
		    "after defaults and limits\n",
		    out);
	(void)fputs("\n  fields:\n", out);
	for (size_t i = 0; kind_field(kind, i) != NULL; i++) {
		const struct field *f = kind_field(kind, i);

		if ((f->flags & FIELD_FIXED) == 0)
			(void)fprintf(
			    out, "    --%-22s %s\n", f->name, f->help);
	}
}

int
manage_run(struct manage *m, const struct verb *verb, int argc, char **argv)
{
	char title[64];
	int status;

	(void)snprintf(title, sizeof(title), "%s%s%s",
	    m->group == NULL ? "" : m->group, m->group == NULL ? "" : " ",
	    verb->name);
	m->title = title;
	if (manage_options_take(m, verb, argc, argv) == -1)
		return MANAGE_USAGE;
	if (manage_open(m, &status) == 0)
		status = verb->run(m);
	manage_close(m);
	return status;
}

int
hikyaku_kind(struct command_context *ctx, int argc, char **argv)
{
	struct manage m = {
		.ctx = ctx,
		.kind = kind_find(argv[0]),
		.group = argv[0],
	};

	if (argc >= 2 && strcmp(argv[1], "help") == 0) {
		print_usage(stdout, m.kind);
		return 0;
	}
	/* What tenantd makes of an entry: the directory is not asked. */
	if (argc >= 2 && m.kind->id == KIND_ACCOUNT &&
	    strcmp(argv[1], "settings") == 0)
		return hikyaku_account(ctx, argc, argv);
	for (size_t i = 0; argc >= 2 && i < VERBS_LEN; i++)
		if (strcmp(verbs[i].name, argv[1]) == 0 &&
		    (verbs[i].kinds & (1u << m.kind->id)) != 0)
			return manage_run(&m, &verbs[i], argc - 2, argv + 2);
	if (argc >= 2)
		(void)fprintf(stderr, "hikyaku: %s: no command \"%s\"\n\n",
		    argv[0], argv[1]);
	print_usage(stderr, m.kind);
	return MANAGE_USAGE;
}

int
hikyaku_passwd(struct command_context *ctx, int argc, char **argv)
{
	struct manage m = { .ctx = ctx };

	return manage_run(&m, &passwd, argc - 1, argv + 1);
}
