/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/removal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "store/account.h"
#include "store/marker.h"

#define ASIDE ".removed"

enum {
	NAME_MAX_OCTETS = 96, /* of an id, with ".removed" */
	/* Maildir++ is two deep; whatever is deeper is not ours. */
	DEPTH_MAX = 16
};

/* ---- where it is ------------------------------------------------------------
 */

/* The directory that holds it, open, and its name in there. */
struct place {
	int fd; /* -1: the directory is not there */
	char name[NAME_MAX_OCTETS], aside[NAME_MAX_OCTETS];
};

static void
place_fini(struct place *p)
{
	fd_close(p->fd);
}
CLEANUP_DEFINE_VALUE(struct place, place_fini)

static int
open_directory(int dirfd, const char *name, int *fd_out, struct err *err)
{
	*fd_out = openat(dirfd, name,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC |
		(dirfd == AT_FDCWD ? 0 : O_NOFOLLOW));
	if (*fd_out == -1 && errno != ENOENT)
		return err_sys(err, "open %s", name);
	return 0;
}

static int
shard_of(struct span account_id, char out[4], struct err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (EVP_Digest(account_id.p, account_id.len, digest, &len, EVP_sha256(),
		NULL) != 1)
		return err_set(err, ERR_TEMP, "SHA-256 failed");
	(void)snprintf(out, 4, "%02x", digest[0]);
	return 0;
}

static int
open_shard(int store, struct span tenant, struct span account_id, int *fd_out,
    struct err *err)
{
	CLEANUP(fd_close) int top = -1;
	char name[STORE_TENANT_MAX + 1], shard[4];

	*fd_out = -1;
	(void)snprintf(name, sizeof(name), "%.*s", SPAN_FMT(tenant));
	if (shard_of(account_id, shard, err) == -1 ||
	    open_directory(store, name, &top, err) == -1)
		return -1;
	return top == -1 ? 0 : open_directory(top, shard, fd_out, err);
}

static int
place_init(struct place *p, const char *store_path, struct span tenant,
    struct span account_id, struct err *err)
{
	CLEANUP(fd_close) int store = -1;
	struct span name = account_id.len == 0 ? tenant : account_id;

	p->fd = -1;
	if (!store_tenant_valid(tenant) ||
	    (account_id.len > 0 && !store_account_valid(account_id)))
		return err_set(err, ERR_SYNTAX,
		    "no name of a tenant, or no id of an account");
	(void)snprintf(p->name, sizeof(p->name), "%.*s", SPAN_FMT(name));
	(void)snprintf(
	    p->aside, sizeof(p->aside), "%.*s" ASIDE, SPAN_FMT(name));
	if (open_directory(AT_FDCWD, store_path, &store, err) == -1)
		return -1;
	if (store == -1)
		return 0;
	if (account_id.len == 0) {
		p->fd = fd_steal(&store);
		return 0;
	}
	return open_shard(store, tenant, account_id, &p->fd, err);
}

/* ---- aside and back ---------------------------------------------------------
 */

static int
move_durably(const struct place *p, const char *from, const char *to,
    bool *there_out, struct err *err)
{
	*there_out = false;
	if (p->fd == -1)
		return 0;
	if (renameat2(p->fd, from, p->fd, to, RENAME_NOREPLACE) == -1) {
		*there_out = errno == EEXIST;
		return errno == ENOENT || errno == EEXIST
			   ? 0
			   : err_sys(err, "rename %s", from);
	}
	*there_out = true;
	return fsync(p->fd) == -1 ? err_sys(err, "fsync") : 0;
}

int
removal_put_aside(const char *store_path, struct span tenant,
    struct span account_id, bool *there_out, struct err *err)
{
	CLEANUP(place_fini) struct place p = { .fd = -1 };
	bool there;
	int rc = place_init(&p, store_path, tenant, account_id, err);

	if (rc == 0)
		rc = move_durably(&p, p.name, p.aside, &there, err);
	if (there_out != NULL)
		*there_out = rc == 0 && there;
	return rc;
}

int
removal_put_back(const char *store_path, struct span tenant,
    struct span account_id, struct err *err)
{
	CLEANUP(place_fini) struct place p = { .fd = -1 };
	bool there;

