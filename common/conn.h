/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stream connection: clear or TLS, TCP or Unix.  See reactor.h for who
 * owns it when.  All functions here are for the worker that runs the conn's
 * serve(), except where another caller is named.
 */
#ifndef HK_COMMON_CONN_H
#define HK_COMMON_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/reactor.h"
#include "common/span.h"

struct conn_peer;
struct counters;
struct tls_context;

enum verdict {
	/*
	 * Wait for what the last take wants, or for a wake.  A session that is
	 * called with something to take and takes nothing is not listened to
	 * again until conn_wake, conn_pause's end, or its time is over.
	 */
	VERDICT_PARK,
	VERDICT_CLOSE, /* flush what is pending within the deadline, close */
	VERDICT_GONE,  /* the descriptor was handed off: free, close nothing */
};

struct conn_service {
	/*
	 * Runs the session until it needs more from its client.  The first
	 * call comes right after conn_new, before anything was read, so that
	 * it can send its greeting (for implicit TLS: after the handshake).
	 */
	enum verdict (*serve)(struct conn *c, void *session);
	/* The conn is gone, for whatever reason: free the session. */
	void (*closed)(void *session);
	/*
	 * Whether serve() will answer this line (without its end) at once and
	 * shortly: waiting for no disk, other process, or lock that somebody
	 * holds over I/O.  It is then called on the reactor thread, which
	 * costs less than calling a worker.  NULL: no line is like that.
	 */
	bool (*light)(void *session, struct span line);
};

struct conn_options {
	const struct conn_service *service;
	void *session;
	const struct log *log;   /* borrowed from the session */
	size_t line_max;         /* octets of a line with its CRLF */
	unsigned wait_ms;        /* a whole command within this time */
	unsigned min_rate;       /* octets a second for data, literals, output;
				    0: no minimum */
	struct tls_context *tls; /* implicit TLS: handshake first; or NULL */
	struct counters *counters; /* TLS and timeouts are counted; or NULL */
	/* A Unix socket on which descriptors may come: conn_take_fd. */
	bool takes_fds;
	/* It came from a reactor_listen, or was a conn's before: it does not
	 * block, and has the options of a socket of ours. */
	bool ready;
	/* Whom another process took it for (handoff); NULL: ask the kernel. */
	const struct conn_peer *peer;
	bool relayed; /* with peer: it is the end of a relay's socket pair */
	/* conn_new is called on the reactor thread, and the first serve() is
	 * as light as conn_service.light has it: it happens at once. */
	bool light_start;
};

/*
 * Takes ownership of fd and schedules the first serve().  From any thread.
 * On failure fd is closed and closed(session) is not called.
 */
int conn_new(struct reactor *r, int fd, const struct conn_options *options,
    struct conn **conn_out, struct err *err);

/*
 * Makes a parked or running conn call serve() soon (once, however often it
 * was called meanwhile).  From any thread while the session is known to be
 * alive (that is: not yet closed()).  conn_woken() then answers true once.
 */
void conn_wake(struct conn *c);
bool conn_woken(struct conn *c);

/* The platform is going down or this daemon is being replaced. */
bool conn_draining(const struct conn *c);

/* The tenant on whose budget of workers this conn runs from now on. */
void conn_tenant(struct conn *c, const char *tenant);

/* ---- reading -------------------------------------------------------- */

enum take {
	TAKE_OK,      /* here it is */
	TAKE_MORE,    /* not complete: return VERDICT_PARK, come back later */
	TAKE_LONG,    /* over the limit; the rest of it has been skipped */
	TAKE_BAD,     /* mail data only: bare CR or LF, or NUL, in it; all of it
			 was read */
	TAKE_TIMEOUT, /* the client was too slow; reply and close */
	TAKE_CLOSED,  /* the peer closed, or the connection broke */
	TAKE_FAILED,  /* our side failed (spool): see conn_err */
};

/*
 * The next line, ended by CRLF, or by LF alone if lf_ends (POP3 and IMAP
 * clients exist that do it; never in SMTP).  *line_out excludes the end of
 * line and is borrowed: valid until the next take.  TAKE_LONG: the line was
 * over line_max and was skipped whole; memory never exceeds line_max.
 * With lf_ends false a bare LF is part of the line; the command parser
 * refuses it.
 */
enum take conn_take_line(struct conn *c, bool lf_ends, struct span *line_out);

/* True when octets are buffered here or inside TLS (pipelined input). */
bool conn_input_pending(const struct conn *c);
/* The same, and looks into the kernel too: a client that does not wait for
 * its greeting (return VERDICT_PARK with conn_pause from the first serve). */
bool conn_input_waiting(const struct conn *c);
/* Drops buffered input (RFC 3207 4.2); answers how many octets. */
size_t conn_discard_input(struct conn *c);

/*
 * Exactly len octets (an IMAP literal, BDAT), written to the sink.  Call it
 * again with the same sink until it is not TAKE_MORE.  A sink write that
 * fails: the octets are read all the same, then TAKE_FAILED.
 */
struct sink {
	int (*write)(struct sink *s, struct span octets, struct err *err);
};
enum take conn_take_octets(struct conn *c, uint64_t len, struct sink *sink);

/*
 * Mail data up to <CRLF>.<CRLF>, dot-stuffing removed, lines ending in CRLF
 * as received.  Over max octets: the rest is skipped up to the dot and the
 * answer is TAKE_LONG.  Bare CR, bare LF or NUL: TAKE_BAD, likewise.
 *                                       RFC 5321 4.1.1.4, 4.5.2, 2.3.8
 */
