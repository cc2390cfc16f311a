/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/penalty.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <pthread.h>

#include "common/ascii.h"

#define SLOTS 65536 /* 1 MB, whoever attacks */
#define HALF_LIFE_MS 60000

struct slot {
	uint32_t tag;      /* the rest of the hash; 0: empty */
	uint32_t failures; /* in sixteenths, so that halves are known */
	uint64_t at_ms;    /* when that was so */
};

struct penalty {
	uint64_t seed; /* an attacker cannot choose collisions */
	pthread_mutex_t lock;
	struct slot slots[SLOTS];
};

int
penalty_new(struct penalty **penalty_out, struct err *err)
{
	struct penalty *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (RAND_bytes((unsigned char *)&p->seed, sizeof(p->seed)) != 1) {
		free(p);
		return err_set(err, ERR_TEMP, "no random octets");
	}
	(void)pthread_mutex_init(&p->lock, NULL);
	*penalty_out = p;
	return 0;
}

void
penalty_free(struct penalty *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

/* FNV-1a from a secret start, then mixed; case does not matter in logins. */
static uint64_t
hash(uint64_t seed, struct span s)
{
	uint64_t h = seed ^ 14695981039346656037ull;

	for (size_t i = 0; i < s.len; i++) {
		h ^= (unsigned char)ascii_lower(s.p[i]);
		h *= 1099511628211ull;
	}
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	return h;
}

static struct slot *
slot_of(struct penalty *p, struct span name, uint64_t kind, uint32_t *tag_out)
{
	uint64_t h = hash(p->seed + kind, name);

	*tag_out = (uint32_t)(h >> 32) | 1;
	return &p->slots[h % SLOTS];
}

static uint32_t
slot_decayed(const struct slot *slot, uint64_t now_ms)
{
	uint64_t halves =
	    now_ms > slot->at_ms ? (now_ms - slot->at_ms) / HALF_LIFE_MS : 0;

	return halves > 31 ? 0 : slot->failures >> halves;
}

/* One more failure; answers how many there are now. */
static unsigned
slot_count(struct penalty *p, struct span name, uint64_t kind, uint64_t now_ms)
{
	uint32_t tag, failures;
	struct slot *slot = slot_of(p, name, kind, &tag);

	failures = slot_decayed(slot, now_ms);
	if (slot->tag != tag) {
		/* Whoever has failed more keeps the slot. */
		if (failures > 16)
			return 1;
		failures = 0;
	}
	if (failures < 16 * 1000)
		failures += 16;
	*slot = (struct slot){ tag, failures, now_ms };
	return failures / 16;
}

/* An IPv6 client has its /64, and any address in it. */
static struct span
client_block(struct span client, unsigned char *octets)
{
	char text[INET6_ADDRSTRLEN];

	if (client.len >= sizeof(text) || span_index(client, ':') < 0)
		return client;
	memcpy(text, client.p, client.len);
	text[client.len] = '\0';
	if (inet_pton(AF_INET6, text, octets) != 1)
		return client;
	return span_of((const char *)octets, 8);
}

static unsigned
delay_of(unsigned failures)
{
	unsigned doublings = failures > 6 ? 5 : failures - 1;
	unsigned delay_ms = (unsigned)PENALTY_FIRST_MS << doublings;

	return delay_ms > PENALTY_MAX_MS ? PENALTY_MAX_MS : delay_ms;
}

unsigned
penalty_failed(
    struct penalty *p, struct span login, struct span client, uint64_t now_ms)
{
	unsigned char octets[16];
	unsigned account, block;

	(void)pthread_mutex_lock(&p->lock);
	account = slot_count(p, login, 1, now_ms);
	block = slot_count(p, client_block(client, octets), 2, now_ms);
	(void)pthread_mutex_unlock(&p->lock);
	if (block > PENALTY_BLOCK_FREE && block - PENALTY_BLOCK_FREE > account)
		account = block - PENALTY_BLOCK_FREE;
	return delay_of(account);
}

void
penalty_succeeded(struct penalty *p, struct span login)
{
	uint32_t tag;
	struct slot *slot;

	(void)pthread_mutex_lock(&p->lock);
	slot = slot_of(p, login, 1, &tag);
	if (slot->tag == tag)
		*slot = (struct slot){ .tag = 0 };
	(void)pthread_mutex_unlock(&p->lock);
}
