/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/packet.h"
#include "master/admin_protocol.h"
#include "master/reload.h"
#include "master/unit.h"

/* The command reads as fast as it can; a stopped one is given up. */
#define ADMIN_SEND_WAIT_MS 500
#define ADMIN_CLIENTS_MAX 32

struct admin_client {
	struct admin_client *next;
	int fd;
	struct watch watch;
	bool waits_for_reload;
};

struct admin {
	int fd;
	struct watch watch;
	struct admin_client *clients;
	size_t clients_len;
};

int
admin_new(struct master *m, struct admin **admin_out, struct err *err)
{
	CLEANUP(admin_free) struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	a->fd = -1;
	a->watch = (struct watch){ WATCH_ADMIN, a };
	if (socket_bind_beneath(
		m->run_dir, ADMIN_SOCKET, SOCK_SEQPACKET, &a->fd, err) == -1 ||
	    master_watch(m, a->fd, &a->watch, err) == -1)
		return -1;
	*admin_out = STEAL(a);
	return 0;
}

void
admin_free(struct admin *a)
{
	if (a == NULL)
		return;
	while (a->clients != NULL) {
		struct admin_client *c = a->clients;

		a->clients = c->next;
		fd_close(c->fd);
		free(c);
	}
	fd_close(a->fd);
	free(a);
}

