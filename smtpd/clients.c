/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#define BUCKETS 4096

struct client {
	struct client *next;
	int family;
	uint64_t address;
	uint64_t count;
};

struct clients {
	pthread_mutex_t lock; /* guards the buckets */
	struct client *buckets[BUCKETS];
};

int
clients_new(struct clients **clients_out, struct err *err)
{
	struct clients *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	(void)pthread_mutex_init(&c->lock, NULL);
	*clients_out = c;
	return 0;
}

void
clients_free(struct clients *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (c->buckets[i] != NULL) {
			struct client *next = c->buckets[i]->next;

			free(c->buckets[i]);
			c->buckets[i] = next;
		}
	}
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

/* An IPv4 address (also when mapped into IPv6), or the upper 64 bits. */
static struct client
peer_key(const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *in6 = (const void *)peer;
	const struct sockaddr_in *in = (const void *)peer;
	struct client key = { .family = peer->ss_family };
	uint32_t v4;

	if (peer->ss_family == AF_INET) {
		key.address = in->sin_addr.s_addr;
	} else if (peer->ss_family == AF_INET6 &&
		   IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(&v4, &in6->sin6_addr.s6_addr[12], sizeof(v4));
		key.family = AF_INET;
		key.address = v4;
	} else if (peer->ss_family == AF_INET6) {
		memcpy(
		    &key.address, in6->sin6_addr.s6_addr, sizeof(key.address));
	}
	return key;
}

static struct client **
client_find(struct clients *c, const struct client *key)
{
	struct client **at =
	    &c->buckets[((key->address + (uint64_t)key->family) *
				0x9e3779b97f4a7c15u >>
			    32) %
			BUCKETS];

	while (*at != NULL &&
	       ((*at)->address != key->address || (*at)->family != key->family))
		at = &(*at)->next;
	return at;
}

bool
clients_enter(
    struct clients *c, const struct sockaddr_storage *peer, uint64_t max)
{
	const struct client key = peer_key(peer);
	struct client **at;
	bool ok = true;

	(void)pthread_mutex_lock(&c->lock);
	at = client_find(c, &key);
	if (*at == NULL) {
		*at = calloc(1, sizeof(**at));
		ok = *at != NULL;
		if (ok)
			**at = key;
	}
	ok = ok && (max == 0 || (*at)->count < max);
	if (ok)
		(*at)->count++;
	(void)pthread_mutex_unlock(&c->lock);
	return ok;
}

void
clients_leave(struct clients *c, const struct sockaddr_storage *peer)
{
	const struct client key = peer_key(peer);
	struct client **at, *gone = NULL;

	(void)pthread_mutex_lock(&c->lock);
	at = client_find(c, &key);
	if (*at != NULL && --(*at)->count == 0) {
		gone = *at;
		*at = gone->next;
	}
	(void)pthread_mutex_unlock(&c->lock);
	free(gone);
}
