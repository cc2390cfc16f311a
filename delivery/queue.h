/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue: mail for other hosts, and mail that deliveryd put off.
 *
 *	<state>/relayd/journal		what came, and what became of it
 *	<state>/relayd/queue/XX/ID	a message that was still waiting when
 *its journal segment was wanted again, or is too large for the journal
 *
 * hikyaku-queue(5) draws both.  A message that leaves soon never becomes a
 * file.  What is known of all messages is in memory; it can be found out again
 * from journal and files, and is at every start.
 *
 * A message's recipients of one domain are a job, which is tried as a whole
 * and has one time for its next try.  Jobs of one domain wait at its site.
 * There each tenant has a line of its own; the sites' turns go round, and so
 * do the tenants' at a site.  queue_take gives a job to a worker, who says in
 * queue_finish what became of each recipient.
 *
 * Order matters: a recipient's end is in the journal or file before the next
 * try of anybody, a report to the sender is durable in one record with the
 * failure that it reports, and a journal record is let go only when its
 * message has ended or is whole in a file.
 */
#ifndef HK_DELIVERY_QUEUE_H
#define HK_DELIVERY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/counters.h"
#include "common/err.h"
#include "common/outbound.h"

struct queue;
struct queue_job;
struct queue_message;
struct queue_site;

struct queue_options {
	const char *directory; /* exists: 0700, ours */
	uint64_t journal_max;
	uint64_t disk_reserve; /* octets that stay free on the disk */
	uint64_t retry_min_ms, retry_max_ms;
	uint64_t site_retry_min_ms, site_retry_max_ms;
	uint64_t site_connections; /* at a time, at most */
	uint64_t recipients_max;   /* of one transaction */
	uint64_t held_ms;          /* what nobody releases is dropped after */
	struct counters *counters; /* or NULL */
	/* A job waits and nobody is free to take it.  With a lock held. */
	void (*wanted)(void *arg);
	void *arg;
};

/* Reads what is there.  Errors: as journal_open. */
int queue_open(const struct queue_options *options, struct queue **queue_out,
    struct err *err);
/* Begins to hand out jobs. */
int queue_start(struct queue *q, struct err *err);
/* Everybody who waits in queue_take goes home. */
void queue_stop(struct queue *q);
/* Nobody may be working. */
void queue_free(struct queue *q);
CLEANUP_DEFINE_PTR(struct queue, queue_free)

/* ---- taking mail in ---- */

/*
 * Durable when it returns 0; held: until queue_release.  A known id: 0, and
 * nothing changes.
 *
 * Errors: ERR_LIMIT, no room; ERR_SYNTAX, ERR_POLICY, of outbound_parse;
 *         ERR_TEMP.
 */
int queue_put(struct queue *q, struct span record, bool held, struct err *err);
/* Adds the record's recipients and lets the message go.  ERR_POLICY: no such
 * id is held. */
int queue_release(struct queue *q, struct span record, struct err *err);
int queue_drop(struct queue *q, struct span id, struct err *err);

/* ---- working on it ---- */

enum queue_state {
	QUEUE_WAITING,
	QUEUE_DELIVERED,
	QUEUE_FAILED,
	QUEUE_REMOVED, /* by an operator, without a report */
};

/* A recipient of a job. */
struct queue_recipient {
	uint32_t number; /* in the record, then of those added later */
	uint8_t kind, notify, state, tries;
	const char *address, *orcpt;
	/* "remote TAB reply" of the last try, or NULL.  Interned. */
	const char *reply;
};

struct queue_job {
	struct queue_message *message;
	struct queue_site *site;
	struct queue_job *next, *prev;           /* at its site, or its line */
	struct queue_job *site_next, *site_prev; /* all of the site */
	uint64_t due_ms;                         /* since the epoch */
	uint32_t heap;         /* place in the heap + 1; 0: not in it */
	uint32_t first, count; /* recipients of the message */
	uint8_t state, tries;
	bool down; /* the site is down: do not try, see to its age */
};

/* Waits for one; NULL: the queue stops, or nothing came for wait_ms. */
struct queue_job *queue_take(struct queue *q, unsigned wait_ms);
/* The next one at a site whose place the caller has; NULL: none waits. */
struct queue_job *queue_take_same(struct queue *q, struct queue_site *site);

/* What a worker may look at while it has the job. */
const char *queue_job_id(const struct queue_job *job);
const char *queue_job_sender(const struct queue_job *job);
const char *queue_job_domain(const struct queue_job *job);
const char *queue_job_tenant(const struct queue_job *job);
uint64_t queue_job_arrival_ms(const struct queue_job *job);
bool queue_job_warned(const struct queue_job *job);
struct queue_recipient *queue_job_recipients(const struct queue_job *job);
/* Why the site is down; "" when it is not known. */
const char *queue_job_site_reply(const struct queue_job *job);

/* The message's record, whole. */
struct queue_content {
	struct buf memory;
	void *map;
	size_t map_len;
	struct outbound message; /* borrows from it */
};
void queue_content_fini(struct queue_content *c);
CLEANUP_DEFINE_VALUE(struct queue_content, queue_content_fini)
int queue_read(struct queue *q, const struct queue_job *job,
    struct queue_content *out, struct err *err);

enum queue_site_news {
	QUEUE_SITE_AS_IT_WAS,
	QUEUE_SITE_GOOD, /* a session began */
	QUEUE_SITE_BAD,  /* no session: reply says why */
};

struct queue_result {
	enum queue_state state; /* QUEUE_WAITING: once more, later */
	char reply[512];        /* "remote TAB reply" */
};

struct queue_outcome {
	const struct queue_result *results; /* one a recipient of the job */
	/* A message of ours to the sender, or empty: durable together with
	 * the results. */
	struct span report;
	bool warned; /* it says that the message is late */
	bool no_try; /* counts as none: the site is down */
	enum queue_site_news news;
	const char *site_reply; /* with QUEUE_SITE_BAD */
};

/* The job is the queue's again.  -1: nothing of it is durable, the job is
 * tried again later. */
int queue_finish(struct queue *q, struct queue_job *job,
    const struct queue_outcome *outcome, struct err *err);
/* The same without any outcome: once more, later. */
void queue_give_back(struct queue *q, struct queue_job *job);
/* The site's connection is over: takes its place back. */
void queue_leave(struct queue *q, struct queue_site *site);

/* ---- what an operator asks ---- */

struct queue_filter {
	const char *id, *sender, *domain, *site, *tenant; /* NULL: any */
};

/*
 * Calls row() with a line of text for each message that fits, until limit
 * lines are there.  *count_out: all that fit.
 */
int queue_list(struct queue *q, const struct queue_filter *filter,
    uint64_t limit, void (*row)(void *arg, struct span line), void *arg,
    uint64_t *count_out, struct err *err);
/* All that is known of one, as text.  ERR_POLICY: there is none. */
int queue_show(
    struct queue *q, const char *id, struct buf *out, struct err *err);

enum queue_action {
	QUEUE_FLUSH, /* try now */
	QUEUE_HOLD,  /* not before QUEUE_LET_GO */
	QUEUE_LET_GO,
	QUEUE_REQUEUE, /* as if it had just come */
	QUEUE_DELETE,  /* without a report */
};
int queue_act(struct queue *q, const struct queue_filter *filter,
    enum queue_action action, uint64_t *count_out, struct err *err);

struct queue_stats {
	uint64_t messages, recipients, held, sites;
};
void queue_stats(struct queue *q, struct queue_stats *out);

#endif
