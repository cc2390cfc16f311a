/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listening sockets.  hikyakud keeps each open while its daemon restarts,
 * so that no client is refused meanwhile; a successor gets them back from the
 * daemons.
 */
#ifndef HK_MASTER_SOCKETS_H
#define HK_MASTER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "master/conf.h"
#include "master/service.h"

struct listening {
	struct listening *next;
	const struct service *service;
	char name[32];
	char text[160]; /* the address as configured; "" of an internal one */
	struct sockaddr_storage address;
	socklen_t address_len;
	int fd;
	bool internal;
	bool fresh;  /* opened by a reload that may still fail */
	bool wanted; /* in the configuration being applied */
};

struct sockets;

struct sockets *sockets_new(struct err *err);
void sockets_free(struct sockets *s);
CLEANUP_DEFINE_PTR(struct sockets, sockets_free)

/*
 * Takes a socket that a daemon gave back.  One that the configuration does
 * not name stays until sockets_commit.  Closes it when it is there already.
 */
void sockets_adopt(
    struct sockets *s, const struct service *service, const char *name, int fd);

/*
 * Opens what the configuration names and is not open yet, and the internal
 * ones of its services beneath internal_dir.  On failure what it opened is
 * closed again, and the error names the listener and the address.
 */
int sockets_open(struct sockets *s, const struct master_conf *conf,
    int internal_dir, struct err *err);
/* Closes what the configuration of the last sockets_open does not name. */
void sockets_commit(struct sockets *s);
/* Closes what the last sockets_open opened. */
void sockets_rollback(struct sockets *s);

const struct listening *sockets_first(const struct sockets *s);

/*
 * Our own Unix sockets beneath a directory; the path goes by /proc/self/fd,
 * so that its length does not depend on where the directory is.
 */
int socket_bind_beneath(
    int directory, const char *name, int type, int *fd_out, struct err *err);
int socket_connect_beneath(
    int directory, const char *name, int type, int *fd_out, struct err *err);

#endif