void
admin_accept(struct master *m)
{
	CLEANUP(fd_close)
	int fd =
	    accept4(m->admin->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct admin_client *c;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd == -1 || m->admin->clients_len >= ADMIN_CLIENTS_MAX)
		return;
	/* The socket's mode says so too. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 ||
	    peer.uid != geteuid())
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	c->watch = (struct watch){ WATCH_ADMIN_CLIENT, c };
	c->fd = fd;
	if (master_watch(m, fd, &c->watch, NULL) == -1) {
		free(c);
		return;
	}
	(void)fd_steal(&fd);
	c->next = m->admin->clients;
	m->admin->clients = c;
	m->admin->clients_len++;
}

void
admin_sweep(struct master *m)
{
	struct admin_client **at = &m->admin->clients, *c;

	while ((c = *at) != NULL) {
		if (c->fd != -1) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		m->admin->clients_len--;
		free(c);
	}
}

static void
admin_gone(struct admin_client *c)
{
	fd_close(c->fd);
	c->fd = -1;
}

static void
admin_say(struct admin_client *c, enum admin_type type, const char *text)
{
	CLEANUP(buf_fini) struct buf b = { .max = 0 };

	if (c->fd == -1)
		return;
	buf_init(&b, PACKET_MAX);
	packet_begin(
	    &b, (struct packet_head){ ADMIN_VERSION, (uint8_t)type, 0 });
	if (text != NULL)
		packet_put_str(&b, ADMIN_TEXT, text);
	if (buf_check(&b, NULL) == -1 || packet_send(c->fd, buf_span(&b), NULL,
					     0, ADMIN_SEND_WAIT_MS, NULL) == -1)
		admin_gone(c);
}

/* ---- status
 * ---------------------------------------------------------------------- */

static const char *const state_names[] = { [UNIT_DOWN] = "down",
	[UNIT_LOOKUP] = "starting",
	[UNIT_STARTING] = "starting",
	[UNIT_READY] = "running",
	[UNIT_DRAINING] = "draining" };

static void
put_listeners(struct buf *row, const struct master *m, const struct unit *u)
{
	const char *before = "";

	if (u->role == DAEMON_SESSION)
		return;
	for (const struct listening *l = sockets_first(m->sockets); l != NULL;
	     l = l->next) {
		if (l->service != u->service || l->internal || !l->wanted)
			continue;
		buf_append_fmt(row, "%s%s %s", before, l->name, l->text);
		before = ", ";
	}
}

static void
say_unit(struct admin_client *c, const struct master *m, const struct unit *u)
{
	CLEANUP(buf_fini) struct buf row = { .max = 0 };
	char title[128];

	buf_init(&row, PACKET_MAX / 2);
	unit_title(u, title, sizeof(title));
	buf_append_fmt(&row, "%s\t%s\t", title, state_names[u->state]);
	if (u->pid != 0)
		buf_append_fmt(
		    &row, "%ld\t%lld\t", (long)u->pid, (long long)u->since);
	else
		buf_append(&row, SPAN("-\t-\t"));
	buf_append_fmt(&row, "%u\t%llu\t", u->restarts,
	    u->counters == NULL ? 0ULL
				: (unsigned long long)atomic_load(
				      &u->counters->value[COUNTER_SESSIONS]));
	put_listeners(&row, m, u);
	admin_say(c, ADMIN_ROW, buf_str(&row));
}

/* Mail that is safe and not in its mailbox yet. */
static void
say_backlog(struct admin_client *c, const struct unit *u)
{
	CLEANUP(buf_fini) struct buf row = { .max = 0 };
	char title[128];

	if (u->counters == NULL ||
	    u->counters->count <= COUNTER_BACKLOG_OLDEST_MS)
		return;
	buf_init(&row, PACKET_MAX / 2);
	unit_title(u, title, sizeof(title));
	buf_append_str(&row, title);
	for (int i = COUNTER_BACKLOG_MESSAGES; i <= COUNTER_BACKLOG_OLDEST_MS;
	     i++)
		buf_append_fmt(&row, "\t%llu",
		    (unsigned long long)atomic_load(&u->counters->value[i]));
	admin_say(c, ADMIN_BACKLOG, buf_str(&row));
}

static void
say_status(struct master *m, struct admin_client *c)
{
	char row[128];

	(void)snprintf(row, sizeof(row), "hikyakud\t%s\t%ld\t%lld\t0\t-\t",
	    m->phase == PHASE_RUN ? "running" : "draining", (long)getpid(),
	    (long long)m->since);
	admin_say(c, ADMIN_ROW, row);
	for (const struct unit *u = m->units; u != NULL; u = u->next)
		if (u->role != DAEMON_SESSION || u->pid != 0)
			say_unit(c, m, u);
	for (const struct unit *u = m->units; u != NULL; u = u->next)
		if (strcmp(u->service->name, "deliveryd") == 0)
			say_backlog(c, u);
	admin_say(c, ADMIN_OK, NULL);
}

/* ---- requests
 * --------------------------------------------------------------------- */

void
admin_reload_done(struct master *m, const char *trouble)
{
	for (struct admin_client *c = m->admin->clients; c != NULL;
	     c = c->next) {
		if (!c->waits_for_reload)
			continue;
		c->waits_for_reload = false;
		if (trouble[0] == '\0')
			admin_say(c, ADMIN_OK, NULL);
		else
			admin_say(c, ADMIN_ERROR, trouble);
	}
}

void
admin_ready(struct master *m, struct admin_client *c)
{
	CLEANUP(buf_fini) struct buf b = { .max = 0 };
	struct packet_head head;
	struct span fields;
	struct err err = ERR_INIT;

	if (c->fd == -1)
		return;
	buf_init(&b, PACKET_MAX);
	if (packet_recv(c->fd, &b, NULL, 0, NULL, 0, &err) == -1 ||
	    packet_open(buf_span(&b), ADMIN_VERSION, &head, &fields, &err) ==
		-1) {
		if (err.os != ETIMEDOUT)
			admin_gone(c);
		return;
	}
	switch (head.type) {
	case ADMIN_STATUS:
		say_status(m, c);
		break;
	case ADMIN_RELOAD:
		c->waits_for_reload = true;
		reload_begin(m);
		break;
	case ADMIN_STOP:
		admin_say(c, ADMIN_OK, NULL);
		master_stop(m);
		break;
	default:
		admin_say(c, ADMIN_ERROR, "no such request");
	}
}
