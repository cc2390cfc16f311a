/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's questions to crashfs, one function each. */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/crashfs.h"

/* Nobody changes it but through the kernel. */
#define VALID_S 3600.0

static struct inode *
inode_of(fuse_ino_t number)
{
	return number == FUSE_ROOT_ID ? fs.model.root
				      : (struct inode *)(uintptr_t)number;
}

static fuse_ino_t
number_of(const struct inode *i)
{
	return i == fs.model.root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)i;
}

static struct stat
stat_of(const struct inode *i)
{
	return (struct stat){
		.st_ino = i->number,
		.st_mode = i->now.mode,
		.st_nlink = S_ISDIR(i->now.mode) ? i->links + 1 : i->links,
		.st_uid = i->now.uid,
		.st_gid = i->now.gid,
		.st_size = (off_t)i->data.len,
		.st_blksize = (blksize_t)MODEL_PAGE,
		.st_blocks = (blkcnt_t)((i->data.len + 511) / 512),
		.st_atim = i->now.atime,
		.st_mtim = i->now.mtime,
		.st_ctim = i->now.ctime,
	};
}

static struct fuse_entry_param
entry_of(struct inode *i)
{
	i->lookups++;
	return (struct fuse_entry_param){
		.ino = number_of(i),
		.generation = 1,
		.attr = stat_of(i),
		.attr_timeout = VALID_S,
		.entry_timeout = VALID_S,
	};
}

static void
answer(fuse_req_t req, int error)
{
	fs_leave();
	(void)fuse_reply_err(req, error);
}

static bool
no_room(uint64_t more)
{
	return fs.limit != 0 && fs.model.octets + more > fs.limit;
}

/* ---- names ---- */

static void
fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int error = fs_enter(false);
	struct inode *i =
	    error != 0 ? NULL : model_find(inode_of(parent), name);
	struct fuse_entry_param e;

	if (i == NULL) {
		answer(req, error != 0 ? error : ENOENT);
		return;
	}
	e = entry_of(i);
	fs_leave();
	(void)fuse_reply_entry(req, &e);
}

static void
fs_forget(fuse_req_t req, fuse_ino_t number, uint64_t lookups)
{
	(void)pthread_mutex_lock(&fs.mutex);
	if (number != FUSE_ROOT_ID && !fs.dead)
		model_forget(&fs.model, inode_of(number), lookups);
	(void)pthread_mutex_unlock(&fs.mutex);
	fuse_reply_none(req);
}

/* The new one, or NULL with an answer given. */
static struct inode *
make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int error = fs_enter(true);

	if (error == 0 && model_find(inode_of(parent), name) != NULL)
		error = EEXIST;
	/* As on most, a full disk has room for one more empty file. */
	if (error == 0 && S_ISDIR(mode) && no_room(MODEL_PAGE))
		error = ENOSPC;
	if (error != 0) {
		answer(req, error);
		return NULL;
	}
	return model_create(
	    &fs.model, inode_of(parent), name, mode, ctx->uid, ctx->gid);
}

static void
fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct inode *i = make(req, parent, name, S_IFDIR | (mode & 07777));
	struct fuse_entry_param e;

	if (i == NULL)
		return;
	e = entry_of(i);
	fs_leave();
	(void)fuse_reply_entry(req, &e);
}

static void
fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	struct inode *i = make(req, parent, name, S_IFREG | (mode & 07777));
	struct fuse_entry_param e;

	if (i == NULL)
		return;
	e = entry_of(i);
	fs_leave();
	(void)fuse_reply_create(req, &e, fi);
}

static void
fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
    dev_t device)
{
	struct fuse_entry_param e;
	struct inode *i;

	(void)device;
	if (!S_ISREG(mode)) {
		(void)fuse_reply_err(req, EPERM);
		return;
	}
	i = make(req, parent, name, mode);
	if (i == NULL)
		return;
	e = entry_of(i);
	fs_leave();
	(void)fuse_reply_entry(req, &e);
}

