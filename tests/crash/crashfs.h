/* SPDX-License-Identifier: BSD-2-Clause */
/* Between crashfs.c, which freezes and cuts, and calls.c, which answers. */
#ifndef HK_TESTS_CRASH_CRASHFS_H
#define HK_TESTS_CRASH_CRASHFS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/model.h"

struct crashfs {
	pthread_mutex_t mutex; /* everything below, and the model */
	pthread_cond_t thaw;
	struct model model;
	bool frozen; /* nobody is answered */
	bool dead;   /* everybody is told EIO */
	uint64_t armed, changes, limit;
	unsigned delay_us;
	char spoil[256], fail[256];
};
extern struct crashfs fs;
extern const struct fuse_lowlevel_ops fs_calls;

/* Takes the mutex, whatever it answers: 0, or EIO after a cut. */
int fs_enter(bool change);
void fs_leave(void);
/* With the mutex, which it lets go of for as long as the flush takes. */
int fs_flush(struct inode *i);
bool fs_matches(const char *pattern, const struct inode *i);

#endif
