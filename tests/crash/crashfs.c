/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A FUSE file system whose power can be cut: model.h says what survives.
 *
 *	crashfs MOUNTPOINT
 *
 * It starts empty and takes one command a line on standard input, answering
 * each with one line ("ok", or what is given):
 *
 *	model strict|ordered
 *	delay MICROSECONDS	each flush takes up to so long
 *	arm N			freeze before the N-th change from now
 *	freeze			now
 *	cut SEED CHANCE TEAR	the frozen system's power goes: callers get EIO,
 *				and what survived is mounted anew
 *	spoil PATTERN		flushes of matching paths do nothing ("-": none)
 *	fail PATTERN		writes and flushes there get EIO ("-": none)
 *	limit OCTETS		no more room than that; 0: no limit
 *	count			changes so far
 *	quit
 *
 * and says "frozen" by itself when an armed freeze has come.  A frozen system
 * answers nobody, so that whoever waits for it can be killed first.
 */
#define FUSE_USE_VERSION 312

#include <err.h>
#include <errno.h>
#include <fnmatch.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/crash/crashfs.h"

#define PATTERN_MAX 256
#define THREADS_MAX 64

struct crashfs fs = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.thaw = PTHREAD_COND_INITIALIZER,
};

/* ---- freezing ---- */

static void
freeze(void)
{
	fs.frozen = true;
	fs.armed = 0;
	(void)printf("frozen\n");
	(void)fflush(stdout);
}

int
fs_enter(bool change)
{
	(void)pthread_mutex_lock(&fs.mutex);
	if (change && !fs.frozen && !fs.dead) {
		fs.changes++;
		if (fs.armed > 0 && --fs.armed == 0)
			freeze();
	}
	while (fs.frozen && !fs.dead)
		(void)pthread_cond_wait(&fs.thaw, &fs.mutex);
	return fs.dead ? EIO : 0;
}

void
fs_leave(void)
{
	(void)pthread_mutex_unlock(&fs.mutex);
}

bool
fs_matches(const char *pattern, const struct inode *i)
{
	char path[4096];

	if (pattern[0] == '-')
		return false;
	model_path(i, path, sizeof(path));
	return fnmatch(pattern, path, 0) == 0;
}

int
fs_flush(struct inode *i)
{
	struct flush f;
	unsigned delay = fs.delay_us;
	bool keep = !fs_matches(fs.spoil, i);

	if (fs_matches(fs.fail, i))
		return EIO;
	flush_begin(&fs.model, i, &f);
	if (delay > 0) {
		unsigned us = (unsigned)(fs.changes * 2654435761U % delay);

		(void)pthread_mutex_unlock(&fs.mutex);
		(void)usleep(us);
		(void)pthread_mutex_lock(&fs.mutex);
		/* The power may have gone meanwhile. */
		while (fs.frozen && !fs.dead)
			(void)pthread_cond_wait(&fs.thaw, &fs.mutex);
	}
	if (fs.dead) {
		flush_end(&fs.model, &f, false);
		return EIO;
	}
	flush_end(&fs.model, &f, keep);
	return 0;
}

/* ---- mounted once between two cuts ---- */

struct mount {
	struct fuse_session *session;
	pthread_t thread;
};

static void *
serve(void *arg)
{
	struct mount *mount = arg;
	struct fuse_loop_config *config = fuse_loop_cfg_create();

	fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
	fuse_loop_cfg_set_idle_threads(config, THREADS_MAX);
	(void)fuse_session_loop_mt(mount->session, config);
	fuse_loop_cfg_destroy(config);
	return NULL;
}

static void
mount_begin(struct mount *mount, const char *where)
{
	char name[] = "crashfs",
	     option[] = "-oallow_other,default_permissions,fsname=crashfs";
	char *argv[] = { name, option, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);

	fs.dead = fs.frozen = false;
	mount->session =
	    fuse_session_new(&args, &fs_calls, sizeof(fs_calls), NULL);
	if (mount->session == NULL ||
	    fuse_session_mount(mount->session, where) != 0)
		errx(1, "cannot mount %s", where);
	fuse_opt_free_args(&args);
	if (pthread_create(&mount->thread, NULL, serve, mount) != 0)
		errx(1, "no thread");
}

/* Everybody who still waits gets EIO. */
static void
mount_end(struct mount *mount)
{
	(void)pthread_mutex_lock(&fs.mutex);
	fs.dead = true;
	fs.armed = 0;
	(void)pthread_cond_broadcast(&fs.thaw);
	(void)pthread_mutex_unlock(&fs.mutex);
	fuse_session_exit(mount->session);
	fuse_session_unmount(mount->session);
	(void)pthread_join(mount->thread, NULL);
	fuse_session_destroy(mount->session);
}

/* ---- commands ---- */

static void
take_pattern(char *to, const char *line)
{
	char pattern[PATTERN_MAX] = "-";

	(void)sscanf(line, "%*s %255s", pattern);
	memcpy(to, pattern, PATTERN_MAX);
}

static bool
cut(struct mount *mount, const char *where, const char *line)
{
	unsigned long long seed;
	unsigned chance;
	int tear;

	if (sscanf(line, "cut %llu %u %d", &seed, &chance, &tear) != 3)
		return false;
	mount_end(mount);
	model_cut(&fs.model, seed, chance, tear != 0);
	mount_begin(mount, where);
	return true;
}

/* Those that need nothing but the mutex. */
static bool
set(const char *line)
{
	unsigned long long number = 0;
	char word[16] = "";

	(void)sscanf(line, "%15s %llu", word, &number);
	if (strcmp(word, "model") == 0)
		fs.model.ordered = strstr(line, "ordered") != NULL;
	else if (strcmp(word, "delay") == 0)
		fs.delay_us = (unsigned)number;
	else if (strcmp(word, "arm") == 0)
		fs.armed = number;
	else if (strcmp(word, "limit") == 0)
		fs.limit = number;
	else if (strcmp(word, "spoil") == 0)
		take_pattern(fs.spoil, line);
	else if (strcmp(word, "fail") == 0)
		take_pattern(fs.fail, line);
	else
		return false;
	return true;
}

static void
command(struct mount *mount, const char *where, const char *line)
{
	bool known = true;

	if (strncmp(line, "cut ", 4) == 0) {
		known = cut(mount, where, line);
		(void)printf(known ? "ok\n" : "what?\n");
		return;
	}
	(void)pthread_mutex_lock(&fs.mutex);
	if (strncmp(line, "freeze", 6) == 0)
		fs.frozen = true;
	else if (strncmp(line, "count", 5) == 0)
		(void)printf("%llu ", (unsigned long long)fs.changes);
	else
		known = set(line);
	(void)printf(known ? "ok\n" : "what?\n");
	(void)pthread_mutex_unlock(&fs.mutex);
}

int
main(int argc, char **argv)
{
	struct mount mount;
	char line[1024];

	if (argc != 2)
		errx(2, "usage: crashfs MOUNTPOINT");
	model_init(&fs.model);
	take_pattern(fs.spoil, "");
	take_pattern(fs.fail, "");
	mount_begin(&mount, argv[1]);
	(void)printf("ok\n");
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL &&
	       strncmp(line, "quit", 4) != 0) {
		command(&mount, argv[1], line);
		(void)fflush(stdout);
	}
	mount_end(&mount);
	model_fini(&fs.model);
	return 0;
}
