/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to tenantd for the load generator, and what their answers must be.
 *
 * Person number n of N, in T tenants, has every name made from a format in
 * which {n} stands for the number and {t} for that of the tenant, n modulo T.
 */
#ifndef HK_BENCH_DIRECTORY_ASK_H
#define HK_BENCH_DIRECTORY_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

struct person {
	const char *name;   /* what is asked for: an address, a login, an id */
	const char *answer; /* the address of the account; NULL: as name */
	const char *tenant; /* whose it must be */
	uint64_t number, client;
	unsigned tenants;
};

struct ask {
	const char *word;   /* as on the command line */
	const char *expect; /* what is right unless told otherwise */
	void (*put)(struct buf *request, const struct ask *ask,
	    const struct person *who, const char *password);
	/* What is wrong with the fields of the answer, or NULL. */
	const char *(*check)(struct span fields, const struct person *who,
	    const char *expect, const char *name);
};

/* NULL: no question has this word. */
const struct ask *ask_find(const char *word);
/* The expectation has a number: an outcome of the question's enum. */
bool ask_expects(const struct ask *ask, const char *expect);

/* Appends a whole request. */
void ask_request(struct buf *request, const struct ask *ask,
    const struct person *who, const char *password, uint32_t serial);
/* What is wrong with an answer to it, or NULL. */
const char *ask_check(struct span packet, const struct ask *ask,
    const struct person *who, const char *expect, uint32_t serial);

#endif
