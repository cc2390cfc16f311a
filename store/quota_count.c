/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting an account's messages, by their names where these tell the size. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "store/filename.h"
#include "store/inside.h"
#include "store/message.h"

/* A directory that changed a moment ago may change again without showing it:
 * the kernel's clock for files ticks every few milliseconds. */
#define TICK_NS 20000000L

struct part { /* new/ or cur/ of a folder */
	int fd;
	struct disk_stamp stamp;
};

struct count {
	struct account *account;
	struct part *parts;
	size_t count, room;
	uint64_t octets, messages;
	int fd; /* what is being listed */
	struct err *err;
	bool failed;
};

static void
count_fini(struct count *c)
{
	for (size_t i = 0; i < c->count; i++)
		fd_close(c->parts[i].fd);
	free(c->parts);
}
CLEANUP_DEFINE_VALUE(struct count, count_fini)

static bool
count_fail(struct count *c)
{
	c->failed = true;
	return false;
}

/* ---- which directories ---- */

static int
part_stat(struct part *p, struct err *err)
{
	struct stat st;

	if (fstat(p->fd, &st) == -1)
		return err_sys(err, "stat of a mailbox");
	p->stamp = disk_stamp_of(&st);
	return 0;
}

static int
count_add_part(struct count *c, const char *directory, const char *name)
{
	char path[FILENAME_MAX_OCTETS + 8];
	int fd;

	if (c->count == c->room) {
		size_t room = 2 * c->room + 16;
		void *grown = realloc(c->parts, room * sizeof(*c->parts));

		if (grown == NULL)
			return err_set(
			    c->err, ERR_TEMP, "quota: out of memory");
		c->parts = grown;
		c->room = room;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = disk_open_directory(c->account->fd, path, c->err);
	if (fd == -1)
		/* Deleted meanwhile, or somebody's file. */
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	c->parts[c->count++] = (struct part){ .fd = fd };
	return 0;
}

static bool
count_folder(struct count *c, const char *directory)
{
	if (count_add_part(c, directory, "new") == -1 ||
	    count_add_part(c, directory, "cur") == -1)
		return count_fail(c);
	return true;
}

static bool
count_entry(void *arg, const char *name, unsigned char type)
{
	/* "..x" is no folder (Dovecot's trash). */
	if (name[0] != '.' || name[1] == '.' ||
	    (type != DT_DIR && type != DT_UNKNOWN))
		return true;
	return count_folder(arg, name);
}

static int
count_find_parts(struct count *c)
{
	CLEANUP(fd_close)
	int fd = disk_open_directory(c->account->fd, ".", c->err);

	if (fd == -1 || !count_folder(c, ".") ||
	    disk_list(fd, count_entry, c, c->err) == -1 || c->failed)
		return -1;
	return 0;
}

/* ---- what is in them ---- */

static bool
count_file(void *arg, const char *name, unsigned char type)
{
	struct count *c = arg;
	struct filename parsed;
	struct stat st;

	if (name[0] == '.')
		return true;
	type = disk_entry_type(c->fd, name, type);
	if (type != DT_REG && type != DT_UNKNOWN)
		return true;
	if (filename_parse(span_str(name), &parsed) &&
	    parsed.size_physical <= INT64_MAX)
		c->octets += parsed.size_physical;
	else if (fstatat(c->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		c->octets += (uint64_t)st.st_size;
	else if (errno == ENOENT)
		return true;
	else {
		(void)err_sys(c->err, "stat of a message");
		return count_fail(c);
	}
	c->messages++;
	return true;
}

static int
count_files(struct count *c)
{
	c->octets = c->messages = 0;
	for (size_t i = 0; i < c->count; i++) {
		c->fd = c->parts[i].fd;
		if (disk_list(c->fd, count_file, c, c->err) == -1 || c->failed)
			return -1;
	}
	return 0;
}

/* ---- whether that was all at one time ---- */

static bool
is_young(const struct part *p)
{
	struct timespec now;
	int64_t age_ns;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - p->stamp.seconds > 1)
		return false;
	age_ns = (now.tv_sec - p->stamp.seconds) * 1000000000L + now.tv_nsec -
		 p->stamp.nanoseconds;
	return age_ns < TICK_NS;
}

static int
count_stamp(struct count *c)
{
	bool young = false;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < c->count; i++) {
			if (part_stat(&c->parts[i], c->err) == -1)
				return -1;
			young = young || is_young(&c->parts[i]);
		}
		if (!young || pass == 1)
			break;
		(void)nanosleep(&(struct timespec){ .tv_nsec = TICK_NS }, NULL);
	}
	return 0;
}

static bool
count_steady(const struct count *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct part now = { .fd = c->parts[i].fd };

		if (part_stat(&now, NULL) == -1 ||
		    !disk_stamp_eq(&now.stamp, &c->parts[i].stamp))
			return false;
	}
	return true;
}

int
quota_count(struct account *a, uint64_t *octets_out, uint64_t *messages_out,
    bool *steady_out, struct err *err)
{
	CLEANUP(count_fini) struct count c = { .account = a, .err = err };

	if (count_find_parts(&c) == -1)
		return -1;
	*steady_out = false;
	for (int tries = 0; tries < 3 && !*steady_out; tries++) {
		if (count_stamp(&c) == -1 || count_files(&c) == -1)
			return -1;
		*steady_out = count_steady(&c);
	}
	*octets_out = c.octets;
	*messages_out = c.messages;
	return 0;
}

int
quota_count_folder(struct account *a, const char *directory,
    uint64_t *octets_out, uint64_t *messages_out, struct err *err)
{
	CLEANUP(count_fini) struct count c = { .account = a, .err = err };

	if (!count_folder(&c, directory) || count_files(&c) == -1)
		return -1;
	*octets_out = c.octets;
	*messages_out = c.messages;
	return 0;
}
