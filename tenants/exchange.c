/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/exchange.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <string.h>

struct slot {
	struct sasl_token token;
	struct exchange exchange;
};

struct exchanges {
	pthread_mutex_t lock; /* guards the slots */
	struct slot slots[EXCHANGES_MAX];
};

int
exchanges_new(struct exchanges **exchanges_out, struct err *err)
{
	struct exchanges *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	(void)pthread_mutex_init(&x->lock, NULL);
	*exchanges_out = x;
	return 0;
}

void
exchange_fini(struct exchange *e)
{
	sasl_exchange_free(e->sasl);
	*e = (struct exchange){ .sasl = NULL };
}

void
exchanges_free(struct exchanges *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < EXCHANGES_MAX; i++)
		exchange_fini(&x->slots[i].exchange);
	(void)pthread_mutex_destroy(&x->lock);
	free(x);
}

/* An empty slot, or the one that has waited longest. */
static struct slot *
slot_choose(struct exchanges *x)
{
	struct slot *oldest = &x->slots[0];

	for (size_t i = 0; i < EXCHANGES_MAX; i++) {
		struct slot *slot = &x->slots[i];

		if (slot->exchange.at_ms == 0)
			return slot;
		if (slot->exchange.at_ms < oldest->exchange.at_ms)
			oldest = slot;
	}
	return oldest;
}

void
exchanges_put_back(struct exchanges *x, struct exchange *e, uint64_t now_ms,
    const struct sasl_token *token)
{
	struct exchange dropped;
	struct slot *slot;

	(void)pthread_mutex_lock(&x->lock);
	slot = slot_choose(x);
	dropped = slot->exchange;
	slot->exchange = *e;
	slot->exchange.at_ms = now_ms;
	slot->token = *token;
	(void)pthread_mutex_unlock(&x->lock);
	*e = (struct exchange){ .sasl = NULL };
	exchange_fini(&dropped);
}

int
exchanges_put(struct exchanges *x, struct exchange *e, uint64_t now_ms,
    struct sasl_token *token_out, struct err *err)
{
	if (RAND_bytes(token_out->octets, sizeof(token_out->octets)) != 1)
		return err_set(err, ERR_TEMP, "no random octets");
	exchanges_put_back(x, e, now_ms, token_out);
	return 0;
}

bool
exchanges_take(struct exchanges *x, const struct sasl_token *token,
    uint64_t now_ms, struct exchange *e_out)
{
	bool found = false;

	(void)pthread_mutex_lock(&x->lock);
	for (size_t i = 0; i < EXCHANGES_MAX && !found; i++) {
		struct slot *slot = &x->slots[i];

		if (slot->exchange.at_ms == 0 ||
		    CRYPTO_memcmp(slot->token.octets, token->octets,
			sizeof(token->octets)) != 0)
			continue;
		*e_out = slot->exchange;
		slot->exchange = (struct exchange){ .sasl = NULL };
		found = true;
	}
	(void)pthread_mutex_unlock(&x->lock);
	if (found && now_ms > e_out->at_ms + EXCHANGE_WAIT_MS) {
		exchange_fini(e_out);
		found = false;
	}
	return found;
}
