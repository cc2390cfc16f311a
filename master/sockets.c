/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

/* The kernel cuts it to net.core.somaxconn. */
#define LISTEN_BACKLOG 4096
#define BENEATH "/proc/self/fd/"

struct sockets {
	struct listening *first;
};

/* ---- our own, beneath a directory ------------------------------------------
 */

static int
address_beneath(
    int directory, const char *name, struct sockaddr_un *out, struct err *err)
{
	int len;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	len = snprintf(out->sun_path, sizeof(out->sun_path), BENEATH "%d/%s",
	    directory, name);
	if (len < 0 || (size_t)len >= sizeof(out->sun_path))
		return err_set(err, ERR_LIMIT, "socket name %s", name);
	return 0;
}

int
socket_bind_beneath(
    int directory, const char *name, int type, int *fd_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd == -1)
		return err_sys(err, "socket");
	if (address_beneath(directory, name, &address, err) == -1)
		return -1;
	if (unlinkat(directory, name, 0) == -1 && errno != ENOENT)
		return err_sys(err, "unlink %s", name);
	/* hikyakud's umask leaves 0600: only root connects. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		return err_sys(err, "bind %s", name);
	if (listen(fd, LISTEN_BACKLOG) == -1)
		return err_sys(err, "listen %s", name);
	*fd_out = fd_steal(&fd);
	return 0;
}

int
socket_connect_beneath(
    int directory, const char *name, int type, int *fd_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int flags;

	if (fd == -1)
		return err_sys(err, "socket");
	if (address_beneath(directory, name, &address, err) == -1)
		return -1;
	/* EAGAIN: its backlog is full. */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		return err_sys(err, "connect %s", name);
	flags = fcntl(fd, F_GETFL);
	if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
		return err_sys(err, "fcntl");
	*fd_out = fd_steal(&fd);
	return 0;
}

/* ---- the list
 * ---------------------------------------------------------------- */

struct sockets *
sockets_new(struct err *err)
{
	struct sockets *s = calloc(1, sizeof(*s));

	if (s == NULL)
		(void)err_set(err, ERR_TEMP, "out of memory");
	return s;
}

static void
listening_free(struct listening *l)
{
	fd_close(l->fd);
	free(l);
}

void
sockets_free(struct sockets *s)
{
	struct listening *next;

	if (s == NULL)
		return;
	for (struct listening *l = s->first; l != NULL; l = next) {
		next = l->next;
		listening_free(l);
	}
	free(s);
}

const struct listening *
sockets_first(const struct sockets *s)
{
	return s->first;
}

/* At the end, so that daemons see them in the file's order. */
static struct listening *
sockets_add(struct sockets *s, const struct service *service, const char *name,
    struct err *err)
{
	struct listening *l = calloc(1, sizeof(*l)), **at;

	if (l == NULL) {
		(void)err_set(err, ERR_TEMP, "out of memory");
		return NULL;
	}
	l->service = service;
	l->fd = -1;
	(void)snprintf(l->name, sizeof(l->name), "%s", name);
	for (at = &s->first; *at != NULL; at = &(*at)->next)
		;
	*at = l;
	return l;
}

static bool
address_eq(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const void *va = a, *vb = b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_UNIX) {
		const struct sockaddr_un *ua = va, *ub = vb;

		return strncmp(ua->sun_path, ub->sun_path,
			   sizeof(ua->sun_path)) == 0;
	}
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *ia = va, *ib = vb;

		return ia->sin_port == ib->sin_port &&
		       ia->sin_addr.s_addr == ib->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *sa = va, *sb = vb;

	return sa->sin6_port == sb->sin6_port &&
	       memcmp(&sa->sin6_addr, &sb->sin6_addr, 16) == 0;
}

static struct listening *
sockets_find(struct sockets *s, const char *name, bool internal,
    const struct service *service, const struct sockaddr_storage *address)
{
	for (struct listening *l = s->first; l != NULL; l = l->next)
		if (l->service == service && l->internal == internal &&
		    strcmp(l->name, name) == 0 &&
		    (internal || address_eq(&l->address, address)))
			return l;
	return NULL;
}

void
sockets_adopt(
    struct sockets *s, const struct service *service, const char *name, int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	struct listening *l;
	bool internal;

	if (getsockname(fd, (struct sockaddr *)&address, &len) == -1) {
		fd_close(fd);
		return;
	}
	internal = address.ss_family == AF_UNIX &&
		   strncmp(((struct sockaddr_un *)(void *)&address)->sun_path,
		       BENEATH, sizeof(BENEATH) - 1) == 0;
	if (sockets_find(s, name, internal, service, &address) != NULL ||
	    (l = sockets_add(s, service, name, NULL)) == NULL) {
		fd_close(fd);
		return;
	}
	l->internal = internal;
	l->address = address;
	l->address_len = len;
	l->fd = fd;
}

/* ---- opening
 * ------------------------------------------------------------------ */

