/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tenant's directory.  It is made as .new-NAME, given away and flushed, and
 * only then gets its name, so that whoever sees the name may put mail into it
 * at once.  Should a power cut take the name back, the mail is in .new-NAME,
 * which the next call takes again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/account.h"
#include "store/disk.h"
#include "store/marker.h"

#define NEW ".new-"
#define NAME_ROOM (sizeof(STORE_KNOWN) + STORE_TENANT_MAX)

/* The directory's owner must be uid, or nobody has used it yet. */
static int
give_away(int fd, const char *name, uid_t uid, gid_t gid, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_sys(err, "stat tenant %s", name);
	if (uid == (uid_t)-1 || st.st_uid == uid)
		return 0;
	/* Ours and empty: just made, by us or by a run that then died. */
	if (st.st_uid != geteuid() || st.st_nlink > 2)
		return err_set(err, ERR_POLICY,
		    "the directory of tenant %s belongs to uid %u, not to %u",
		    name, (unsigned)st.st_uid, (unsigned)uid);
	if (fchown(fd, uid, gid) == -1)
		return err_sys(err, "chown tenant %s", name);
	return 0;
}

/* Makes store/name, as far as it is missing, gives it its marker and flushes
 * it.  One that has its name already is compared with its marker's copy. */
static int
make_directory(int store_fd, const char *name, const char *copy, uid_t uid,
    gid_t gid, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	struct marker_place place = {
		.copy_directory = store_fd, .copy = copy, .name = name
	};

	if (disk_make_directory(store_fd, name, NULL, err) == -1)
		return -1;
	fd = place.directory = disk_open_directory(store_fd, name, err);
	if (fd == -1 || (copy != NULL && marker_compare(&place, err) == -1) ||
	    give_away(fd, name, uid, gid, err) == -1 ||
	    (copy != NULL ? marker_settle(&place, err)
			  : marker_make(fd, err)) == -1)
		return -1;
	if (fsync(fd) == -1 || fsync(store_fd) == -1)
		return err_sys(err, "fsync tenant %s", name);
	return 0;
}

/* The first time, under a name that nobody uses. */
static int
make_tenant(
    int store_fd, const char *name, uid_t uid, gid_t gid, struct err *err)
{
	char made[NAME_ROOM];

	(void)snprintf(made, sizeof(made), NEW "%s", name);
	if (make_directory(store_fd, made, NULL, uid, gid, err) == -1)
		return -1;
	if (disk_rename_new(store_fd, made, store_fd, name) == -1 ||
	    fsync(store_fd) == -1)
		return err_sys(err, "name the directory of tenant %s", name);
	return 0;
}

int
store_make_tenant(const char *store_path, struct span tenant, uid_t uid,
    gid_t gid, struct err *err)
{
	char copy[NAME_ROOM], name[STORE_TENANT_MAX + 1] = "";
	CLEANUP(fd_close)
	int store_fd = open(store_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	bool there, known;

	if (!store_tenant_valid(tenant))
		return err_set(err, ERR_SYNTAX, "no name of a tenant");
	memcpy(name, tenant.p, tenant.len);
	(void)snprintf(copy, sizeof(copy), STORE_KNOWN "%s", name);
	if (store_fd == -1)
		return err_sys(err, "open the store %s", store_path);
	if (marker_need(store_fd, ".", err) == -1)
		return err_prefix(err, "%s", store_path);
	there = fstatat(store_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	known = fstatat(store_fd, copy, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && known)
		return err_set(err, ERR_POLICY,
		    "the directory of tenant %s is gone (%s tells that it was "
		    "there: remove that to begin a new one)",
		    name, copy);
	if (!there && make_tenant(store_fd, name, uid, gid, err) == -1)
		return -1;
	return make_directory(store_fd, name, copy, uid, gid, err);
}

int
store_settle(const char *store_path, int state_fd, struct err *err)
{
	struct marker_place place = { .copy_directory = state_fd,
		.copy = "store.id",
		.name = store_path };
	CLEANUP(fd_close) int fd = -1;
	struct stat st;

	/* What was there before is not made, but missing. */
	if (fstatat(state_fd, place.copy, &st, AT_SYMLINK_NOFOLLOW) == -1 &&
	    errno == ENOENT && mkdir(store_path, 0711) == -1 && errno != EEXIST)
		return err_sys(err, "store-directory %s", store_path);
	fd = place.directory =
	    open(store_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(err, "store-directory %s", store_path);
	return marker_settle(&place, err);
}
