/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
store_rig_settle(const char *path)
{
	struct err err = ERR_INIT;
	int fd = open(path, O_RDONLY | O_DIRECTORY);

	assert_int_not_equal(fd, -1);
	if (store_settle(path, fd, &err) == -1)
		fail_msg("store_settle: %s", err.text);
	(void)close(fd);
}

int
store_rig_setup(void **state)
{
	struct store_rig *rig = calloc(1, sizeof(*rig));
	struct store_options options = { .cache_octets = 1 << 20,
		.lock_wait_ms = 3000 };
	struct err err = ERR_INIT;
	FILE *found;
	char command[160];

	assert_non_null(rig);
	(void)snprintf(rig->path, sizeof(rig->path), "/tmp/hk-store-XXXXXX");
	assert_non_null(mkdtemp(rig->path));
	store_rig_settle(rig->path);
	assert_int_equal(store_make_tenant(rig->path, SPAN("aozora"), (uid_t)-1,
			     (gid_t)-1, &err),
	    0);
	options.path = rig->path;
	assert_int_equal(store_new(&options, &rig->store, &err), 0);
	if (account_open(rig->store, SPAN("aozora"), SPAN("user-1"),
		ACCOUNT_CREATE, &rig->account, &err) == -1)
		fail_msg("account_open: %s", err.text);
	(void)snprintf(command, sizeof(command),
	    "find %s -name Maildir -printf %%p", rig->path);
	found = popen(command, "r");
	assert_non_null(found);
	assert_non_null(fgets(rig->maildir, sizeof(rig->maildir), found));
	(void)pclose(found);
	*state = rig;
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
store_rig_teardown(void **state)
{
	struct store_rig *rig = *state;

	account_unref(rig->account);
	store_free(rig->store);
	(void)nftw(rig->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(rig);
	return 0;
}

struct store *
store_rig_again(const struct store_rig *rig, struct account **account_out)
{
	struct store_options options = { .path = rig->path };
	struct store *again;

	assert_int_equal(store_new(&options, &again, NULL), 0);
	assert_int_equal(account_open(again, SPAN("aozora"), SPAN("user-1"),
			     ACCOUNT_EXISTING, account_out, NULL),
	    0);
	return again;
}

static void
rig_path(const struct store_rig *rig, const char *name, char out[512])
{
	(void)snprintf(out, 512, "%s/%s", rig->maildir, name);
}

void
store_rig_put(const struct store_rig *rig, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	rig_path(rig, name, path);
	f = fopen(path, "w");
	if (f == NULL)
		fail_msg("cannot write %s", path);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

char *
store_rig_get(const struct store_rig *rig, const char *name)
{
	char path[512], *text = calloc(1, 65536);
	FILE *f;

	rig_path(rig, name, path);
	assert_non_null(text);
	f = fopen(path, "r");
	if (f != NULL) {
		size_t len = fread(text, 1, 65535, f);

		text[len] = '\0';
		(void)fclose(f);
	}
	return text;
}

void
store_rig_rename(const struct store_rig *rig, const char *from, const char *to)
{
	char old[512], new[512];

	(void)snprintf(old, sizeof(old), "%s/%s", rig->maildir, from);
	if (to == NULL) {
		assert_int_equal(unlink(old), 0);
		return;
	}
	(void)snprintf(new, sizeof(new), "%s/%s", rig->maildir, to);
	assert_int_equal(rename(old, new), 0);
}

bool
store_rig_has(const struct store_rig *rig, const char *name)
{
	char path[512];

	rig_path(rig, name, path);
	return access(path, F_OK) == 0;
}

unsigned
store_rig_count(const struct store_rig *rig, const char *directory)
{
	char path[512];
	unsigned count = 0;
	DIR *d;

	rig_path(rig, directory, path);
	d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		count += e->d_name[0] != '.';
	(void)closedir(d);
	return count;
}

struct draft_result
store_rig_deliver(const struct store_rig *rig, const char *mailbox,
    const char *text, const struct draft_options *o)
{
	CLEANUP(draft_free) struct draft *d = NULL;
	struct draft_options none = { 0 };
	struct draft_result result = { 0 };
	struct err err = ERR_INIT;

	if (draft_new(rig->account, span_str(mailbox), &d, &err) == -1 ||
	    draft_write(d, span_str(text), &err) == -1 ||
	    draft_commit(d, o == NULL ? &none : o, &result, &err) == -1)
		fail_msg("deliver: %s", err.text);
	return result;
}

struct mailbox *
store_rig_open(
    const struct store_rig *rig, const char *name, enum mailbox_mode mode)
{
	struct mailbox *m = NULL;
	struct err err = ERR_INIT;

	if (mailbox_open(rig->account, span_str(name), mode, &m, &err) == -1)
		fail_msg("open %s: %s", name, err.text);
	return m;
}
