/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole files, and paths that stay beneath a directory. */
#ifndef HK_COMMON_FILE_H
#define HK_COMMON_FILE_H

#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS
 * and O_CLOEXEC.  Answers the descriptor, or -1 with errno set and err_sys
 * recorded (err may be NULL).
 */
int file_open_beneath(
    int dirfd, const char *path, int flags, mode_t mode, struct err *err);

/*
 * The same for reading, if the kernel has all of the way there in its memory:
 * it waits for no disk.  -1 with EAGAIN when it would have to.
 */
int file_open_cached(int dirfd, const char *path);

/* Appends the whole content, up to out's max (ERR_LIMIT). */
int file_read(const char *path, struct buf *out, struct err *err);
int file_read_fd(int fd, struct buf *out, struct err *err);

/* Writes all of it, through EINTR and short writes. */
int file_write_fd(int fd, struct span octets, struct err *err);

/*
 * Replaces dirfd/name: temporary file beside it, fdatasync, rename, fsync of
 * the directory.  Durable when it returns 0.
 */
int file_replace(int dirfd, const char *name, struct span content, mode_t mode,
    struct err *err);

/* A sealed memfd with this content. */
int file_memfd(
    const char *label, struct span content, int *fd_out, struct err *err);

#endif