static void
remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, bool dir)
{
	int error = fs_enter(true);
	struct inode *i =
	    error != 0 ? NULL : model_find(inode_of(parent), name);

	if (error == 0 && i == NULL)
		error = ENOENT;
	else if (error == 0 && dir && i->entries.count > 0)
		error = ENOTEMPTY;
	if (error == 0)
		model_unlink(&fs.model, inode_of(parent), name);
	answer(req, error);
}

static void
fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, false);
}

static void
fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, true);
}

static void
fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
    fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	int error = fs_enter(true);
	struct inode *there;

	if (error != 0) {
		answer(req, error);
		return;
	}
	there = model_find(inode_of(new_parent), new_name);
	if (model_find(inode_of(parent), name) == NULL)
		error = ENOENT;
	else if ((flags & ~1U) != 0)
		error = EINVAL;
	else if ((flags & 1U) != 0 && there != NULL) /* RENAME_NOREPLACE */
		error = EEXIST;
	else if (there != NULL && there->entries.count > 0)
		error = ENOTEMPTY;
	else
		model_rename(&fs.model, inode_of(parent), name,
		    inode_of(new_parent), new_name);
	answer(req, error);
}

static void
fs_link(fuse_req_t req, fuse_ino_t number, fuse_ino_t new_parent,
    const char *new_name)
{
	int error = fs_enter(true);
	struct fuse_entry_param e;

	if (error == 0 && model_find(inode_of(new_parent), new_name) != NULL)
		error = EEXIST;
	if (error != 0) {
		answer(req, error);
		return;
	}
	model_link(&fs.model, inode_of(new_parent), new_name, inode_of(number));
	e = entry_of(inode_of(number));
	fs_leave();
	(void)fuse_reply_entry(req, &e);
}

/* ---- attributes ---- */

static void
fs_getattr(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *fi)
{
	int error = fs_enter(false);
	struct stat st;

	(void)fi;
	if (error != 0) {
		answer(req, error);
		return;
	}
	st = stat_of(inode_of(number));
	fs_leave();
	(void)fuse_reply_attr(req, &st, VALID_S);
}

static void
set_times(struct attr *a, const struct stat *to, int set)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if ((set & FUSE_SET_ATTR_ATIME) != 0)
		a->atime = to->st_atim;
	if ((set & FUSE_SET_ATTR_MTIME) != 0)
		a->mtime = to->st_mtim;
	if ((set & FUSE_SET_ATTR_ATIME_NOW) != 0)
		a->atime = now;
	if ((set & FUSE_SET_ATTR_MTIME_NOW) != 0)
		a->mtime = now;
	a->ctime = now;
}

static void
fs_setattr(fuse_req_t req, fuse_ino_t number, struct stat *to, int set,
    struct fuse_file_info *fi)
{
	int error = fs_enter(true);
	struct inode *i = inode_of(number);
	struct stat st;

	(void)fi;
	if (error != 0) {
		answer(req, error);
		return;
	}
	if ((set & FUSE_SET_ATTR_MODE) != 0)
		i->now.mode = (i->now.mode & S_IFMT) | (to->st_mode & 07777);
	if ((set & FUSE_SET_ATTR_UID) != 0)
		i->now.uid = to->st_uid;
	if ((set & FUSE_SET_ATTR_GID) != 0)
		i->now.gid = to->st_gid;
	if ((set & FUSE_SET_ATTR_SIZE) != 0)
		model_resize(&fs.model, i, (size_t)to->st_size);
	set_times(&i->now, to, set);
	st = stat_of(i);
	fs_leave();
	(void)fuse_reply_attr(req, &st, VALID_S);
}

static void
fs_statfs(fuse_req_t req, fuse_ino_t number)
{
	int error = fs_enter(false);
	uint64_t all = fs.limit != 0 ? fs.limit : UINT64_C(1) << 40;
	uint64_t left = all > fs.model.octets ? all - fs.model.octets : 0;
	struct statvfs st = {
		.f_bsize = MODEL_PAGE,
		.f_frsize = MODEL_PAGE,
		.f_blocks = all / MODEL_PAGE,
		.f_bfree = left / MODEL_PAGE,
		.f_bavail = left / MODEL_PAGE,
		.f_files = 1000000,
		.f_ffree = 1000000,
		.f_favail = 1000000,
		.f_namemax = 255,
	};

	(void)number;
	if (error != 0) {
		answer(req, error);
		return;
	}
	fs_leave();
	(void)fuse_reply_statfs(req, &st);
}

