/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the backlog, for delivery/backlog*.c alone. */
#ifndef HK_DELIVERY_BACKLOG_PRIVATE_H
#define HK_DELIVERY_BACKLOG_PRIVATE_H

#include <pthread.h>

#include "common/journal.h"
#include "delivery/backlog.h"
#include "store/placing.h"

#define BACKLOG_PLACERS 4
#define BACKLOG_BATCH 32        /* records */
#define BACKLOG_BATCH_FILES 128 /* a long list comes in several batches */
#define BACKLOG_BATCH_OCTETS ((uint64_t)4 * 1024 * 1024)

enum target_state {
	TARGET_TODO,
	TARGET_MARKED, /* in tmp/, flushed, and its mark too */
	TARGET_SHOWN,
};

/* One record.  The mutex guards what changes, but for the states and tries:
 * those are for the placer that has it. */
struct waiting {
	struct waiting *next;                   /* in todo, or later */
	struct waiting *older, *newer;          /* of all that are not shown */
	struct waiting *stuck_next, **stuck_at; /* of those that failed once */
	struct journal_ref ref;
	unsigned refs;
	uint32_t count;     /* targets */
	uint32_t left;      /* of them, not shown yet */
	uint32_t unflushed; /* shown, and the rename not flushed */
	bool shown;
	/* Of the placer that has it: */
	unsigned tries;
	uint64_t retry_ms;
	bool rename_failed; /* so its absence from tmp/ proves nothing */
	char tenant[STORE_TENANT_MAX + 1]; /* whose mail cannot be placed */
	unsigned char states[];
};

struct waiting_list {
	struct waiting *first, **last;
	size_t count;
};

/* A file that was shown, until that is flushed. */
struct shown {
	struct waiting *waiting; /* a reference */
	struct placing *placing;
};

struct shown_list {
	struct shown *items;
	size_t count, room;
};

struct backlog {
	struct placer *placer;
	struct counters *counters;
	struct journal *journal;
	int store_fd;
	uint64_t device; /* of the journal */

	pthread_mutex_t mutex;
	pthread_cond_t work_cond, shown_cond;
	struct waiting_list todo;  /* for the next placer */
	struct waiting_list later; /* failed; each at its time */
	uint64_t later_octets;
	struct waiting *stuck; /* failed once, wherever they are now */
	struct waiting *oldest, *newest; /* not shown */
	uint64_t not_shown, not_shown_octets;
	struct shown_list unflushed;
	uint64_t room_checked_ms;
	bool room; /* in the file system */

	pthread_t threads[BACKLOG_PLACERS];
	unsigned thread_count;
	bool stopping;
	uint64_t stop_ms; /* no new batch after this */
};

/* ---- backlog.c ---- */
struct waiting *waiting_new(uint32_t count);
void waiting_list_init(struct waiting_list *l);
void waiting_list_put(struct waiting_list *l, struct waiting *w);
struct waiting *waiting_list_take(struct waiting_list *l);
/* With the mutex: it is one of those that wait. */
void backlog_enter(struct backlog *b, struct waiting *w);
/* With the mutex: all its targets are shown. */
void backlog_leave(struct backlog *b, struct waiting *w);
/* With the mutex: it could not be placed. */
void backlog_put_off(struct backlog *b, struct waiting *w);
/* With the mutex: the oldest generation in use, when records that cannot be
 * placed shall not hold it any longer; else 0. */
uint64_t backlog_pressing(struct backlog *b);
/* With the mutex: the record was written again, as another. */
void backlog_replace(
    struct backlog *b, struct waiting *old, struct waiting *fresh);
/* With the mutex. */
void waiting_unref(struct waiting *w);
void waiting_ref(struct waiting *w);

/* ---- backlog_recover.c ---- */
int backlog_recover(struct backlog *b, struct err *err);

/* ---- backlog_place.c ---- */
/* A batch through steps b to d; the list is empty afterwards. */
void backlog_place(struct backlog *b, struct waiting_list *batch);

/* ---- backlog_settle.c ---- */
/* With the mutex: takes the list over. */
void backlog_shown(struct backlog *b, struct shown_list *l);
/* With the mutex: all that are not flushed, for whoever is about to flush. */
struct shown_list backlog_take_shown(struct backlog *b);
/* Settles them.  With flushed false each is flushed first. */
void backlog_settle(struct backlog *b, struct shown_list *l, bool flushed);

#endif