/* A path that a server which died has left; a live one is not taken over. */
static int
unlink_stale(const struct sockaddr_un *address, struct err *err)
{
	CLEANUP(fd_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(address->sun_path, &st) == -1)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(
		    err, ERR_POLICY, "something that is no socket is there");
	if (fd != -1 && connect(fd, (const struct sockaddr *)address,
			    sizeof(*address)) == 0) {
		errno = EADDRINUSE;
		return err_sys(err, "another process listens");
	}
	if (unlink(address->sun_path) == -1)
		return err_sys(err, "unlink");
	return 0;
}

static int
open_unix(struct listening *l, gid_t group, struct err *err)
{
	const struct sockaddr_un *address = (const void *)&l->address;

	if (unlink_stale(address, err) == -1)
		return -1;
	if (bind(l->fd, (struct sockaddr *)&l->address, l->address_len) == -1)
		return err_sys(err, "bind");
	/* For root and the daemon's group. */
	if (chown(address->sun_path, (uid_t)-1, group) == -1 ||
	    chmod(address->sun_path, 0660) == -1)
		return err_sys(err, "chmod");
	return 0;
}

static int
open_inet(struct listening *l, struct err *err)
{
	int on = 1;

	if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		return err_sys(err, "SO_REUSEADDR");
	/* [::] and 0.0.0.0 side by side, each what it says. */
	if (l->address.ss_family == AF_INET6 &&
	    setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1)
		return err_sys(err, "IPV6_V6ONLY");
	if (bind(l->fd, (struct sockaddr *)&l->address, l->address_len) == -1)
		return err_sys(err, "bind");
	return 0;
}

static int
listening_open(struct listening *l, gid_t group, struct err *err)
{
	int family = l->address.ss_family;

	l->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1)
		return err_sys(err, "socket");
	if ((family == AF_UNIX ? open_unix(l, group, err)
			       : open_inet(l, err)) == -1)
		return -1;
	if (listen(l->fd, LISTEN_BACKLOG) == -1)
		return err_sys(err, "listen");
	return 0;
}

static int
open_one(struct sockets *s, const struct master_conf *conf, const char *name,
    const char *text, struct err *err)
{
	const struct service *service = service_of_listener(name);
	struct sockaddr_storage address;
	struct listening *l;
	socklen_t len;
	uid_t uid;
	gid_t gid;

	if (conf_address_parse(text, &address, &len, err) == -1 ||
	    master_conf_user(conf,
		service->client == NULL ? service
					: service_find(service->client),
		&uid, &gid, err) == -1)
		return -1;
	l = sockets_find(s, name, false, service, &address);
	if (l == NULL) {
		l = sockets_add(s, service, name, err);
		if (l == NULL)
			return -1;
		l->fresh = true;
		l->address = address;
		l->address_len = len;
		if (listening_open(l, gid, err) == -1)
			return -1;
	}
	(void)snprintf(l->text, sizeof(l->text), "%s", text);
	l->wanted = true;
	return 0;
}

static int
open_internal(struct sockets *s, const struct service *service,
    int internal_dir, struct err *err)
{
	struct listening *l =
	    sockets_find(s, service->internal, true, service, NULL);

	if (l == NULL) {
		l = sockets_add(s, service, service->internal, err);
		if (l == NULL)
			return -1;
		l->internal = l->fresh = true;
		if (socket_bind_beneath(internal_dir, service->name,
			service->internal_type, &l->fd, err) == -1)
			return -1;
	}
	l->wanted = true;
	return 0;
}

static int
open_all(struct sockets *s, const struct master_conf *conf, int internal_dir,
    struct err *err)
{
	for (size_t i = 0; i < conf->listeners.len; i++) {
		const struct conf_listener *c = &conf->listeners.items[i];

		for (size_t k = 0; k < c->address.len; k++)
			if (open_one(s, conf, c->name, c->address.items[k],
				err) == -1)
				return err_prefix(err, "%s: listen %s: %s",
				    conf->file, c->name, c->address.items[k]);
	}
	for (size_t i = 0; i < services_len; i++)
		if (services[i].internal != NULL &&
		    master_conf_wants(conf, &services[i]) &&
		    open_internal(s, &services[i], internal_dir, err) == -1)
			return err_prefix(err, "%s", services[i].name);
	return 0;
}

int
sockets_open(struct sockets *s, const struct master_conf *conf,
    int internal_dir, struct err *err)
{
	for (struct listening *l = s->first; l != NULL; l = l->next)
		l->wanted = l->fresh = false;
	if (open_all(s, conf, internal_dir, err) == 0)
		return 0;
	sockets_rollback(s);
	return -1;
}

static void
sockets_drop(struct sockets *s, bool fresh)
{
	struct listening **at = &s->first;

	while (*at != NULL) {
		struct listening *l = *at;

		if (fresh ? l->fresh : !l->wanted) {
			*at = l->next;
			listening_free(l);
		} else {
			at = &l->next;
		}
	}
}

void
sockets_commit(struct sockets *s)
{
	sockets_drop(s, false);
}

void
sockets_rollback(struct sockets *s)
{
	sockets_drop(s, true);
}
