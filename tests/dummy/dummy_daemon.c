/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon for tests of hikyakud: under whatever name it is installed it is
 * that daemon, and on each of its listeners it answers lines:
 *
 *	pid, uid, role, file, greeting, listeners, version
 *	connect NAME TENANT SHARD	the pid of the process at the other end
 *	directory TENANT		"made"
 *	open PATH			"opened", or the errno's name
 *	sleep				answers nothing (a hanging worker)
 *	crash				by abort()
 */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/conn.h"
#include "common/daemon.h"
#include "common/log.h"

struct dummy_conf {
	char *greeting;
	bool refuse;
	uint64_t count;
};

static const struct conf_key keys[] = {
	CONF_STRING(
	    struct dummy_conf, greeting, "greeting", "hello", "what it says"),
	CONF_BOOL(struct dummy_conf, refuse, "refuse", "no", "does not start"),
	CONF_COUNT(struct dummy_conf, count, "count", "1", 1, 10, "a number"),
};

struct dummy {
	struct daemon *daemon;
};

struct session {
	struct dummy *dummy;
	struct log log;
	bool greeted;
};

/* ---- commands
 * ---------------------------------------------------------------- */

static void
say_connected(struct dummy *dummy, struct conn *c, const char *name,
    const char *tenant, unsigned shard)
{
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;
	char reply[256] = "";
	ssize_t len;

	if (daemon_connect(dummy->daemon, name, tenant, shard, &fd, &err) ==
	    -1) {
		conn_write_fmt(
		    c, "%s %s\r\n", err_kind_name(err.kind), err.text);
		return;
	}
	/* Its greeting, then the answer. */
	len = recv(fd, reply, sizeof(reply) - 1, 0);
	if (len > 0 && send(fd, "pid\r\n", 5, MSG_NOSIGNAL) == 5) {
		memset(reply, 0, sizeof(reply));
		len = recv(fd, reply, sizeof(reply) - 1, 0);
	}
	conn_write_fmt(c, "%s", len > 0 ? reply : "closed\r\n");
}

static void
say_listeners(struct dummy *dummy, struct conn *c)
{
	const struct daemon_listener *l;
	size_t len = daemon_listeners(dummy->daemon, &l);

	for (size_t i = 0; i < len; i++)
		conn_write_fmt(c, "%s%s", i > 0 ? " " : "", l[i].name);
	conn_write(c, SPAN("\r\n"));
}

static void
say_open(struct conn *c, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	conn_write_fmt(
	    c, "%s\r\n", fd == -1 ? strerrorname_np(errno) : "opened");
	if (fd != -1)
		(void)close(fd);
}

static void
command(struct session *s, struct conn *c, struct span line)
{
	const struct dummy_conf *conf = daemon_section(s->dummy->daemon);
	struct daemon *d = s->dummy->daemon;
	char text[512], name[64], tenant[64];
	struct err err = ERR_INIT;
	unsigned shard;

	(void)snprintf(text, sizeof(text), "%.*s", SPAN_FMT(line));
	if (strcmp(text, "pid") == 0)
		conn_write_fmt(c, "%ld\r\n", (long)getpid());
	else if (strcmp(text, "uid") == 0)
		conn_write_fmt(c, "%ld\r\n", (long)geteuid());
	else if (strcmp(text, "role") == 0)
		conn_write_fmt(
		    c, "%d %s\r\n", (int)daemon_role(d), daemon_tenant_name(d));
	else if (strcmp(text, "greeting") == 0)
		conn_write_fmt(c, "%s\r\n", conf->greeting);
	else if (strcmp(text, "listeners") == 0)
		say_listeners(s->dummy, c);
	else if (strcmp(text, "crash") == 0)
		abort();
	else if (strcmp(text, "sleep") == 0)
		(void)sleep(3600);
	else if (strncmp(text, "open ", 5) == 0)
		say_open(c, text + 5);
	else if (sscanf(text, "connect %63s %63s %u", name, tenant, &shard) ==
		 3)
		say_connected(s->dummy, c, name, tenant, shard);
	else if (sscanf(text, "directory %63s", tenant) == 1)
		conn_write_fmt(c, "%s\r\n",
		    daemon_tenant_directory(d, tenant, &err) == 0 ? "made"
								  : err.text);
	else
		conn_write(c, SPAN("what?\r\n"));
}

/* ---- sessions
 * ------------------------------------------------------------------ */

static enum verdict
serve(struct conn *c, void *session)
{
	struct session *s = session;
	const struct dummy_conf *conf = daemon_section(s->dummy->daemon);
	struct span line;

	if (!s->greeted)
		conn_write_fmt(c, "%s\r\n", conf->greeting);
	s->greeted = true;
	for (;;) {
		switch (conn_take_line(c, true, &line)) {
		case TAKE_OK:
			command(s, c, line);
			continue;
		case TAKE_MORE:
			if (!conn_draining(c))
				return VERDICT_PARK;
			conn_write(c, SPAN("bye\r\n"));
			return VERDICT_CLOSE;
		default:
			return VERDICT_CLOSE;
		}
	}
}

static void
closed(void *session)
{
	struct session *s = session;

	counter_sub(daemon_counters(s->dummy->daemon), COUNTER_SESSIONS, 1);
	free(s);
}

static void
accepted(struct reactor *r, int fd, void *arg)
{
	static const struct conn_service service = { .serve = serve,
		.closed = closed };
	struct dummy *dummy = arg;
	struct session *s = calloc(1, sizeof(*s));
	struct conn_options options = { .service = &service,
		.session = s,
		.line_max = 512,
		.wait_ms = 600000 };
	struct conn *c;

	if (s == NULL) {
		(void)close(fd);
		return;
	}
	s->dummy = dummy;
	options.log = &s->log;
	counter_add(daemon_counters(dummy->daemon), COUNTER_SESSIONS, 1);
	counter_add(daemon_counters(dummy->daemon), COUNTER_CONNECTIONS, 1);
	if (conn_new(r, fd, &options, &c, NULL) == -1)
		closed(s);
}

/* ---- the program
 * --------------------------------------------------------------- */

static int
check(const void *section, struct err *err)
{
	const struct dummy_conf *conf = section;

	if (strcmp(conf->greeting, "forbidden") == 0)
		return err_set(err, ERR_SYNTAX, "greeting: forbidden");
	return 0;
}

static int
start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	const struct dummy_conf *conf = daemon_section(d);
	const struct daemon_listener *l;
	size_t len = daemon_listeners(d, &l);
	struct dummy *dummy = state;

	if (conf->refuse)
		return err_set(err, ERR_TEMP, "told not to start");
	dummy->daemon = d;
	for (size_t i = 0; i < len; i++) {
		struct reactor_listener listener = {
			.fd = l[i].fd, .accepted = accepted, .arg = dummy
		};

		if (reactor_listen(r, &listener, err) == -1)
			return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	const char *name = basename(argv[0]);
	const struct conf_section section = { name, keys,
		sizeof(keys) / sizeof(keys[0]), sizeof(struct dummy_conf) };
	const struct daemon_program program = {
		.spec = { .name = name, .conf = &section, .check = check },
		.size = sizeof(struct dummy),
		.start = start,
	};

	return daemon_main(argc, argv, &program);
}
