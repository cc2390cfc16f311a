/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku account import: accounts from a table.
 *
 * Lines are taken in chunks.  For each chunk:
 *
 *	look	which of the accounts are there already
 *	build	an entry for those that are not, what differs for the others
 *	hash	clear passwords, on all processors
 *	write	all of them, or for a dry run
 *	try	slapd makes every check, and changes nothing (no-op)
 *
 * Operations of a step are sent one behind the other and answered meanwhile.
 * What was done once does nothing when it is done again.
 *
 * Not in transactions, which were six times as fast: in slapd 2.5.13 one that
 * adds addresses and any other writer wait for each other for ever, the one for
 * the lock of unique's "serialize", the other for the database.
 */
#ifndef HK_MASTER_IMPORT_H
#define HK_MASTER_IMPORT_H

#include <time.h>

#include "master/manage.h"
#include "tenants/batch.h"
#include "tenants/csv.h"
#include "tenants/hash.h"
#include "tenants/password_new.h"

enum {
	IMPORT_CHUNK = 500
};

/* What a column of the table is. */
enum column_type {
	COLUMN_ADDRESS,
	COLUMN_TENANT,   /* must be the one that has the domain */
	COLUMN_FIELD,    /* a field of accounts */
	COLUMN_PASSWORD, /* in clear */
	COLUMN_HASH,     /* "{SCHEME}...", "$6$..." */
	COLUMN_IGNORED,  /* what the server writes, as export has it */
};

struct column {
	enum column_type type;
	const struct field *field;
};

enum job_state {
	JOB_READ,      /* nothing is known of it yet */
	JOB_LATER,     /* it names somebody who may be made by this chunk */
	JOB_ADD,       /* to be added */
	JOB_CHANGE,    /* to be changed */
	JOB_UNCHANGED, /* as it is there already */
	JOB_DONE,      /* added or changed */
	JOB_REFUSED,   /* and told */
};

/* One line. */
struct job {
	struct csv_record record;
	enum job_state state;
	bool was_add;
	struct buf address, tenant, dn;
	struct changes changes;
	struct span password; /* in clear, in record; empty: none */
	struct password_new made;
	int id;         /* of the operation under way */
	struct err why; /* the password is none */
};

struct import_counts {
	unsigned long lines, added, changed, unchanged, refused;
};

/* A domain whose tenant is known. */
struct import_domain {
	char *domain, *tenant; /* tenant NULL: there is none, or unseen */
};

/* How many accounts a tenant may still have. */
struct import_room {
	char *tenant;
	uint64_t left;
};

struct import {
	struct manage *m;
	const char *file; /* its name */
	struct csv csv;
	size_t size; /* octets of the whole table */
	struct column columns[CSV_FIELDS_MAX];
	size_t columns_len;
	const char *attrs[CSV_FIELDS_MAX + 8]; /* to compare with */
	struct job *jobs;                      /* IMPORT_CHUNK */
	size_t jobs_len;
	struct import_domain *domains;
	size_t domains_len;
	struct import_room *rooms;
	size_t rooms_len;
	/* Addresses that were seen, by their hash; 0 is a free place. */
	uint64_t *seen;
	size_t seen_len, seen_cap;
	struct hash_secret secret;
	struct import_counts counts;
	struct timespec begun, shown;
	bool terminal; /* of standard error */
};

/* ---- reading (import_read.c) -----------------------------------------------
 */

/* Errors: ERR_SYNTAX, a column that nobody knows, or none with addresses. */
int import_header(struct import *i, struct err *err);
/*
 * Fills jobs with the next lines.  Bad ones are told.
 * Answers 0 at the end of the table, 1 when there was something.
 */
int import_read(struct import *i);
/* Puts the line's values into the settings of m. */
void import_settings(struct import *i, const struct job *job);
/*
 * The password or its hash: sets job->password or a modification.
 * Errors: ERR_SYNTAX, a hash in no scheme that we have.
 */
int import_password(struct import *i, struct job *job, int op, struct err *err);

/* ---- doing (import_chunk.c) ------------------------------------------------
 */

/* Does what the jobs want.  Errors: ERR_TEMP, the directory is gone. */
int import_chunk(struct import *i, struct err *err);
/* How many more accounts the tenant may have (UINT64_MAX: any number). */
int import_room(
    struct import *i, struct span tenant, uint64_t **left_out, struct err *err);

/* ---- telling (import_report.c) ---------------------------------------------
 */

/* "FILE:LINE: ADDRESS: reason"; the job is refused. */
void import_refuse(struct import *i, struct job *job, const struct err *err);
void import_refuse_line(struct import *i, unsigned line, const struct err *err);
/* On a terminal, now and then. */
void import_progress(struct import *i, bool at_end);
void import_summary(struct import *i);

void job_init(struct job *job);
void job_fini(struct job *job);

#endif