/* ---- files ---- */

static void
fs_read(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	int error = fs_enter(false);
	const struct inode *i = inode_of(number);
	size_t at = (size_t)offset;
	char *copy;

	(void)fi;
	if (error != 0) {
		answer(req, error);
		return;
	}
	if (at > i->data.len)
		at = i->data.len;
	if (size > i->data.len - at)
		size = i->data.len - at;
	copy = malloc(size + 1);
	if (copy == NULL) {
		answer(req, ENOMEM);
		return;
	}
	if (size > 0)
		memcpy(copy, i->data.p + at, size);
	fs_leave();
	(void)fuse_reply_buf(req, copy, size);
	free(copy);
}

static void
fs_write(fuse_req_t req, fuse_ino_t number, const char *octets, size_t size,
    off_t offset, struct fuse_file_info *fi)
{
	int error = fs_enter(true);
	struct inode *i = inode_of(number);
	size_t end = (size_t)offset + size;

	(void)fi;
	if (error == 0 && fs_matches(fs.fail, i))
		error = EIO;
	if (error == 0 && end > i->data.len && no_room(end - i->data.len))
		error = ENOSPC;
	if (error != 0) {
		answer(req, error);
		return;
	}
	model_write(&fs.model, i, (size_t)offset, octets, size);
	fs_leave();
	(void)fuse_reply_write(req, size);
}

static void
fs_fallocate(fuse_req_t req, fuse_ino_t number, int mode, off_t offset,
    off_t len, struct fuse_file_info *fi)
{
	int error = fs_enter(true);
	struct inode *i = inode_of(number);
	size_t end = (size_t)(offset + len);

	(void)fi;
	if (error == 0 && mode != 0)
		error = EOPNOTSUPP;
	if (error == 0 && end > i->data.len && no_room(end - i->data.len))
		error = ENOSPC;
	if (error == 0 && end > i->data.len)
		model_resize(&fs.model, i, end);
	answer(req, error);
}

static void
fs_fsync(
    fuse_req_t req, fuse_ino_t number, int datasync, struct fuse_file_info *fi)
{
	int error = fs_enter(true);

	(void)datasync;
	(void)fi;
	if (error == 0)
		error = fs_flush(inode_of(number));
	answer(req, error);
}

/* ---- directories ---- */

static void
fs_readdir(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	int error = fs_enter(false);
	const struct inode *dir = inode_of(number);
	char *out = malloc(size);
	size_t used = 0;

	(void)fi;
	if (error != 0 || out == NULL) {
		answer(req, error != 0 ? error : ENOMEM);
		free(out);
		return;
	}
	for (size_t k = 0; k < dir->entries.count; k++) {
		const struct entry *e = &dir->entries.items[k];
		struct stat st = stat_of(e->inode);
		size_t need;

		if (e->cookie <= (uint64_t)offset)
			continue;
		need = fuse_add_direntry(req, out + used, size - used, e->name,
		    &st, (off_t)e->cookie);
		if (need > size - used)
			break;
		used += need;
	}
	fs_leave();
	(void)fuse_reply_buf(req, out, used);
	free(out);
}

const struct fuse_lowlevel_ops fs_calls = {
	.lookup = fs_lookup,
	.forget = fs_forget,
	.getattr = fs_getattr,
	.setattr = fs_setattr,
	.mknod = fs_mknod,
	.mkdir = fs_mkdir,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.rename = fs_rename,
	.link = fs_link,
	.create = fs_create,
	.read = fs_read,
	.write = fs_write,
	.fsync = fs_fsync,
	.fsyncdir = fs_fsync,
	.readdir = fs_readdir,
	.statfs = fs_statfs,
	.fallocate = fs_fallocate,
};
