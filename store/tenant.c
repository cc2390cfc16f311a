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

#define NEW ".new-"
#define NAME_ROOM (sizeof(NEW) + STORE_TENANT_MAX)

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

/* Makes store/name, as far as it is missing, and flushes it. */
static int
make_directory(
    int store_fd, const char *name, uid_t uid, gid_t gid, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (disk_make_directory(store_fd, name, NULL, err) == -1)
		return -1;
	fd = disk_open_directory(store_fd, name, err);
	if (fd == -1 || give_away(fd, name, uid, gid, err) == -1)
		return -1;
	if (fsync(fd) == -1 || fsync(store_fd) == -1)
		return err_sys(err, "fsync tenant %s", name);
	return 0;
}

int
store_make_tenant(const char *store_path, struct span tenant, uid_t uid,
    gid_t gid, struct err *err)
{
	char made[NAME_ROOM], name[STORE_TENANT_MAX + 1] = "";
	CLEANUP(fd_close)
	int store_fd = open(store_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!store_tenant_valid(tenant))
		return err_set(err, ERR_SYNTAX, "no name of a tenant");
	memcpy(name, tenant.p, tenant.len);
	(void)snprintf(made, sizeof(made), NEW "%s", name);
	if (store_fd == -1)
		return err_sys(err, "open the store %s", store_path);
	if (faccessat(store_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return make_directory(store_fd, name, uid, gid, err);
	if (make_directory(store_fd, made, uid, gid, err) == -1)
		return -1;
	if (disk_rename_new(store_fd, made, store_fd, name) == -1)
		return err_sys(err, "name the directory of tenant %s", name);
	return fsync(store_fd) == -1 ? err_sys(err, "fsync %s", store_path) : 0;
}
