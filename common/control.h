/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control protocol between hikyakud and a daemon, packets (packet.h) over
 * one connected socket.  Both sides ask; an answer bears the serial of its
 * question, and each side numbers its own.
 *
 *	hikyakud asks	fields and descriptors		answer
 *	START		FILE, FD...			OK
 *	ADOPT		-				OK STATE FD...
 *	RELOAD		FILE, FD...			OK or ERROR
 *	DRAIN		WAIT_MS				OK
 *
 *	a daemon asks
 *	READY		-				none
 *	CONNECT		NAME TENANT SHARD		OK FD, or ERROR
 *	DIRECTORY	TENANT				OK or ERROR
 *
 * The n-th FD field names the n-th descriptor: "conf" (the configuration's
 * text), "tls" (the ticket secret, then PEM), "counters", "log", and
 * "listen:NAME" for each listening socket.  RELOAD's listeners are the whole
 * new set.  ADOPT gives back "counters" and the listeners.
 */
#ifndef HK_COMMON_CONTROL_H
#define HK_COMMON_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/packet.h"

#define CONTROL_VERSION 1

enum control_type {
	CONTROL_START = 1,
	CONTROL_ADOPT = 2,
	CONTROL_RELOAD = 3,
	CONTROL_DRAIN = 4,
	CONTROL_READY = 16,
	CONTROL_CONNECT = 17,
	CONTROL_DIRECTORY = 18,
	CONTROL_OK = 128,
	CONTROL_ERROR = 129,
};

enum control_tag {
	CONTROL_FD = 1,   /* the name of the next descriptor */
	CONTROL_FILE = 2, /* the configuration file's name, for messages */
	CONTROL_NAME = 3, /* of the process to be connected with */
	CONTROL_TENANT = 4,
	CONTROL_SHARD = 5,   /* number */
	CONTROL_WAIT_MS = 6, /* number */
	CONTROL_KIND = 7,    /* number: enum err_kind of an ERROR */
	CONTROL_TEXT = 8,    /* of an ERROR */
	CONTROL_STATE = 9,   /* number: enum control_state */
};

enum control_state {
	CONTROL_STATE_STARTING,
	CONTROL_STATE_READY
};

/* Listening sockets that one daemon can have. */
#define CONTROL_FDS_MAX 64

struct control_packet {
	struct packet_head head;
	char file[4096], name[64], tenant[64], text[256];
	uint64_t shard, wait_ms, kind, state;
	struct control_fd {
		char name[48];
		int fd; /* owned by the packet */
	} fds[CONTROL_FDS_MAX];
	size_t fds_len;
};

/*
 * Receives one packet; p is overwritten, and control_packet_fini closes what
 * was not taken from it, in any case.  Errors: as packet_recv, and ERR_SYNTAX
 * when its fields or descriptors do not fit each other.
 */
int control_recv(int fd, struct buf *room, struct control_packet *p,
    int timeout_ms, struct err *err);
/* The octets of one, whose descriptors are in p->fds already. */
int control_parse(
    struct control_packet *p, struct span octets, struct err *err);
void control_packet_init(struct control_packet *p);
void control_packet_fini(struct control_packet *p);
CLEANUP_DEFINE_VALUE(struct control_packet, control_packet_fini)

/* The descriptor of that name, which the caller then owns; -1: none. */
int control_packet_take_fd(struct control_packet *p, const char *name);

/*
 * Building one: begin, add fields with packet_put..., add descriptors
 * (borrowed), send.
 */
struct control_draft {
	struct buf text;
	int fds[CONTROL_FDS_MAX];
	size_t fds_len;
};
void control_begin(
    struct control_draft *d, enum control_type type, uint32_t serial);
void control_put_fd(struct control_draft *d, const char *name, int fd);
int control_send(
    struct control_draft *d, int fd, int timeout_ms, struct err *err);
void control_draft_fini(struct control_draft *d);
CLEANUP_DEFINE_VALUE(struct control_draft, control_draft_fini)

/* An ERROR answer from an err, and an err from an ERROR answer (-1). */
int control_send_err(int fd, uint32_t serial, const struct err *why);
int control_err(const struct control_packet *p, struct err *err);

#endif
