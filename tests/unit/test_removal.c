/* SPDX-License-Identifier: BSD-2-Clause */
/* Mail that goes for good: aside, back, and gone, and nothing beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/removal.h"

#define TENANT SPAN("aozora")
/* Their SHA-256 begin with 6b and d4. */
#define ONE SPAN("1")
#define ONE_DIR "aozora/6b/1"
#define TWO_DIR "aozora/d4/2"

struct room {
	char path[64];
};

static const char *
at(const struct room *room, const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", room->path, name);
	return path;
}

static void
make(const struct room *room, const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", room->path, name);
	for (char *p = strchr(path + 1, '/'); p != NULL;
	     p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	if (path[strlen(path) - 1] != '/') {
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		(void)fclose(f);
	}
}

static bool
is_there(const struct room *room, const char *name)
{
	struct stat st;

	return lstat(at(room, name), &st) == 0;
}

static int
setup(void **state)
{
	struct room *room = calloc(1, sizeof(*room));

	assert_non_null(room);
	strcpy(room->path, "/tmp/hk-removal-XXXXXX");
	assert_non_null(mkdtemp(room->path));
	make(room, ONE_DIR "/Maildir/cur/");
	make(room, ONE_DIR "/Maildir/new/mail");
	make(room, ONE_DIR "/Maildir/.Sub/cur/mail:2,S");
	make(room, TWO_DIR "/Maildir/new/mail");
	make(room, "midori/6b/1/Maildir/new/mail");
	*state = room;
	return 0;
}

static int
teardown(void **state)
{
	char command[128];
	struct room *room = *state;

	(void)snprintf(command, sizeof(command), "rm -r %s", room->path);
	assert_int_equal(system(command), 0);
	free(room);
	return 0;
}

static void
test_account(void **state)
{
	struct room *room = *state;
	bool there = false;

	assert_int_equal(
	    removal_put_aside(room->path, TENANT, ONE, &there, NULL), 0);
	assert_true(there);
	assert_false(is_there(room, ONE_DIR));
	assert_true(is_there(room, ONE_DIR ".removed/Maildir/new/mail"));
	assert_int_equal(removal_put_back(room->path, TENANT, ONE, NULL), 0);
	assert_true(is_there(room, ONE_DIR "/Maildir/new/mail"));

	/* Used again while it was aside: nothing is mixed. */
	make(room, ONE_DIR ".removed/Maildir/new/old");
	assert_int_equal(
	    removal_put_aside(room->path, TENANT, ONE, &there, NULL), 0);
	assert_true(there);
	assert_true(is_there(room, ONE_DIR "/Maildir/new/mail"));
	assert_int_equal(removal_finish(room->path, TENANT, ONE, NULL), 0);
	assert_false(is_there(room, ONE_DIR ".removed"));
	assert_true(is_there(room, ONE_DIR "/Maildir/new/mail"));
	assert_true(is_there(room, TWO_DIR "/Maildir/new/mail"));
	assert_true(is_there(room, "midori/6b/1/Maildir/new/mail"));
}

static void
test_links_lead_nowhere(void **state)
{
	struct room *room = *state;
	char target[128];

	make(room, "outside/file");
	(void)snprintf(target, sizeof(target), "%s/outside", room->path);
	assert_int_equal(symlink(target, at(room, ONE_DIR "/Maildir/link")), 0);
	assert_int_equal(
	    removal_put_aside(room->path, TENANT, ONE, NULL, NULL), 0);
	assert_int_equal(removal_finish(room->path, TENANT, ONE, NULL), 0);
	assert_true(is_there(room, "outside/file"));
	assert_false(is_there(room, ONE_DIR ".removed"));

	/* A link in place of what is put aside goes itself. */
	assert_int_equal(symlink(target, at(room, ONE_DIR ".removed")), 0);
	assert_int_equal(removal_finish(room->path, TENANT, ONE, NULL), 0);
	assert_true(is_there(room, "outside/file"));
	assert_false(is_there(room, ONE_DIR ".removed"));
}

static void
test_tenant(void **state)
{
	struct room *room = *state;
	bool there = false;

	assert_int_equal(
	    removal_put_aside(room->path, TENANT, SPAN_NONE, &there, NULL), 0);
	assert_true(there);
	assert_false(is_there(room, "aozora"));
	assert_int_equal(
	    removal_finish(room->path, TENANT, SPAN_NONE, NULL), 0);
	assert_false(is_there(room, "aozora.removed"));
	assert_true(is_there(room, "midori/6b/1/Maildir/new/mail"));
}

static void
test_nothing_there(void **state)
{
	struct room *room = *state;
	bool there = true;

	assert_int_equal(
	    removal_put_aside(room->path, TENANT, SPAN("nobody"), &there, NULL),
	    0);
	assert_false(there);
	assert_int_equal(
	    removal_put_aside(room->path, SPAN("none"), ONE, &there, NULL), 0);
	assert_false(there);
	assert_int_equal(
	    removal_finish(room->path, SPAN("none"), ONE, NULL), 0);
	assert_int_equal(removal_finish("/nonexistent", TENANT, ONE, NULL), 0);
}

static void
test_names(void **state)
{
	static const char *const bad[] = { "..", ".", "a/b", "../midori", "" };
	struct room *room = *state;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(
		    removal_finish(room->path, span_str(bad[i]), ONE, &err),
		    -1);
		assert_int_equal(err.kind, ERR_SYNTAX);
		if (bad[i][0] == '\0')
			continue;
		assert_int_equal(removal_put_aside(room->path, TENANT,
				     span_str(bad[i]), NULL, &err),
		    -1);
	}
}

static bool
note(void *arg, struct span id, struct err *err)
{
	char *seen = arg;

	(void)err;
	strncat(seen, id.p, id.len);
	strcat(seen, " ");
	return true;
}

static bool
refuse(void *arg, struct span id, struct err *err)
{
	(void)arg;
	(void)id;
	(void)err_set(err, ERR_TEMP, "no");
	return false;
}

static void
test_each(void **state)
{
	struct room *room = *state;
	char seen[64] = "";
	struct err err = ERR_INIT;

	assert_int_equal(removal_each(room->path, TENANT, note, seen, NULL), 0);
	assert_string_equal(seen, "");
	assert_int_equal(
	    removal_put_aside(room->path, TENANT, ONE, NULL, NULL), 0);
	assert_int_equal(removal_each(room->path, TENANT, note, seen, NULL), 0);
	assert_string_equal(seen, "1 ");
	assert_int_equal(
	    removal_each(room->path, TENANT, refuse, NULL, &err), -1);
	assert_string_equal(err.text, "no");
	assert_int_equal(
	    removal_each(room->path, SPAN("none"), refuse, NULL, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_account, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_links_lead_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tenant, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
