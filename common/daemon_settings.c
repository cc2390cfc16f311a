/* SPDX-License-Identifier: BSD-2-Clause */
/* What START and RELOAD bring: configuration, TLS material, log, listeners. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/conf_outline.h"
#include "common/daemon_conf.h"
#include "common/daemon_private.h"
#include "common/file.h"
#include "common/log.h"

static void
material_fini(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

static void
settings_free(const struct daemon *d, struct daemon_settings *s)
{
	if (s->section != NULL)
		conf_section_fini(d->spec.conf, s->section);
	free(s->section);
	if (d->spec.titled != NULL)
		conf_titled_fini(&s->titled);
	conf_section_fini(&daemon_top_section, &s->top);
	conf_section_fini(&daemon_tls_section, &s->tls);
	material_fini(&s->tls_material);
	free(s);
}

void
daemon_settings_free(struct daemon *d)
{
	struct daemon_settings *s = atomic_exchange(&d->settings, NULL), *older;

	for (; s != NULL; s = older) {
		older = s->older;
		settings_free(d, s);
	}
}

static int
settings_parse(const struct daemon *d, struct daemon_settings *s,
    struct span text, const char *file, struct err *err)
{
	s->section = calloc(1, d->spec.conf->size);
	if (s->section == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (conf_parse(&daemon_top_section, text, file, &s->top, err) == -1 ||
	    daemon_conf_check(&s->top, file, err) == -1 ||
	    conf_parse(&daemon_tls_section, text, file, &s->tls, err) == -1 ||
	    conf_parse(d->spec.conf, text, file, s->section, err) == -1)
		return -1;
	if (d->spec.titled != NULL && conf_titled_parse(d->spec.titled, text,
					  file, &s->titled, err) == -1)
		return -1;
	if (daemon_check(&d->spec, s->section, &s->titled, err) == -1)
		return err_prefix(err, "%s: %s", file, d->spec.name);
	return 0;
}

static int
settings_read(const struct daemon *d, struct daemon_settings *s,
    struct control_packet *p, struct err *err)
{
	CLEANUP(fd_close) int conf = control_packet_take_fd(p, "conf");
	CLEANUP(fd_close) int tls = control_packet_take_fd(p, "tls");
	CLEANUP(buf_fini) struct buf text = { .max = 0 };

	buf_init(&text, CONF_TEXT_MAX);
	if (conf == -1)
		return err_set(err, ERR_SYNTAX, "no configuration came");
	if (file_read_fd(conf, &text, err) == -1)
		return err_prefix(err, "%s", p->file);
	if (tls != -1 && file_read_fd(tls, &s->tls_material, err) == -1)
		return err_prefix(err, "certificates");
	return settings_parse(d, s, buf_span(&text), p->file, err);
}

/* A log that cannot be opened is no reason to stop mail. */
static void
settings_log(const struct daemon *d, const struct daemon_conf *top,
    struct control_packet *p)
{
	struct err err = ERR_INIT;

	if (log_open(d->spec.name, (enum log_target)top->log_target,
		control_packet_take_fd(p, "log"),
		(enum log_level)top->log_level, &err) == -1)
		log_error(&log_process, "log not opened", log_err(&err));
}

int
daemon_settings_take(
    struct daemon *d, struct control_packet *p, struct err *err)
{
	struct daemon_settings *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	buf_init(&s->tls_material, DAEMON_TLS_MAX);
	if (settings_read(d, s, p, err) == -1) {
		settings_free(d, s);
		return -1;
	}
	settings_log(d, &s->top, p);
	s->older = atomic_load(&d->settings);
	if (s->older == NULL)
		d->shards = s->top.shards;
	else if (s->top.shards != d->shards)
		log_warning(&log_process,
		    "session-shards changes with the next restart",
		    log_u64("in_force", d->shards));
	atomic_store(&d->settings, s);
	if (s->older != NULL)
		material_fini(&s->older->tls_material);
	return 0;
}

/* ---- listeners
 * --------------------------------------------------------------- */

/* Descriptors of one socket have one inode, in whatever process. */
static bool
same_socket(int a, int b)
{
	struct stat one, two;

	return fstat(a, &one) == 0 && fstat(b, &two) == 0 &&
	       one.st_ino == two.st_ino && one.st_dev == two.st_dev;
}

static struct daemon_listener *
listener_like(struct daemon *d, const char *name, int fd)
{
	for (size_t i = 0; i < d->listeners_len; i++)
		if (strcmp(d->listeners[i].name, name) == 0 &&
		    (fd == -1 || same_socket(d->listeners[i].fd, fd)))
			return &d->listeners[i];
	return NULL;
}

static int
listener_add(struct daemon *d, const char *name, struct control_fd *from,
    struct err *err)
{
	struct daemon_listener *l = &d->listeners[d->listeners_len];
	const struct daemon_listener *like = listener_like(d, name, -1);

	if (d->listeners_len == CONTROL_FDS_MAX ||
	    strlen(name) >= sizeof(l->name))
		return err_set(err, ERR_LIMIT, "listener %s", name);
	if (d->reactor != NULL) {
		if (like == NULL)
			return err_set(err, ERR_POLICY,
			    "a listener %s is new to this %s; it opens with "
			    "the next restart",
			    name, d->spec.name);
		if (reactor_listen_like(d->reactor, like->fd, from->fd, err) ==
		    -1)
			return -1;
	}
	strcpy(l->name, name);
	l->fd = fd_steal(&from->fd);
	d->listeners_len++;
	return 0;
}

static void
listener_remove(struct daemon *d, size_t at)
{
	int fd = d->listeners[at].fd;

	if (d->reactor != NULL)
		reactor_unlisten(d->reactor, fd);
	(void)shutdown(fd, SHUT_RDWR);
	d->retired[d->retired_len++] = fd;
	d->listeners[at] = d->listeners[--d->listeners_len];
}

static void
retired_close(struct daemon *d)
{
	while (d->retired_len > 0)
		fd_close(d->retired[--d->retired_len]);
}

void
daemon_listeners_free(struct daemon *d)
{
	while (d->listeners_len > 0)
		fd_close(d->listeners[--d->listeners_len].fd);
	retired_close(d);
}

/* New ones first: a namesake that goes away says how they are handled. */
int
daemon_listeners_take(
    struct daemon *d, struct control_packet *p, struct err *err)
{
	static const char prefix[] = "listen:";
	bool kept[CONTROL_FDS_MAX] = { false };
	size_t before = d->listeners_len;

	retired_close(d);
	for (size_t i = 0; i < p->fds_len; i++) {
		struct control_fd *from = &p->fds[i];
		const char *name = from->name + sizeof(prefix) - 1;
		const struct daemon_listener *old;

		if (from->fd == -1 ||
		    strncmp(from->name, prefix, sizeof(prefix) - 1) != 0)
			continue;
		old = listener_like(d, name, from->fd);
		if (old != NULL)
			kept[old - d->listeners] = true;
		else if (listener_add(d, name, from, err) == -1)
			return -1;
	}
	for (size_t i = before; i-- > 0;)
		if (!kept[i])
			listener_remove(d, i);
	return 0;
}
