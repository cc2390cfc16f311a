/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system as a power cut sees it: what there is, and what of it is kept.
 *
 * Everything exists twice.  "now" is what programs see.  "kept" is what the
 * disk is sure to have: a file's octets after fsync of the file, a name after
 * fsync of its directory, and no more than that.  At a cut, what was not
 * flushed survives or not as the random numbers want:
 *
 *	- each page of a file by itself; of a page each sector, if it tears;
 *	- a file's size by itself, so that it may be long and full of zeros;
 *	- each change of a directory by itself, but for one name in their order,
 *	  and a rename either whole or not at all.
 *
 * In the ordered model, which is that of journalling file systems, any fsync
 * keeps every name changed so far, and of the others the first few survive.
 *
 * One mutex, taken by the callers (fuse.c), guards a whole model.
 */
#ifndef HK_TESTS_CRASH_MODEL_H
#define HK_TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#define MODEL_PAGE ((size_t)4096)
#define MODEL_SECTOR ((size_t)512)

struct attr {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec atime, mtime, ctime;
};

struct octets {
	char *p;
	size_t len, room;
};

struct entry {
	char *name;
	struct inode *inode;
	uint64_t cookie; /* readdir's, rising */
};

struct entries {
	struct entry *items;
	size_t count, room;
};

struct inode {
	uint64_t number;
	struct inode *next; /* all there are */
	uint64_t lookups;   /* the kernel's */
	unsigned links;     /* names now */
	struct inode *parent;
	char *name; /* the last it was given, for patterns */
	struct attr now, kept;
	/* Of a file: */
	struct octets data, kept_data;
	unsigned char *dirty; /* a flag a page */
	size_t dirty_room;
	/* Of a directory: */
	struct entries entries, kept_entries;
	bool gone;    /* no name, no user: its octets do not count */
	bool reached; /* while a cut looks for what is left */
};

/* A change of one name, or of two at once. */
struct change {
	struct inode *dir;
	char *name;
	struct inode *inode; /* after; NULL: none */
};

struct op {
	struct op *next;
	struct change changes[2];
	unsigned count;
};

struct model {
	struct inode *root, *inodes;
	uint64_t last_number, last_cookie;
	struct op *ops, **ops_last; /* not kept yet */
	uint64_t octets;            /* of all files now */
	bool ordered;
};

void model_init(struct model *m);
void model_fini(struct model *m);

struct inode *model_find(const struct inode *dir, const char *name);
/* "Maildir/new/x": relative to the root, as far as it fits. */
void model_path(const struct inode *i, char *out, size_t size);

/* A new file or directory under a free name. */
struct inode *model_create(struct model *m, struct inode *dir, const char *name,
    mode_t mode, uid_t uid, gid_t gid);
void model_link(
    struct model *m, struct inode *dir, const char *name, struct inode *i);
void model_unlink(struct model *m, struct inode *dir, const char *name);
void model_rename(struct model *m, struct inode *from, const char *name,
    struct inode *to, const char *new_name);
/* Nobody knows it any more. */
void model_forget(struct model *m, struct inode *i, uint64_t lookups);

void model_write(struct model *m, struct inode *i, size_t offset,
    const char *octets, size_t len);
void model_resize(struct model *m, struct inode *i, size_t size);

/*
 * A flush in two steps, so that a cut may come between: what it is about at
 * its beginning, and what is kept from its end on.
 */
struct flush {
	struct inode *inode;
	unsigned char *pages; /* of a file */
	size_t page_count;
	struct op **ops; /* of a directory, or of all in the ordered model */
	size_t op_count;
};
void flush_begin(struct model *m, struct inode *i, struct flush *f);
/* With keep false it only gives back what it holds. */
void flush_end(struct model *m, struct flush *f, bool keep);

/* Everything is kept as it is. */
void model_keep_all(struct model *m);

/* The power goes: of what was not flushed each bit survives with the chance
 * of so many in 256.  Afterwards all that is there is kept. */
void model_cut(struct model *m, uint64_t seed, unsigned chance, bool tear);

#endif
