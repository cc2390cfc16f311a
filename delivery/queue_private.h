/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of the queue, for delivery/queue*.c alone.
 *
 * One mutex guards everything; it is never held across I/O.  A message is
 * read and its log written without it by whoever has it: a worker with a job
 * of it (busy), or the keeper (moving).  Nobody takes a job of a message that
 * moves, and the keeper moves none that is busy.
 */
#ifndef HK_DELIVERY_QUEUE_PRIVATE_H
#define HK_DELIVERY_QUEUE_PRIVATE_H

#include <pthread.h>

#include "common/journal.h"
#include "delivery/queue.h"
#include "delivery/queue_entry.h"

enum job_state {
	JOB_RESTS, /* held or ended: in no line */
	JOB_DUE,   /* in the heap */
	JOB_READY, /* in its tenant's line at the site */
	JOB_BUSY,
};

struct queue_text { /* interned */
	struct queue_text *next;
	uint32_t hash, refs;
	char text[];
};

struct queue_tenant {
	struct queue_tenant *next;
	char name[64];
};

struct queue_line { /* a tenant's at a site */
	struct queue_line *next;
	struct queue_tenant *tenant;
	struct queue_job *first, *last;
};

struct queue_site {
	struct queue_site *next; /* hash */
	struct queue_site *ready_next, *ready_prev;
	struct queue_line *lines; /* the first has the turn */
	struct queue_job *jobs;   /* all */
	uint64_t down_until_ms;   /* since the epoch */
	const char *reply;        /* interned */
	uint32_t job_count, ready_count;
	uint32_t active, window, failures;
	bool in_ready;
	char name[];
};

struct queue_message {
	struct queue_message *next;          /* hash */
	struct queue_message *newer, *older; /* of the journal's */
	struct queue_tenant *tenant;
	struct journal_ref ref;
	struct queue_recipient *recipients;
	struct queue_job *jobs;
	char *text; /* sender, addresses, each with NUL */
	uint64_t arrival_ms, octets, held_until_ms;
	uint32_t count, left, job_count;
	uint32_t busy; /* jobs with workers */
	uint16_t flags;
	bool in_journal, moving, held, frozen, warned, ended;
	bool entering; /* not durable yet */
	char id[OUTBOUND_ID_LEN + 1];
};

#define QUEUE_RECENT 65536
#define QUEUE_JOURNAL_KIND 0x51554555U

struct queue {
	struct queue_options options;
	char *path;
	int dirfd; /* of queue/ */
	struct journal *journal;
	uint64_t segment_octets;

	pthread_mutex_t mutex;
	pthread_cond_t work_cond;  /* a job is ready */
	pthread_cond_t clock_cond; /* the heap's top has changed */
	pthread_t clock, keeper;
	bool has_clock, has_keeper, started, stopping;

	struct queue_message **messages;
	size_t messages_size;
	uint64_t message_count, recipient_count, held_count;
	struct queue_message *oldest, *newest; /* in the journal */
	struct queue_site **sites;
	size_t sites_size, site_count;
	struct queue_text **texts;
	size_t texts_size, text_count;
	struct queue_tenant *tenants;
	struct queue_site *ready_first, *ready_last;
	struct queue_job **heap;
	size_t heap_len, heap_room;
	unsigned idle; /* workers in queue_take */
	char (*recent)[OUTBOUND_ID_LEN + 1];
	uint32_t *recent_hash; /* index + 1 */
	size_t recent_at;

	uint64_t room_checked_ms, held_look_ms;
	bool room;
};

uint64_t queue_now_ms(void); /* since the epoch */

/* ---- queue_table.c: messages, sites, texts.  With the mutex ---- */
uint32_t queue_hash(struct span s);
struct queue_message *queue_find(const struct queue *q, struct span id);
int queue_message_new(struct queue *q, const struct outbound *m,
    struct queue_message **message_out, struct err *err);
void queue_message_free(struct queue *q, struct queue_message *m);
int queue_message_enter(
    struct queue *q, struct queue_message *m, struct err *err);
