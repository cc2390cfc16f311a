/* SPDX-License-Identifier: BSD-2-Clause */
/* Small works on directories and files that the store's modules share. */
#ifndef HK_STORE_DISK_H
#define HK_STORE_DISK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * Like err_sys, but ENOSPC and EDQUOT are ERR_LIMIT: the caller's peer should
 * hear that there is no room.  errno is read first.
 */
#define disk_err(err, ...)                                                     \
	err_set_at((err),                                                      \
	    errno == ENOSPC || errno == EDQUOT ? ERR_LIMIT : ERR_TEMP, errno,  \
	    __FILE__, __LINE__, __VA_ARGS__)

/* What tells that a file or directory has not changed. */
struct disk_stamp {
	uint64_t device, inode, size;
	int64_t seconds;
	int32_t nanoseconds;
};
struct disk_stamp disk_stamp_of(const struct stat *st);
bool disk_stamp_eq(const struct disk_stamp *a, const struct disk_stamp *b);

/* Opens a directory for reading and as a starting point. */
int disk_open_directory(int dirfd, const char *path, struct err *err);

/* mkdir 0700; one that is there already is as good.  *made_out may be NULL. */
int disk_make_directory(
    int dirfd, const char *name, bool *made_out, struct err *err);

/* Appends a whole small file; an absent one: *absent_out, nothing appended. */
int disk_read(int dirfd, const char *name, struct buf *out, bool *absent_out,
    struct stat *st_out, struct err *err);

/*
 * Replaces a control file: temporary, fdatasync, rename, fsync of the
 * directory.  newer_than: the new file's modification time, in whole seconds,
 * will be later than this (0: any), since some readers compare only those.
 */
int disk_replace(int dirfd, const char *name, const char *temporary,
    struct span content, int64_t newer_than, struct stat *st_out,
    struct err *err);

/*
 * rename that never replaces another file: EEXIST.  (A file system that has
 * no RENAME_NOREPLACE is asked first whether the name is free.)
 */
int disk_rename_new(int from_fd, const char *from, int to_fd, const char *to);

/* Lists entries; each() answers false to stop.  The descriptor's position
 * moves, so only one thread may list it at a time. */
int disk_list(int fd,
    bool (*each)(void *arg, const char *name, unsigned char type), void *arg,
    struct err *err);

/*
 * The kind of an entry of fd, DT_REG and its like, also where the file system
 * does not tell it with the name; DT_UNKNOWN: it is not there any more.
 */
unsigned char disk_entry_type(int fd, const char *name, unsigned char type);

/* Removes a directory with all that is in it, at most depth levels deep. */
int disk_remove_tree(
    int dirfd, const char *name, unsigned depth, struct err *err);

#endif
