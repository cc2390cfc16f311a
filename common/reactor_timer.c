/* SPDX-License-Identifier: BSD-2-Clause */
/* A binary heap of conns by the time their wait ends. */
#include "common/reactor_private.h"

#include "common/conn_private.h"

/* conn.timer_at is the index in the heap plus one; 0: not in it. */

static void
heap_put(struct timers *t, size_t at, struct conn *c)
{
	t->heap[at] = c;
	c->timer_at = at + 1;
}

static void
sift_up(struct timers *t, size_t at)
{
	struct conn *c = t->heap[at];

	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (t->heap[parent]->timer_ms <= c->timer_ms)
			break;
		heap_put(t, at, t->heap[parent]);
		at = parent;
	}
	heap_put(t, at, c);
}

static void
sift_down(struct timers *t, size_t at)
{
	struct conn *c = t->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= t->len)
			break;
		if (child + 1 < t->len &&
		    t->heap[child + 1]->timer_ms < t->heap[child]->timer_ms)
			child++;
		if (t->heap[child]->timer_ms >= c->timer_ms)
			break;
		heap_put(t, at, t->heap[child]);
		at = child;
	}
	heap_put(t, at, c);
}

int
timers_reserve(struct timers *t, size_t conns, struct err *err)
{
	size_t cap = t->cap == 0 ? 16 : t->cap * 2;
	struct conn **heap;

	if (conns <= t->cap)
		return 0;
	heap = reallocarray(t->heap, cap, sizeof(*heap));
	if (heap == NULL)
		return err_sys(err, "timers for %zu connections", cap);
	t->heap = heap;
	t->cap = cap;
	return 0;
}

void
timers_fini(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){ 0 };
}

void
timers_set(struct timers *t, struct conn *c, uint64_t due_ms)
{
	c->due_ms = due_ms;
	if (c->timer_at == 0) {
		if (due_ms == UINT64_MAX)
			return;
		c->timer_ms = due_ms;
		t->heap[t->len] = c;
		c->timer_at = ++t->len;
		sift_up(t, c->timer_at - 1);
	} else if (due_ms < c->timer_ms) {
		c->timer_ms = due_ms;
		sift_up(t, c->timer_at - 1);
	}
}

void
timers_remove(struct timers *t, struct conn *c)
{
	size_t at;
	struct conn *last;

	if (c->timer_at == 0)
		return;
	at = c->timer_at - 1;
	c->timer_at = 0;
	last = t->heap[--t->len];
	if (last == c)
		return;
	heap_put(t, at, last);
	sift_up(t, at);
	sift_down(t, last->timer_at - 1);
}

struct conn *
timers_take(struct timers *t, uint64_t now_ms)
{
	while (t->len > 0 && t->heap[0]->timer_ms <= now_ms) {
		struct conn *c = t->heap[0];

		/* Not parked, or due later: whoever parks it sets it anew. */
		if (c->state == CONN_PARKED && c->due_ms <= now_ms) {
			timers_remove(t, c);
			return c;
		}
		if (c->state != CONN_PARKED || c->due_ms == UINT64_MAX) {
			timers_remove(t, c);
		} else {
			c->timer_ms = c->due_ms;
			sift_down(t, 0);
		}
	}
	return NULL;
}

uint64_t
timers_next(const struct timers *t)
{
	return t->len == 0 ? UINT64_MAX : t->heap[0]->timer_ms;
}
