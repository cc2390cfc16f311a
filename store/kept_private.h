/* SPDX-License-Identifier: BSD-2-Clause */
/* Deleted mail (kept.h), for store/ alone. */
#ifndef HK_STORE_KEPT_PRIVATE_H
#define HK_STORE_KEPT_PRIVATE_H

#include <stdbool.h>

#include "common/err.h"
#include "store/inside.h"

#define KEPT_TOP "hikyaku-deleted"
#define KEPT_INBOX "INBOX"
#define KEPT_KEYWORDS "dovecot-keywords"

/*
 * Where what is deleted now from this directory ("." or ".Work") goes; -1: it
 * is not kept, or cannot be.
 */
int kept_open(struct account *a, const char *directory);
/* Renames from_fd/path to there; false, with errno: it did not happen. */
bool kept_take(int kept_fd, int from_fd, const char *path);
/* All messages of a folder that was directory and is now called now. */
void kept_take_folder(
    struct account *a, const char *now, const char *directory);

const char *kept_folder_name(const char *directory);

/* Embedded by who walks. */
struct kept_walk {
	bool (*wants)(struct kept_walk *w, unsigned day);
	/* fd: borrowed.  False, with err set: failed. */
	bool (*folder)(struct kept_walk *w, unsigned day, const char *name,
	    int fd, struct err *err);
	void (*day_done)(struct kept_walk *w, int top_fd, const char *name);
};
int kept_walk(struct account *a, struct kept_walk *w, struct err *err);

#endif
