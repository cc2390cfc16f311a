/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/penalty.h"

#include <string.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/log.h"
#include "tenants/penalty_store.h"

enum {
	KEY_MAX = 1024,
	BLOCK_BITS_4 = 24,
	BLOCK_BITS_6 = 64,
	/* A count grows no further: a lock ends a half-life or two later. */
	LEVEL_MAX = 1u << 28,
	DOUBLINGS_MAX = 20
};

struct penalty {
	struct penalty_rules rules;
	struct network *exempt;
	struct penalty_store *store;
};

int
penalty_new(const struct penalty_rules *rules, const char *directory,
    struct penalty **penalty_out, struct err *err)
{
	CLEANUP(penalty_free) struct penalty *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	p->rules = *rules;
	p->exempt = calloc(rules->exempt_len + 1, sizeof(*p->exempt));
	if (p->exempt == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (rules->exempt_len > 0)
		memcpy(p->exempt, rules->exempt,
		    rules->exempt_len * sizeof(*p->exempt));
	p->rules.exempt = p->exempt;
	if (penalty_store_new(directory, &p->store, err) == -1)
		return -1;
	*penalty_out = STEAL(p);
	return 0;
}

int
penalty_start(struct penalty *p, struct err *err)
{
	return penalty_store_start(p->store, err);
}

void
penalty_free(struct penalty *p)
{
	if (p == NULL)
		return;
	penalty_store_free(p->store);
	free(p->exempt);
	free(p);
}

/* ---- keys ---------------------------------------------------------------- */

/* Those of one attempt; 0: not counted. */
struct keys {
	uint64_t account, block, tenant;
	uint64_t pair; /* account and block, of those who are familiar */
};

static uint64_t
key_of(const struct penalty *p, char kind, struct span a, struct span b)
{
	char text[KEY_MAX];
	size_t len = 0;

	text[len++] = kind;
	if (a.len + b.len + 2 > sizeof(text))
		a = b = SPAN_NONE; /* all that are too long are one */
	/* Case does not matter in logins. */
	for (size_t i = 0; i < a.len; i++)
		text[len++] = ascii_lower(a.p[i]);
	text[len++] = '\0';
	if (b.len > 0)
		memcpy(text + len, b.p, b.len);
	len += b.len;
	return hash_span(penalty_store_secret(p->store), span_of(text, len)) |
	       1;
}

static void
keys_make(
    const struct penalty *p, const struct penalty_who *who, struct keys *keys)
{
	struct network block = { .octets_len = 0 };
	struct span octets;
	bool counted = network_address(who->client, &block);

	for (size_t i = 0; counted && i < p->rules.exempt_len; i++)
		counted = !network_has(&p->exempt[i], &block);
	network_shorten(
	    &block, block.octets_len == 4 ? BLOCK_BITS_4 : BLOCK_BITS_6);
	octets = span_of((const char *)block.octets, block.octets_len);
	keys->account =
	    who->account.len == 0 ? 0 : key_of(p, 'a', who->account, SPAN_NONE);
	keys->pair = key_of(p, 'p', who->account, octets);
	keys->block = counted ? key_of(p, 'b', SPAN_NONE, octets) : 0;
	keys->tenant = who->tenant[0] == '\0'
			   ? 0
			   : key_of(p, 't', span_str(who->tenant), SPAN_NONE);
}

/* ---- counts ---------------------------------------------------------------
 */

/*
 * A record from the future was made before the clock was set back; it would
 * not decay until that time comes again.
 */
static bool
settled(struct count *c, uint64_t now_s)
{
	if (c == NULL || c->at_s <= now_s)
		return false;
	c->at_s = (uint32_t)now_s;
	return true;
}

static uint32_t
decayed(const struct penalty *p, const struct count *c, uint64_t now_s)
{
	uint64_t age = now_s > c->at_s ? now_s - c->at_s : 0;
	uint64_t halves = age / p->rules.half_life_s;
	uint64_t rest = age % p->rules.half_life_s;
	uint32_t level;

	if (halves > 31)
		return 0;
	level = c->level >> halves;
	/* Between two halves along a straight line. */
	return level -
	       (uint32_t)((uint64_t)level * rest / (2u * p->rules.half_life_s));
}

/* The key's record among those of its set, or NULL. */
static struct count *
count_find(struct count *set, uint64_t key)
{
	for (size_t i = 0; i < COUNTS_WAYS; i++)
		if (set[i].key == key)
			return &set[i];
	return NULL;
}

/* Failures as they stand now. */
static unsigned
count_read(const struct penalty *p, uint64_t key, uint64_t now_s)
{
	struct count *c;
	uint32_t level = 0;
	bool changed;

	if (key == 0)
		return 0;
	c = count_find(penalty_store_lock(p->store, key), key);
	changed = settled(c, now_s);
	if (c != NULL)
		level = decayed(p, c, now_s);
	penalty_store_unlock(p->store, key, changed);
	return (level + COUNT_ONE / 2) / COUNT_ONE;
}

/* The key's record; else the place of that which has failed least. */
static struct count *
count_place(
    const struct penalty *p, struct count *set, uint64_t key, uint64_t now_s)
{
	struct count *c = count_find(set, key);

	if (c != NULL)
		return c;
	c = &set[0];
	for (size_t i = 1; i < COUNTS_WAYS; i++)
		if (decayed(p, &set[i], now_s) < decayed(p, c, now_s))
			c = &set[i];
	*c = (struct count){ .key = key };
	return c;
}

/* The last failure was with this very password? */
static bool
count_was(const struct penalty *p, uint64_t key, uint64_t wrong)
{
	const struct count *c;
	bool same;

	if (key == 0 || wrong == 0)
		return false;
	c = count_find(penalty_store_lock(p->store, key), key);
	same = c != NULL && c->wrong == wrong;
	penalty_store_unlock(p->store, key, false);
	return same;
}

/* One more failure; answers how many there are now. */
static unsigned
count_add(const struct penalty *p, uint64_t key, uint64_t wrong, uint64_t now_s)
{
	struct count *c;
	uint32_t level;

	if (key == 0)
		return 0;
	c = count_place(p, penalty_store_lock(p->store, key), key, now_s);
	level = decayed(p, c, now_s);
	level += level < LEVEL_MAX ? COUNT_ONE : 0;
	c->wrong = wrong;
	c->level = level;
	c->at_s = (uint32_t)now_s;
	penalty_store_unlock(p->store, key, true);
	return (level + COUNT_ONE / 2) / COUNT_ONE;
}

static void
count_drop(const struct penalty *p, uint64_t key)
{
	struct count *c = count_find(penalty_store_lock(p->store, key), key);

	if (c != NULL)
		*c = (struct count){ .key = 0 };
	penalty_store_unlock(p->store, key, c != NULL);
}

/* ---- rules ----------------------------------------------------------------
 */

static bool
reached(unsigned count, unsigned limit)
{
	return limit != 0 && count >= limit;
}

enum penalty_stand
penalty_glance(struct penalty *p, const struct penalty_who *who, uint64_t now_s)
{
	const struct penalty_rules *r = &p->rules;
	struct keys k;

	keys_make(p, who, &k);
	return count_read(p, k.account, now_s) == 0 &&
		       count_read(p, k.pair, now_s) == 0 &&
		       !reached(count_read(p, k.block, now_s), r->block_free) &&
		       !reached(count_read(p, k.tenant, now_s), r->tenant_free)
		   ? PENALTY_CLEAN
		   : PENALTY_MARKED;
}

enum penalty_stand
penalty_stand(struct penalty *p, const struct penalty_who *who, uint64_t now_s)
{
	const struct penalty_rules *r = &p->rules;
	unsigned account, block, tenant;
	struct keys k;

	keys_make(p, who, &k);
	if (penalty_store_familiar(p->store, k.pair, now_s)) {
		account = count_read(p, k.pair, now_s);
		return reached(account, r->account_lock) ? PENALTY_LOCKED
		       : account > 0                     ? PENALTY_MARKED
							 : PENALTY_CLEAN;
	}
	account = count_read(p, k.account, now_s);
	block = count_read(p, k.block, now_s);
	tenant = count_read(p, k.tenant, now_s);
	if (reached(account, r->account_lock) ||
	    reached(block, r->block_lock) || reached(tenant, r->tenant_lock))
		return PENALTY_LOCKED;
	return account == 0 && !reached(block, r->block_free) &&
		       !reached(tenant, r->tenant_free)
		   ? PENALTY_CLEAN
		   : PENALTY_MARKED;
}

/* Of the first failure, of the second … */
static unsigned
delay_of(const struct penalty_rules *r, unsigned failures)
{
	uint64_t delay_ms = r->first_ms;

	if (failures == 0)
		return 0;
	delay_ms <<= failures > DOUBLINGS_MAX ? DOUBLINGS_MAX : failures - 1;
	return delay_ms > r->max_ms ? r->max_ms : (unsigned)delay_ms;
}

static unsigned
beyond(unsigned count, unsigned free)
{
	return free != 0 && count > free ? count - free : 0;
}

/* 1 at the limit, 2 at its double, 3 at its fourfold … */
static unsigned
doublings(unsigned count, unsigned limit)
{
	unsigned found = 0;

	for (uint64_t level = limit; limit != 0 && count >= level; level *= 2)
		found++;
	return found;
}

/* Once when it begins, not at each failure. */
static void
tell(const struct penalty_who *who, unsigned count, unsigned limit,
    const char *what)
{
	if (limit != 0 && count == limit)
		log_notice(&log_process, what, log_str("tenant", who->tenant),
		    log_span("account", who->account),
		    log_span("client", who->client),
		    log_u64("failures", count));
}

static unsigned
greater(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* Of an account, by whoever; one that is locked is not counted further. */
static unsigned
account_failed(struct penalty *p, const struct penalty_who *who, uint64_t key,
    uint64_t wrong, uint64_t now_s)
{
	unsigned lock = p->rules.account_lock;
	unsigned count = count_read(p, key, now_s);

	if (reached(count, lock) || count_was(p, key, wrong))
		return count;
	count = count_add(p, key, wrong, now_s);
	tell(who, count, lock, "account locked");
	return count;
}

static unsigned
stranger_failed(struct penalty *p, const struct penalty_who *who,
    const struct keys *k, uint64_t wrong, uint64_t now_s)
{
	const struct penalty_rules *r = &p->rules;
	bool again = count_was(p, k->account, wrong);
	unsigned account = account_failed(p, who, k->account, wrong, now_s);
	unsigned block = again ? count_read(p, k->block, now_s)
			       : count_add(p, k->block, 0, now_s);
	unsigned tenant = again ? count_read(p, k->tenant, now_s)
				: count_add(p, k->tenant, 0, now_s);

	if (!again) {
		tell(who, block, r->block_lock, "addresses locked");
		tell(who, tenant, r->tenant_free, "tenant under attack");
		tell(who, tenant, r->tenant_lock, "tenant locked to strangers");
	}
	return greater(delay_of(r, account),
	    greater(delay_of(r, beyond(block, r->block_free)),
		delay_of(r, doublings(tenant, r->tenant_free))));
}

unsigned
penalty_failed(struct penalty *p, const struct penalty_who *who, uint64_t wrong,
    uint64_t now_s)
{
	struct keys k;

	keys_make(p, who, &k);
	if (penalty_store_familiar(p->store, k.pair, now_s))
		return delay_of(
		    &p->rules, account_failed(p, who, k.pair, wrong, now_s));
	return stranger_failed(p, who, &k, wrong, now_s);
}

bool
penalty_same_wrong(
    struct penalty *p, const struct penalty_who *who, uint64_t wrong)
{
	struct keys k;

	keys_make(p, who, &k);
	return count_was(p, k.account, wrong) || count_was(p, k.pair, wrong);
}

void
penalty_succeeded(
    struct penalty *p, const struct penalty_who *who, uint64_t now_s)
{
	struct keys k;

	keys_make(p, who, &k);
	/* Who is familiar takes nothing off what strangers have failed, or
	 * these could go on after each visit. */
	if (count_read(p, k.account, now_s) > 0 &&
	    !penalty_store_familiar(p->store, k.pair, now_s))
		count_drop(p, k.account);
	if (count_read(p, k.pair, now_s) > 0)
		count_drop(p, k.pair);
	penalty_store_note(p->store, k.pair, now_s);
}