enum take conn_take_data(struct conn *c, uint64_t max, struct sink *sink);

/*
 * The descriptor that came last with what was read so far, or -1; the caller
 * closes it.  Earlier ones that nobody took are closed.
 */
int conn_take_fd(struct conn *c);

/* A sink in memory, and one that moves to an unlinked file when it grows. */
struct spool {
	struct sink sink;
	struct buf memory; /* the content while it is small */
	int fd;            /* or -1: everything is in memory */
	int dirfd;         /* where the file is made (O_TMPFILE); -1: memfd */
	uint64_t octets;
	size_t memory_max;
	bool failed;
	void *map; /* of spool_map */
	size_t map_len;
};
void spool_init(struct spool *s, size_t memory_max, int dirfd);
void spool_fini(struct spool *s);
CLEANUP_DEFINE_VALUE(struct spool, spool_fini)
/* The content in one piece: borrowed, mapped when it is a file. */
int spool_map(struct spool *s, struct span *out, struct err *err);
/*
 * Appends len octets of a file, copied by the kernel, so that whoever has the
 * file cannot change them later.
 *
 * Errors: ERR_SYNTAX, no regular file, or a shorter one; ERR_TEMP.
 */
int spool_append_file(
    struct spool *s, int fd, uint64_t offset, uint64_t len, struct err *err);
/* A descriptor with the content (a sealed memfd, or the file); caller closes.
 */
int spool_fd(struct spool *s, int *fd_out, struct err *err);

/* ---- writing -------------------------------------------------------- */

/*
 * Output is queued and drained when the session parks.  The worker waits for
 * its client only when more than CONN_OUTPUT_MAX octets are pending, with the
 * conn's deadline and minimum rate; then, and after any failure, output is
 * dropped and the next take answers TAKE_CLOSED or TAKE_TIMEOUT.
 */
#define CONN_OUTPUT_MAX (256 * 1024)
void conn_write(struct conn *c, struct span octets);
void conn_write_fmt(struct conn *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A range of a file, sent with sendfile when in clear.  Takes a reference
 * of its own to fd (dup), so the caller may close. */
int conn_write_file(
    struct conn *c, int fd, uint64_t offset, uint64_t len, struct err *err);
/* Octets queued and not yet taken by the kernel. */
size_t conn_output_pending(const struct conn *c);
/* Sends what the kernel takes now; serve() need not call it before parking. */
int conn_flush(struct conn *c, struct err *err);

/* ---- time ----------------------------------------------------------- */

/* A new limit for the next command (and the following ones). */
void conn_wait_ms(struct conn *c, unsigned wait_ms);

/*
 * Holds the conn back for ms before serve() is called again, whatever the
 * client sends (penalty after a wrong password); return VERDICT_PARK.  It
 * costs no thread.
 */
void conn_pause(struct conn *c, unsigned ms);

/* ---- TLS, addresses, hand-off --------------------------------------- */

/*
 * Starts the server side of TLS: queue the "go ahead" reply first, then call
 * this and return VERDICT_PARK.  Buffered input is dropped.  serve() is
 * called when the handshake is done (conn_tls true) and again for each line;
 * a failed handshake closes the conn and logs why.
 */
int conn_start_tls(struct conn *c, struct tls_context *tls, struct err *err);
bool conn_tls(const struct conn *c);
/* "TLSv1.3", "TLS_AES_256_GCM_SHA384", the name sent by SNI ("" if none). */
const char *conn_tls_version(const struct conn *c);
const char *conn_tls_cipher(const struct conn *c);
const char *conn_tls_server_name(const struct conn *c);

enum {
	CONN_ADDRESS_SIZE = 48
};
struct conn_peer {
	struct sockaddr_storage address, local; /* AF_UNSPEC: unix socket */
	char address_text[CONN_ADDRESS_SIZE];   /* "192.0.2.1", "unix" */
	char local_text[CONN_ADDRESS_SIZE];
	uint16_t port, local_port;
	uid_t uid; /* SO_PEERCRED of a Unix socket, else (uid_t)-1 */
};
const struct conn_peer *conn_peer(const struct conn *c);
/* As it stands there. */
void conn_address_text(const struct sockaddr_storage *address,
    char text[CONN_ADDRESS_SIZE], uint16_t *port_out);

enum {
	CONN_LOCAL_SIZE = 64
};
/* Ours: "192.0.2.1:995", "[2001:db8::1]:995", or "" for a Unix socket. */
static inline void
conn_local(const struct conn *c, char out[CONN_LOCAL_SIZE])
{
	const struct conn_peer *p = conn_peer(c);

	out[0] = '\0';
	if (p->local_port != 0)
		(void)snprintf(out, CONN_LOCAL_SIZE,
		    strchr(p->local_text, ':') == NULL ? "%s:%u" : "[%s]:%u",
		    p->local_text, p->local_port);
}

/*
 * Gives the descriptor away: in clear the socket itself with nothing lost
 * (buffered input is copied to *input); output must be drained.  With TLS,
 * one end of a new socket pair, while this conn becomes a relay that copies
 * octets both ways between TLS and the pair until either side closes, at no
 * cost of a thread.  In clear, return VERDICT_GONE afterwards; with TLS,
 * VERDICT_PARK: serve() is not called again, closed() when it ends.
 */
int conn_give_away(
    struct conn *c, int *fd_out, struct buf *input, struct err *err);

/* Puts octets in front of what is read next (input that came by handoff). */
int conn_unread(struct conn *c, struct span octets, struct err *err);

const struct err *conn_err(const struct conn *c);

#endif
