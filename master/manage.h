/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku tenant|domain|account|group|class|admin|passwd: people and brands.
 *
 * All they do is done to entries of the directory, bound as the operator or,
 * with --as, as somebody of a tenant, so that slapd decides what is allowed
 * and ldapmodify could do the same.
 */
#ifndef HK_MASTER_MANAGE_H
#define HK_MASTER_MANAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "common/daemon_conf.h"
#include "master/hikyaku.h"
#include "master/manage_conf.h"
#include "tenants/conf.h"
#include "tenants/editor.h"
#include "tenants/kind.h"

/* Exit statuses, which hikyaku(1) tells. */
enum {
	MANAGE_DONE = 0,
	MANAGE_REFUSED = 1,
	MANAGE_USAGE = 2,
	MANAGE_NOT_FOUND = 4,
	MANAGE_NO_DIRECTORY = 5,
	MANAGE_PARTLY = 6, /* an import: some lines were refused */
};

enum {
	DN_MAX = 4096,
	FILTER_MAX = 8192,
	SETTINGS_MAX = 512,
	NAMES_MAX = 64,
};

/* ---- the command line ------------------------------------------------------
 */

enum setting_how {
	SETTING_SET,    /* --quota 1G: these and no other values */
	SETTING_ADD,    /* --add-alias a@b.example */
	SETTING_REMOVE, /* --remove-alias a@b.example */
	SETTING_CLEAR,  /* --no-quota */
};

struct setting {
	const struct field *field;
	enum setting_how how;
	struct span text; /* p NULL: SETTING_CLEAR */
};

struct manage_options {
	const char *as;            /* --as ADDRESS */
	const char *password_file; /* --password-file FILE, of --as */
	const char *tenant, *domain, *columns, *role, *days, *scheme;
	const char *app, *revoke_app, *services; /* of passwd */
	bool json, csv, dry_run, ask_password, cram_md5, keep_old, expired,
	    update_passwords, quiet;
	struct setting settings[SETTINGS_MAX];
	size_t settings_len;
	const char *names[NAMES_MAX];
	size_t names_len;
};

struct manage {
	struct command_context *ctx;
	const struct kind *kind; /* NULL: admin, passwd */
	const char *group;       /* "account", or NULL */
	const char *title;       /* "account add", for complaints */
	struct manage_options options;
	struct tenantd_conf tenantd;
	struct manage_conf conf;
	struct editor *editor;
	struct buf scope; /* DN below which everything is looked for */
};

/* What an option of the command line may be beside fields. */
enum {
	OPTION_SETTINGS = 1 << 0, /* --FIELD, and --add-, --remove-, --no- */
	OPTION_FILTERS = 1 << 1,  /* --FIELD VALUE: to list only those */
	OPTION_FORMAT = 1 << 2,   /* --json, --csv, --columns */
	OPTION_TENANT = 1 << 3,
	OPTION_DOMAIN = 1 << 4,
	OPTION_PASSWORD = 1 << 5, /* --ask-password, --cram-md5 */
	OPTION_DAYS = 1 << 6,
	OPTION_DRY_RUN = 1 << 7,
	OPTION_ROLE = 1 << 8,
	OPTION_KEEP = 1 << 9,
	OPTION_EXPIRED = 1 << 10,
	OPTION_IMPORT = 1 << 11, /* --scheme, --update-passwords */
	OPTION_APP = 1 << 12,    /* --app, --service, --revoke-app */
};

struct verb {
	const char *name;
	unsigned kinds;                /* 1 << enum kind_id, each */
	unsigned options;              /* OPTION_*, those that it takes */
	unsigned names_min, names_max; /* arguments that are no options */
	const char *arguments;         /* for usage; "%s": what names one */
	const char *help;
	int (*run)(struct manage *m); /* answers the exit status */
};

/*
 * Takes the words behind the verb.  Complains and answers -1 when they are
 * wrong.
 */
int manage_options_take(
    struct manage *m, const struct verb *verb, int argc, char **argv);

/* Takes the options, connects, and runs it; answers the exit status. */
int manage_run(
    struct manage *m, const struct verb *verb, int argc, char **argv);

/* ---- at work ---------------------------------------------------------------
 */

/*
 * Reads the configuration, connects and binds.  Complains, and answers -1 with
 * the exit status in *status_out.
 */
int manage_open(struct manage *m, int *status_out);
void manage_close(struct manage *m);

/* Says what went wrong with one thing; answers the exit status. */
int manage_fail(
    const struct manage *m, const char *name, const struct err *err);
int manage_not_found(const struct manage *m, const char *name);

/* Values of the directory may hold what moves a terminal: shown as "?". */
void manage_print(FILE *out, struct span text);

/* ---- finding ---------------------------------------------------------------
 */

/*
 * The entry that has this name: a tenant, domain or class by its own, an
 * account or group by any of its addresses.  found_out->entry NULL: none.
 */
int manage_find(struct manage *m, const struct kind *kind, struct span name,
    struct found *found_out, struct err *err);
/* Likewise; complains when there is none or the search failed. */
int manage_must_find(
    struct manage *m, const char *name, struct found *found_out, int *status);
/* Of an account or group: as manage_must_find, but only by its primary
 * address: what ends a mailbox must not be hit by another name. */
int manage_must_find_primary(
    struct manage *m, const char *name, struct found *found_out, int *status);

/* Appends the DN below which all of a kind are. */
void manage_list_base(
    const struct manage *m, const struct kind *kind, struct buf *base);

/* Appends the DN of the account with this address.
 * Errors: ERR_POLICY, there is none. */
int manage_person(
    struct manage *m, struct span address, struct buf *dn, struct err *err);
/* Appends the tenant that has the domain of an address.
 * Errors: ERR_POLICY, there is none. */
int manage_tenant_of_address(
    struct manage *m, struct span address, struct buf *tenant, struct err *err);

/*
 * Lowers *limit to what an entry and its class of service say of an attribute.
 */
int manage_limit(struct manage *m, const struct found *found,
    const char *attribute, uint64_t *limit, struct err *err);
/* How many more accounts a tenant may have; UINT64_MAX: any number. */
int manage_room(
    struct manage *m, struct span tenant, uint64_t *left_out, struct err *err);

/*
 * What the settings of the command line make of an entry: NULL for a new one.
 */
int manage_settings(struct manage *m, const struct found *found,
    struct changes *c, struct err *err);

/* Password of a new user or a new password, and the secrets that go with it,
 * as modifications with op. */
int manage_password_ask(struct manage *m, const struct found *account, int op,
    struct changes *c, struct err *err);

/* ---- verbs -----------------------------------------------------------------
 */

int manage_add(struct manage *m);
int manage_set(struct manage *m);
int manage_show(struct manage *m);
int manage_list(struct manage *m);
int manage_suspend(struct manage *m);
int manage_resume(struct manage *m);
int manage_delete(struct manage *m);
int manage_undelete(struct manage *m);
int manage_purge(struct manage *m);
int manage_rename(struct manage *m);
int manage_import(struct manage *m);
int manage_export(struct manage *m);
int manage_passwd(struct manage *m);
/* passwd with --app or --revoke-app. */
int manage_app(struct manage *m);
int manage_app_revoke(struct manage *m);

#endif
