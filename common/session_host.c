/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/session_host.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

/* A gate process keeps one socket; more than this is not ours. */
#define HOST_PEERS_MAX 256

struct host_peer {
	struct session_host *host;
	int fd;
};

/* Everything here happens on the reactor thread. */
struct session_host {
	struct session_host_options options;
	struct host_peer peers[HOST_PEERS_MAX];
	struct handoff handoff; /* of the packet being read */
	struct buf input;
};

static void
peer_end(struct host_peer *peer)
{
	reactor_unwatch(peer->host->options.reactor, peer->fd);
	(void)close(peer->fd);
	peer->fd = -1;
}

static bool
handoff_is_ours(const struct session_host *host, const struct handoff *h)
{
	return strcmp(h->tenant, host->options.tenant) == 0 &&
	       strcmp(h->service, host->options.protocol) == 0;
}

/* Takes one packet; false when there is none now, or never again. */
static bool
peer_take(struct host_peer *peer)
{
	struct session_host *host = peer->host;
	struct handoff *h = &host->handoff;
	struct err err = ERR_INIT;
	int client_fd = -1;

	if (handoff_recv(peer->fd, h, &client_fd, &host->input, &err) == -1) {
		if (err.kind == ERR_TEMP && err.os == ETIMEDOUT)
			return false; /* readable for nothing */
		if (err.kind != ERR_CLOSED)
			log_error(&log_process, "hand-off not understood",
			    log_err(&err));
		peer_end(peer);
		return false;
	}
	if (!handoff_is_ours(host, h)) {
		log_error(&log_process, "hand-off for somebody else refused",
		    log_span("id", span_str(h->id.text)),
		    log_span("tenant", span_str(h->tenant)),
		    log_span("service", span_str(h->service)));
		(void)close(client_fd);
		return true;
	}
	host->options.client(
	    host->options.arg, h, client_fd, buf_span(&host->input));
	buf_clear(&host->input);
	buf_shrink(&host->input);
	return true;
}

static void
peer_ready(struct reactor *r, int fd, void *arg)
{
	(void)r;
	(void)fd;
	(void)peer_take(arg);
}

/*
 * Gates send nothing to a process that ends.  What they sent before is
 * served; what they send from now on fails, and they connect anew.
 */
static void
host_drain(void *arg)
{
	struct session_host *host = arg;

	for (size_t i = 0; i < HOST_PEERS_MAX; i++) {
		struct host_peer *peer = &host->peers[i];

		if (peer->fd == -1)
			continue;
		(void)shutdown(peer->fd, SHUT_RD);
		while (peer_take(peer))
			;
		if (peer->fd != -1)
			peer_end(peer);
	}
}

/*
 * hikyakud connects and passes the socket on, so the other end bears its
 * uid: root's, or everybody's when the platform runs as one user.
 */
static bool
peer_trusted(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

static void
host_accepted(struct reactor *r, int fd, void *arg)
{
	struct session_host *host = arg;
	struct err err = ERR_INIT;
	size_t i = 0;

	if (!peer_trusted(fd)) {
		log_error(&log_process, "hand-off socket of a stranger closed");
		(void)close(fd);
		return;
	}
	while (i < HOST_PEERS_MAX && host->peers[i].fd != -1)
		i++;
	if (i == HOST_PEERS_MAX) {
		log_error(&log_process, "too many hand-off sockets");
		(void)close(fd);
		return;
	}
	host->peers[i].fd = fd;
	if (reactor_watch(r, fd, peer_ready, &host->peers[i], &err) == -1) {
		log_error(
		    &log_process, "hand-off socket not watched", log_err(&err));
		(void)close(fd);
		host->peers[i].fd = -1;
	}
}

int
session_host_new(const struct session_host_options *options,
    struct session_host **host_out, struct err *err)
{
	CLEANUP(session_host_free)
	struct session_host *host = calloc(1, sizeof(*host));

	if (host == NULL)
		return err_sys(err, "session host");
	host->options = *options;
	buf_init(&host->input, SESSION_INPUT_MAX);
	for (size_t i = 0; i < HOST_PEERS_MAX; i++)
		host->peers[i] = (struct host_peer){ .host = host, .fd = -1 };

	struct reactor_listener listener = {
		.fd = options->listener, .accepted = host_accepted, .arg = host
	};
	if (reactor_listen(options->reactor, &listener, err) == -1)
		return -1;
	reactor_on_drain(options->reactor, host_drain, host);
	*host_out = STEAL(host);
	return 0;
}

void
session_host_free(struct session_host *host)
{
	if (host == NULL)
		return;
	for (size_t i = 0; i < HOST_PEERS_MAX; i++)
		fd_close(host->peers[i].fd);
	buf_fini(&host->input);
	free(host);
}
