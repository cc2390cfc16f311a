/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receiving side of the hand-off: how a session process (pop3d, imapd)
 * gets its clients.
 *
 * Gates connect to the process's "session" listener and send one packet a
 * client (handoff.h).  The host accepts those sockets, checks that hikyakud
 * brought them, reads what arrives on the reactor thread without blocking,
 * and refuses a client of another tenant or service: a process that could be
 * told to open somebody else's mail would undo the separation by uid.
 */
#ifndef HK_COMMON_SESSION_HOST_H
#define HK_COMMON_SESSION_HOST_H

#include <stddef.h>
#include <sys/types.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/handoff.h"
#include "common/reactor.h"
#include "common/span.h"

struct session_host;

/* Octets a client may have sent behind its login command. */
#define SESSION_INPUT_MAX 32768

struct session_host_options {
	struct reactor *reactor; /* borrowed */
	int listener;            /* the "session" socket; stays the caller's */
	const char *protocol;    /* "pop3", "imap": handoff.service */
	const char *tenant;      /* of this process */
	/*
	 * A client.  Runs on the reactor thread and must not block: it makes
	 * a session and a conn (conn_new, conn_unread with input), whose
	 * first serve() then opens the mailbox on a worker.  Takes ownership
	 * of client_fd; h and input are borrowed for the call.
	 */
	void (*client)(void *arg, const struct handoff *h, int client_fd,
	    struct span input);
	void *arg;
};

int session_host_new(const struct session_host_options *options,
    struct session_host **host_out, struct err *err);
/* After reactor_run has returned. */
void session_host_free(struct session_host *host);
CLEANUP_DEFINE_PTR(struct session_host, session_host_free)

#endif
