/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to the DNS, by libunbound: it validates, and it has a cache.
 *
 * One thread of libunbound works on all questions at a time, one of ours hands
 * the answers out; who asks waits with a deadline.
 */
#ifndef HK_DELIVERY_DNS_H
#define HK_DELIVERY_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/span.h"

enum {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_TLSA = 52
};

struct dns;

struct dns_options {
	/* "192.0.2.53" or "192.0.2.53@5353"; none: from the roots down. */
	const struct conf_strings *resolvers;
	/* Each a DS or DNSKEY record as text; none: the root's keys. */
	const struct conf_strings *anchors;
	bool dnssec;
};

/* Before the sandbox. */
int dns_new(
    const struct dns_options *options, struct dns **dns_out, struct err *err);
void dns_free(struct dns *d);
CLEANUP_DEFINE_PTR(struct dns, dns_free)
/* Starts the thread that hands answers out. */
int dns_start(struct dns *d, struct err *err);

enum dns_outcome {
	DNS_FOUND,
	DNS_NODATA,   /* the name is there, and has none of these */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_FAILED,   /* nobody knows now */
	DNS_BOGUS,    /* the answer is forged, or its signatures are wrong */
};

struct dns_answer {
	enum dns_outcome outcome;
	bool secure; /* validated, up to an anchor; also that there is none */
	uint32_t ttl;
	const char *canonical; /* the name behind CNAMEs, or NULL */
	size_t count;
	void *result; /* of libunbound */
};
void dns_answer_fini(struct dns_answer *a);
CLEANUP_DEFINE_VALUE(struct dns_answer, dns_answer_fini)

/* Waits for the answer; never fails otherwise than by its outcome. */
void dns_ask(struct dns *d, const char *name, int type, unsigned wait_ms,
    struct dns_answer *answer_out);
/* The octets of a record. */
struct span dns_record(const struct dns_answer *a, size_t i);
/* A name in the wire's form at that place of a record, without compression and
 * in lower case, as text ("" is the root).  False: it is none. */
bool dns_name(struct span record, size_t at, char *out, size_t size);

#endif
