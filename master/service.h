/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemons that there are, and what each of them may ask for. */
#ifndef HK_MASTER_SERVICE_H
#define HK_MASTER_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

enum service_may {              /* what its processes may ask of hikyakud */
	MAY_TENANTD = 1 << 0,   /* CONNECT to tenantd */
	MAY_DELIVERYD = 1 << 1, /* CONNECT to deliveryd */
	MAY_SESSION = 1 << 2,   /* CONNECT to session processes of its own */
	MAY_DIRECTORY = 1 << 3, /* DIRECTORY: a tenant's in the store */
	MAY_METRICS = 1 << 4,   /* the metrics' text */
	MAY_RELAYD = 1 << 5,    /* CONNECT to relayd: to hand mail over */
};

struct service {
	const char *name;         /* program, and key of "users" */
	const char *user;         /* default user when started as root */
	const char *listeners[4]; /* names of its listen sections */
	const char *client;   /* whose group may use its Unix sockets; NULL: its
				 own */
	const char *internal; /* its listener for our processes, or NULL */
	int internal_type;    /* SOCK_SEQPACKET, SOCK_STREAM */
	const int *keep;      /* capabilities */
	size_t keep_len;
	unsigned may; /* of the daemon, or of the gate */
	bool gated;   /* has gates and session processes */
	bool always;  /* runs without a listen section */
	bool tls;     /* gets certificates and ticket secret */
};

/* Sessions of every service. */
#define SERVICE_SESSION_MAY ((unsigned)MAY_TENANTD)

extern const struct service services[];
extern const size_t services_len;

/* By program name; NULL: none. */
const struct service *service_find(const char *name);
/* By the name of a listen section; NULL: none. */
const struct service *service_of_listener(const char *listener);

#endif