void queue_message_leave(struct queue *q, struct queue_message *m);
/* Before its jobs are made. */
int queue_message_add(struct queue *q, struct queue_message *m,
    const struct outbound *more, struct err *err);
int queue_message_jobs(
    struct queue *q, struct queue_message *m, struct err *err);
struct queue_tenant *queue_tenant(struct queue *q, struct span name);
struct queue_site *queue_site(struct queue *q, struct span name);
struct queue_site *queue_site_find(const struct queue *q, struct span name);
/* Whatever was wrong with the sites that fit: they are to be tried. */
void queue_sites_up(struct queue *q, const struct queue_filter *filter);
void queue_site_idle(struct queue *q, struct queue_site *s);
const char *queue_text_ref(struct queue *q, const char *text);
void queue_text_unref(struct queue *q, const char *text);
void queue_recent_add(struct queue *q, const char *id);
bool queue_recent_has(const struct queue *q, struct span id);
void queue_message_journaled(struct queue *q, struct queue_message *m);
void queue_message_unjournaled(struct queue *q, struct queue_message *m);

/* ---- queue_schedule.c.  With the mutex ---- */
void queue_job_due(struct queue *q, struct queue_job *job, uint64_t due_ms);
void queue_job_ready(struct queue *q, struct queue_job *job);
/* Out of heap or line. */
void queue_job_rest(struct queue *q, struct queue_job *job);
void queue_message_schedule(struct queue *q, struct queue_message *m);
void queue_heap_take(struct queue *q, struct queue_job *job);
void *queue_clock_run(void *arg);
uint64_t queue_backoff_ms(const struct queue *q, unsigned tries);

/* ---- queue_store.c ---- */
int queue_store_open(struct queue *q, struct err *err);
/* Entries about a message, durable unless it is in a file.  Without mutex. */
int queue_store_entries(struct queue *q, const struct queue_message *m,
    struct span entries, bool flush, struct err *err);
/* Likewise, together with a message of ours. */
int queue_store_report(struct queue *q, const struct queue_message *m,
    struct span entries, struct span report, struct queue_message **report_out,
    struct err *err);
int queue_store_put(struct queue *q, struct span record, bool held,
    struct queue_message *m, struct err *err);
int queue_store_read(struct queue *q, const struct queue_message *m,
    struct queue_content *out, struct err *err);
/* It has ended: its record or file goes.  Without mutex. */
void queue_store_remove(struct queue *q, const struct queue_message *m);
bool queue_store_room(struct queue *q);
void *queue_keeper_run(void *arg);

/* ---- queue_file.c ---- */
int queue_file_write(struct queue *q, const char *id, struct span record,
    unsigned flags, struct span entries, bool flush, struct err *err);
int queue_file_append(struct queue *q, const char *id, struct span entries,
    bool flush, struct err *err);
int queue_file_read(struct queue *q, const char *id, struct queue_content *out,
    struct err *err);
int queue_file_remove(struct queue *q, const char *id, struct err *err);
/* Each whole file: its head, and then its entries. */
int queue_files_scan(struct queue *q,
    int (*visit)(void *arg, const struct outbound *m, unsigned flags,
	uint64_t octets, struct span entries, struct err *err),
    bool (*known)(void *arg, struct span id), void *arg, struct err *err);

/* ---- queue_recover.c ---- */
int queue_recover(struct queue *q, struct err *err);
/* What an entry says, into a message.  ERR_SYNTAX: it means nothing. */
int queue_entry_apply(struct queue *q, struct queue_message *m,
    const struct queue_entry *entry, struct err *err);

/* ---- queue.c.  With the mutex ---- */
/* Out of the tables, and its record or file goes.  Lets go of the mutex for a
 * moment; m is gone. */
void queue_message_end(struct queue *q, struct queue_message *m);
void queue_message_hold(struct queue *q, struct queue_message *m, bool held);
void queue_tell(struct queue *q);
/* What nobody has released for too long. */
void queue_forget_held(struct queue *q);

#endif
