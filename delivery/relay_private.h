/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the relay, for delivery/relay*.c alone. */
#ifndef HK_DELIVERY_RELAY_PRIVATE_H
#define HK_DELIVERY_RELAY_PRIVATE_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "delivery/outgoing.h"
#include "delivery/relay.h"
#include "delivery/relayd_conf.h"
#include "delivery/route.h"

struct relay {
	struct daemon *daemon;
	struct tenants *tenants;
	struct dns *dns;
	struct queue *queue;
	SSL_CTX *tls;
	struct counters *counters;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t gone_cond;
	unsigned workers;
};

/* A worker's session with a site. */
struct hop {
	struct relay *relay;
	const struct relayd_conf *conf;
	const char *hostname;
	struct router_options router;
	struct outgoing_options options;
	struct outgoing outgoing;
	bool open, local;
	char remote[400]; /* "mx.example.org[192.0.2.1]", or "" */
};

/* A job, and what becomes of it. */
struct work {
	struct hop *hop;
	struct queue_job *job;
	struct queue_content content;
	struct queue_result *results; /* one a recipient of the job */
	bool *relayed;                /* to a host that reports nothing */
	bool tried, site_bad;
};

/* ---- relay_hop.c ---- */
void hop_init(struct hop *h, struct relay *r);
void hop_close(struct hop *h);
/* To deliveryd, or to the first host that talks.  -1: to none, and reply_out
 * ("remote TAB 4xx x.y.z text") says why. */
int hop_open_local(struct hop *h, char *reply_out, size_t size);
int hop_open(
    struct hop *h, const struct route *route, char *reply_out, size_t size);

/* ---- relay_work.c ---- */
int work_init(
    struct work *w, struct hop *h, struct queue_job *job, struct err *err);
void work_fini(struct work *w);
/* Everybody who waits and was not answered yet gets this reply. */
void work_set(struct work *w, enum queue_state state, const char *reply);
/* Those who are not to be tried at all; false: nobody is left. */
bool work_begin(struct work *w);
/* One transaction on the hop, which may be closed by it. */
void work_send(struct work *w);
/* Written down; reports are made.  The job is the queue's again. */
void work_finish(struct work *w);

#endif
