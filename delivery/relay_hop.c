/* SPDX-License-Identifier: BSD-2-Clause */
/* To whom a worker talks. */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "delivery/relay_private.h"

/* Addresses tried for one job before it waits. */
#define CONNECTS_MAX 8

void
hop_init(struct hop *h, struct relay *r)
{
	const struct relayd_conf *conf = daemon_section(r->daemon);
	unsigned answer_ms = (unsigned)conf->answer_wait * 1000;

	*h = (struct hop){
		.relay = r,
		.conf = conf,
		.hostname = daemon_conf(r->daemon)->hostname,
	};
	h->router = (struct router_options){
		.dns = r->dns,
		.tenants = r->tenants,
		.hostname = h->hostname,
		.port = (uint16_t)conf->port,
		.transports = &conf->transports,
		.private_addresses = conf->private_addresses,
		.wait_ms = (unsigned)conf->dns_wait * 1000,
	};
	h->options = (struct outgoing_options){
		.helo = h->hostname,
		.waits = { .connect = (unsigned)conf->connect_wait * 1000,
		    .greeting = answer_ms,
		    .helo = answer_ms,
		    .tls = answer_ms,
		    .mail = answer_ms,
		    .rcpt = answer_ms,
		    .data = answer_ms,
		    .block = answer_ms,
		    .dot = (unsigned)conf->data_wait * 1000 },
	};
	h->outgoing.peer.fd = -1;
}

void
hop_close(struct hop *h)
{
	if (h->open)
		outgoing_close(&h->outgoing);
	h->open = false;
}

/* "remote TAB code x.y.z text" of what went wrong with a session. */
static void
tell(const struct hop *h, const struct peer_reply *r, const struct err *err,
    char *out, size_t size)
{
	if (r->code != 0)
		(void)snprintf(out, size, "%s\t%u %s%s%s", h->remote, r->code,
		    r->enhanced, r->enhanced[0] == '\0' ? "" : " ", r->text);
	else
		(void)snprintf(out, size, "%s\t451 4.4.2 %s%s%s", h->remote,
		    err->text, err->os == 0 ? "" : ": ",
		    err->os == 0 ? "" : strerror(err->os));
	out[strcspn(out, "\r\n")] = '\0';
}

int
hop_open_local(struct hop *h, char *reply_out, size_t size)
{
	struct err err = ERR_INIT;
	struct peer_reply r = { .code = 0 };
	int fd = -1;

	(void)snprintf(h->remote, sizeof(h->remote), "%s", "");
	h->options.lmtp = h->options.trusted = h->local = true;
	if (daemon_connect(h->relay->daemon, "deliveryd", NULL, 0, &fd, &err) ==
		0 &&
	    outgoing_open(&h->outgoing, fd, &h->options, &r, &err) == 0) {
		h->open = true;
		return 0;
	}
	if (fd != -1)
		peer_fini(&h->outgoing.peer);
	tell(h, &r, &err, reply_out, size);
	return -1;
}

/* One address.  -1: reply_out says why. */
static int
open_address(struct hop *h, const struct route_host *host,
    const struct route_address *address, bool tls, char *reply_out, size_t size,
    bool *tls_failed)
{
	struct err err = ERR_INIT;
	struct peer_reply r = { .code = 0 };
	int fd = -1;

	*tls_failed = false;
	(void)snprintf(
	    h->remote, sizeof(h->remote), "%s[%s]", host->name, address->text);
	h->options.tls = tls ? h->relay->tls : NULL;
	h->options.server_name = host->literal ? NULL : host->name;
	if (peer_connect(&address->address, address->len,
		h->options.waits.connect, &fd, &err) == -1) {
		tell(h, &r, &err, reply_out, size);
		return -1;
	}
	if (outgoing_open(&h->outgoing, fd, &h->options, &r, &err) == 0) {
		h->open = true;
		counter_add(h->relay->counters, COUNTER_CONNECTIONS, 1);
		if (h->outgoing.tls)
			counter_add(
			    h->relay->counters, COUNTER_TLS_HANDSHAKES, 1);
		return 0;
	}
	*tls_failed = h->outgoing.tls_tried;
	if (*tls_failed)
		counter_add(h->relay->counters, COUNTER_TLS_FAILURES, 1);
	outgoing_close(&h->outgoing);
	tell(h, &r, &err, reply_out, size);
	return -1;
}

static int
open_any(struct hop *h, const struct route_host *host,
    const struct route_address *address, char *reply_out, size_t size)
{
	bool tls_failed;

	if (open_address(
		h, host, address, true, reply_out, size, &tls_failed) == 0)
		return 0;
	/* In clear, rather than not at all.		RFC 7435 */
	if (!tls_failed)
		return -1;
	log_info(&log_process, "no TLS with a host, tried in clear",
	    log_str("remote", h->remote),
	    log_span("reply", span_str(reply_out)));
	return open_address(
	    h, host, address, false, reply_out, size, &tls_failed);
}

static void
no_address(const struct route_addresses *a, char *reply_out, size_t size)
{
	const char *why =
	    a->failed ? "451 4.4.3 The DNS does not answer"
	    : a->refused
		? "451 4.4.4 The mail host's address is private"
		: "451 4.4.4 No mail host of the domain has an address";

	(void)snprintf(reply_out, size, "%s", why);
}

int
hop_open(struct hop *h, const struct route *route, char *reply_out, size_t size)
{
	unsigned tries = 0;

	(void)snprintf(reply_out, size,
	    "451 4.4.4 No mail host of the domain has an address");
	for (size_t i = 0; i < route->count && tries < CONNECTS_MAX; i++) {
		const struct route_host *host = &route->hosts[i];
		struct route_addresses addresses;

		route_addresses(&h->router, host, &addresses);
		if (addresses.count == 0 && tries == 0)
			no_address(&addresses, reply_out, size);
		for (size_t k = 0; k < addresses.count && tries < CONNECTS_MAX;
		     k++, tries++)
			if (open_any(h, host, &addresses.items[k], reply_out,
				size) == 0)
				return 0;
	}
	return -1;
}