	if (place_init(&p, store_path, tenant, account_id, err) == -1)
		return -1;
	return move_durably(&p, p.aside, p.name, &there, err);
}

/* ---- gone -------------------------------------------------------------------
 */

static int remove_tree(
    int dirfd, const char *name, unsigned depth, struct err *err);

static int
remove_content(int fd, unsigned depth, struct err *err)
{
	DIR *dir = fdopendir(fd);
	int rc = 0;

	if (dir == NULL) {
		fd_close(fd);
		return err_sys(err, "open directory");
	}
	while (rc == 0) {
		const struct dirent *d = readdir(dir);

		if (d == NULL)
			break;
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			rc = remove_tree(dirfd(dir), d->d_name, depth + 1, err);
	}
	(void)closedir(dir);
	return rc;
}

/* A link is removed, never followed: every step is by descriptor. */
static int
remove_tree(int dirfd, const char *name, unsigned depth, struct err *err)
{
	int fd;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(err, "remove %s", name);
	if (depth > DEPTH_MAX)
		return err_set(
		    err, ERR_TEMP, "%s: too many directories deep", name);
	fd = openat(
	    dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return err_sys(err, "open %s", name);
	if (remove_content(fd, depth, err) == -1)
		return -1;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == -1)
		return err_sys(err, "remove %s", name);
	return 0;
}

/* Whoever gets the name next begins anew. */
static int
forget_tenant(const struct place *p, struct err *err)
{
	char copy[sizeof(STORE_KNOWN) + STORE_TENANT_MAX];
	struct stat st;

	if (fstatat(p->fd, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	(void)snprintf(
	    copy, sizeof(copy), STORE_KNOWN "%.*s", STORE_TENANT_MAX, p->name);
	if (unlinkat(p->fd, copy, 0) == -1 && errno != ENOENT)
		return err_sys(err, "remove %s", copy);
	return 0;
}

int
removal_finish(const char *store_path, struct span tenant,
    struct span account_id, struct err *err)
{
	CLEANUP(place_fini) struct place p = { .fd = -1 };

	if (place_init(&p, store_path, tenant, account_id, err) == -1)
		return -1;
	if (p.fd == -1)
		return 0;
	if (remove_tree(p.fd, p.aside, 0, err) == -1)
		return -1;
	return account_id.len > 0 ? 0 : forget_tenant(&p, err);
}

/* ---- what is aside ----------------------------------------------------------
 */

struct walk {
	bool (*each)(void *arg, struct span account_id, struct err *err);
	void *arg;
};

static int
walk_shard(int top, const char *name, const struct walk *w, struct err *err)
{
	DIR *dir;
	int fd, rc = 0;

	if (open_directory(top, name, &fd, err) == -1)
		return -1;
	if (fd == -1)
		return 0;
	dir = fdopendir(fd);
	if (dir == NULL) {
		fd_close(fd);
		return err_sys(err, "open directory");
	}
	while (rc == 0) {
		const struct dirent *d = readdir(dir);
		struct span id;

		if (d == NULL)
			break;
		id = span_str(d->d_name);
		if (!span_ends(id, SPAN(ASIDE)))
			continue;
		id = span_first(id, id.len - strlen(ASIDE));
		if (store_account_valid(id) && !w->each(w->arg, id, err))
			rc = -1;
	}
	(void)closedir(dir);
	return rc;
}

int
removal_each(const char *store_path, struct span tenant,
    bool (*each)(void *arg, struct span account_id, struct err *err), void *arg,
    struct err *err)
{
	CLEANUP(place_fini) struct place p = { .fd = -1 };
	CLEANUP(fd_close) int top = -1;
	struct walk w = { each, arg };
	int rc = 0;

	if (place_init(&p, store_path, tenant, SPAN_NONE, err) == -1 ||
	    (p.fd != -1 && open_directory(p.fd, p.name, &top, err) == -1))
		return -1;
	for (unsigned i = 0; top != -1 && i < 256 && rc == 0; i++) {
		char shard[4];

		(void)snprintf(shard, sizeof(shard), "%02x", i);
		rc = walk_shard(top, shard, &w, err);
	}
	return rc;
}
