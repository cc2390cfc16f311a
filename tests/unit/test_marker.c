/* SPDX-License-Identifier: BSD-2-Clause */
/* A store whose file system is not mounted is no new store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/account.h"
#include "store/marker.h"
#include "store/removal.h"

#define MARKER "/" STORE_MARKER
#define OTHER "1 00000000000000000000000000000000\n"

struct room {
	char top[64], store[96];
	int state; /* its directory */
};

static int
start(void **state)
{
	static struct room room;
	char path[96];

	(void)strcpy(room.top, "/tmp/hk-marker-XXXXXX");
	assert_non_null(mkdtemp(room.top));
	(void)snprintf(room.store, sizeof(room.store), "%s/store", room.top);
	(void)snprintf(path, sizeof(path), "%s/state", room.top);
	assert_int_equal(mkdir(path, 0700), 0);
	room.state = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(room.state, -1);
	*state = &room;
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int
end(void **state)
{
	struct room *room = *state;

	(void)close(room->state);
	return nftw(room->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *
at(const struct room *room, const char *name)
{
	static char path[2][256];
	static unsigned turn;

	turn ^= 1;
	(void)snprintf(path[turn], sizeof(path[0]), "%s%s", room->top, name);
	return path[turn];
}

static bool
is_there(const struct room *room, const char *name)
{
	struct stat st;

	return lstat(at(room, name), &st) == 0;
}

static void
put(const struct room *room, const char *name, const char *text)
{
	FILE *f = fopen(at(room, name), "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What a file system takes with it when it is not mounted. */
static void
unmount(const struct room *room, const char *name, const char *away)
{
	assert_int_equal(rename(at(room, name), at(room, away)), 0);
	assert_int_equal(mkdir(at(room, name), 0755), 0);
}

static void
mount_again(const struct room *room, const char *name, const char *away)
{
	assert_int_equal(rmdir(at(room, name)), 0); /* still empty */
	assert_int_equal(rename(at(room, away), at(room, name)), 0);
}

static void
assert_settles(const struct room *room)
{
	struct err err = ERR_INIT;

	if (store_settle(room->store, room->state, &err) == -1)
		fail_msg("%s", err.text);
}

static void
assert_refused(const struct room *room, const char *why)
{
	struct err err = ERR_INIT;

	assert_int_equal(store_settle(room->store, room->state, &err), -1);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" is not \"%s\"", err.text, why);
}

static int
tenant(const struct room *room, struct err *err)
{
	return store_make_tenant(
	    room->store, SPAN("aozora"), (uid_t)-1, (gid_t)-1, err);
}

static void
test_store_is_made_once(void **state)
{
	struct room *room = *state;

	assert_settles(room);
	assert_true(is_there(room, "/store" MARKER));
	assert_true(is_there(room, "/state/store.id"));
	assert_settles(room);
	/* Its state was lost, or it is from a time without markers. */
	assert_int_equal(unlink(at(room, "/state/store.id")), 0);
	assert_settles(room);
	assert_true(is_there(room, "/state/store.id"));
}

static void
test_missing_store_is_not_made(void **state)
{
	struct room *room = *state;

	assert_settles(room);
	unmount(room, "/store", "/away");
	assert_refused(room, "not mounted");
	mount_again(room, "/store", "/away");
	assert_settles(room);
	assert_int_equal(rename(room->store, at(room, "/away")), 0);
	assert_refused(room, "store-directory");
	assert_false(is_there(room, "/store"));
	/* An operator means it. */
	assert_int_equal(unlink(at(room, "/state/store.id")), 0);
	assert_settles(room);
}

static void
test_other_store(void **state)
{
	struct room *room = *state;

	assert_settles(room);
	put(room, "/store" MARKER, OTHER);
	assert_refused(room, "is not the one");
	put(room, "/store" MARKER, "1 00");
	assert_refused(room, "not of our making");
	put(room, "/store" MARKER, "");
	assert_refused(room, "not of our making");
}

static void
test_tenant_needs_its_store(void **state)
{
	struct room *room = *state;
	struct err err = ERR_INIT;

	assert_settles(room);
	unmount(room, "/store", "/away");
	assert_int_equal(tenant(room, &err), -1);
	assert_int_equal(err.kind, ERR_TEMP);
	mount_again(room, "/store", "/away");
	assert_int_equal(tenant(room, &err), 0);
	assert_true(is_there(room, "/store/aozora" MARKER));
	assert_true(is_there(room, "/store/.known-aozora"));
	assert_int_equal(tenant(room, &err), 0);
}

static void
test_missing_tenant_is_not_made(void **state)
{
	struct room *room = *state;
	struct err err = ERR_INIT;

	assert_settles(room);
	assert_int_equal(tenant(room, &err), 0);
	unmount(room, "/store/aozora", "/away");
	assert_int_equal(tenant(room, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_non_null(strstr(err.text, "not mounted"));
	mount_again(room, "/store/aozora", "/away");
	assert_int_equal(tenant(room, &err), 0);
	assert_int_equal(
	    rename(at(room, "/store/aozora"), at(room, "/away")), 0);
	assert_int_equal(tenant(room, &err), -1);
	assert_false(is_there(room, "/store/aozora"));
	/* From a time without markers: both are made. */
	assert_int_equal(
	    rename(at(room, "/away"), at(room, "/store/aozora")), 0);
	assert_int_equal(unlink(at(room, "/store/aozora" MARKER)), 0);
	assert_int_equal(unlink(at(room, "/store/.known-aozora")), 0);
	assert_int_equal(tenant(room, &err), 0);
	assert_true(is_there(room, "/store/aozora" MARKER));
}

static void
test_name_is_free_after_removal(void **state)
{
	struct room *room = *state;
	struct err err = ERR_INIT;

	assert_settles(room);
	assert_int_equal(tenant(room, &err), 0);
	assert_int_equal(removal_put_aside(room->store, SPAN("aozora"),
			     SPAN_NONE, NULL, &err),
	    0);
	assert_int_equal(
	    removal_finish(room->store, SPAN("aozora"), SPAN_NONE, &err), 0);
	assert_false(is_there(room, "/store/.known-aozora"));
	assert_int_equal(tenant(room, &err), 0);
}

static void
test_no_mailbox_where_nothing_is_mounted(void **state)
{
	struct room *room = *state;
	struct store_options options = { .path = room->store };
	struct store *store = NULL;
	struct account *account = NULL;
	struct err err = ERR_INIT;

	assert_settles(room);
	assert_int_equal(tenant(room, &err), 0);
	assert_int_equal(store_new(&options, &store, &err), 0);
	unmount(room, "/store/aozora", "/away");
	for (int mode = 0; mode < 2; mode++) {
		assert_int_equal(
		    account_open(store, SPAN("aozora"), SPAN("user-1"),
			mode == 0 ? ACCOUNT_CREATE : ACCOUNT_EXISTING, &account,
			&err),
		    -1);
		assert_int_equal(err.kind, ERR_TEMP);
		assert_non_null(strstr(err.text, "not mounted"));
	}
	mount_again(room, "/store/aozora", "/away");
	assert_int_equal(account_open(store, SPAN("aozora"), SPAN("user-1"),
			     ACCOUNT_EXISTING, &account, &err),
	    -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_int_equal(account_open(store, SPAN("aozora"), SPAN("user-1"),
			     ACCOUNT_CREATE, &account, &err),
	    0);
	account_unref(account);
	store_free(store);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_store_is_made_once),
		T(test_missing_store_is_not_made),
		T(test_other_store),
		T(test_tenant_needs_its_store),
		T(test_missing_tenant_is_not_made),
		T(test_name_is_free_after_removal),
		T(test_no_mailbox_where_nothing_is_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
