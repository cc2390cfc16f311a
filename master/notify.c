/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/span.h"

struct notify {
	int fd;
	struct sockaddr_un address;
	socklen_t address_len;
	uint64_t watchdog_ms; /* between two calls; 0: no watchdog */
	uint64_t due_ms;
};

static uint64_t
watchdog_interval(void)
{
	const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (pid != NULL && (!span_to_u64(span_str(pid), &number) ||
			       number != (uint64_t)getpid()))
		return 0;
	if (us == NULL || !span_to_u64(span_str(us), &number))
		return 0;
	/* Twice as often as is asked for. */
	return number / 2000 > 0 ? number / 2000 : 1;
}

struct notify *
notify_new(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	CLEANUP(notify_free) struct notify *n = NULL;
	size_t len;

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return NULL;
	len = strlen(path);
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return NULL;
	n->fd = -1;
	if (len >= sizeof(n->address.sun_path))
		return NULL;
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, path, len);
	if (path[0] == '@') /* the abstract name space */
		n->address.sun_path[0] = '\0';
	n->address_len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd == -1)
		return NULL;
	n->watchdog_ms = watchdog_interval();
	n->due_ms = n->watchdog_ms == 0 ? 0 : 1;
	return STEAL(n);
}

void
notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	fd_close(n->fd);
	free(n);
}

void
notify_send(struct notify *n, const char *text)
{
	if (n != NULL)
		(void)sendto(n->fd, text, strlen(text),
		    MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&n->address,
		    n->address_len);
}

void
notify_reloading(struct notify *n)
{
	struct timespec now;
	char text[80];

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	notify_send(n, text);
}

uint64_t
notify_watchdog(struct notify *n, uint64_t now_ms)
{
	if (n == NULL || n->watchdog_ms == 0)
		return 0;
	if (now_ms >= n->due_ms) {
		notify_send(n, "WATCHDOG=1");
		n->due_ms = now_ms + n->watchdog_ms;
	}
	return n->due_ms;
}
