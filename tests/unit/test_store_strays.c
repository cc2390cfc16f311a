/* SPDX-License-Identifier: BSD-2-Clause */
/* What others leave in a mailbox: it is not served, and all else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/filename.h"
#include "tests/unit/store_rig.h"

#define TEXT "Subject: x\r\n\r\nbody\r\n"
#define LARGE ((size_t)300 * 1024)

static void
path_of(const struct store_rig *rig, const char *name, char out[512])
{
	(void)snprintf(out, 512, "%s/%s", rig->maildir, name);
}

static void
put_socket(const struct store_rig *rig, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char path[512];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), cwd = open(".", O_PATH);

	/* sun_path is short. */
	path_of(rig, "", path);
	assert_int_equal(chdir(path), 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", name);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(fchdir(cwd), 0);
	(void)close(cwd);
	(void)close(fd);
}

/* A directory, a FIFO, a socket and a link, all with names of messages. */
static void
put_strays(const struct store_rig *rig, const char *part)
{
	char name[64], path[512], to[512];

	(void)snprintf(name, sizeof(name), "%s/1.M1.d:2,S", part);
	path_of(rig, name, path);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(name, sizeof(name), "%s/1.M2.f:2,", part);
	path_of(rig, name, path);
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)snprintf(name, sizeof(name), "%s/1.M4.l:2,", part);
	path_of(rig, name, path);
	path_of(rig, "cur/2.M1.h:2,", to);
	assert_int_equal(symlink(to, path), 0);
	(void)snprintf(name, sizeof(name), "%s/1.M3.s", part);
	put_socket(rig, name);
}

static void
test_only_regular_files_are_messages(void **state)
{
	struct store_rig *rig = *state;
	struct content *c = NULL;
	struct mailbox *m;

	store_rig_put(rig, "cur/.hidden", "x");
	store_rig_put(rig, "cur/2.M1.h:2,", TEXT);
	store_rig_put(rig, "new/2.M2.h", TEXT);
	put_strays(rig, "cur");
	put_strays(rig, "new");
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(view_count(mailbox_view(m)), 2);
	for (uint32_t uid = 1; uid <= 2; uid++) {
		assert_int_equal(content_open(m, uid, &c, NULL), 0);
		assert_int_equal(content_span(c).len, sizeof(TEXT) - 1);
		content_free(c);
	}
	mailbox_close(m);
	/* They stay where they are, for whoever put them there. */
	assert_int_equal(store_rig_count(rig, "new"), 4);
	assert_int_equal(store_rig_count(rig, "cur"), 4 + 2);
}

/* Under a name that a session knows, and before it has looked again. */
static void
test_message_becomes_something_else(void **state)
{
	struct store_rig *rig = *state;
	struct content *c = NULL;
	struct err err = ERR_INIT;
	struct mailbox *m;
	uint64_t octets;
	char path[512], to[512];

	for (char name[] = "cur/1.M1.h:2,"; name[7] <= '4'; name[7]++)
		store_rig_put(rig, name, TEXT);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	store_rig_rename(rig, "cur/1.M1.h:2,", NULL);
	store_rig_rename(rig, "cur/1.M2.h:2,", NULL);
	store_rig_rename(rig, "cur/1.M3.h:2,", NULL);
	path_of(rig, "cur/1.M1.h:2,", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	path_of(rig, "cur/1.M2.h:2,S", path);
	assert_int_equal(mkdir(path, 0700), 0);
	path_of(rig, "cur/1.M3.h:2,", path);
	path_of(rig, "cur/1.M4.h:2,", to);
	assert_int_equal(symlink(to, path), 0);
	for (uint32_t uid = 1; uid <= 3; uid++) {
		assert_int_equal(content_open(m, uid, &c, &err), -1);
		assert_int_equal(err.kind, ERR_POLICY);
		assert_int_equal(message_size(m, uid, &octets, &err), -1);
		assert_int_equal(err.kind, ERR_POLICY);
	}
	assert_int_equal(content_open(m, 4, &c, &err), 0);
	content_free(c);
	assert_int_equal(mailbox_refresh(m, NULL, &err), 0);
	assert_int_equal(mailbox_advance(m, true, NULL, NULL, &err), 0);
	assert_int_equal(view_count(mailbox_view(m)), 1);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 4);
	mailbox_close(m);
}

/* A link in a Maildir leads nowhere. */
static void
test_links_are_not_followed(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;
	char path[512];

	path_of(rig, ".Away", path);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(
	    mailbox_open(rig->account, SPAN("Away"), MAILBOX_READ, &m, NULL),
	    -1);
}

static char *
large_text(const char *line_end)
{
	char *text = calloc(1, LARGE + 1);
	size_t len = 0, end = strlen(line_end);

	assert_non_null(text);
	while (len + 70 + end <= LARGE) {
		memset(text + len, 'a' + (int)(len % 26), 70);
		memcpy(text + len + 70, line_end, end);
		len += 70 + end;
	}
	return text;
}

/* A foreign program cuts off a message while it is sent. */
static void
test_message_is_cut_short(void **state)
{
	struct store_rig *rig = *state;
	char *crlf = large_text("\r\n"), *lf = large_text("\n");
	struct content *whole = NULL, *converted = NULL;
	struct mailbox *m;
	char path[512];

	store_rig_put(rig, "cur/1.M1.h:2,", crlf);
	store_rig_put(rig, "cur/1.M2.h:2,", lf);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(content_open(m, 1, &whole, NULL), 0);
	assert_int_equal(content_open(m, 2, &converted, NULL), 0);
	for (char name[] = "cur/1.M1.h:2,"; name[7] <= '2'; name[7]++) {
		path_of(rig, name, path);
		assert_int_equal(truncate(path, 1000), 0);
	}
	/* Every octet can still be touched, and is what it was. */
	assert_true(span_eq(content_span(whole), span_str(crlf)));
	assert_int_equal(
	    content_span(converted).len, strlen(lf) + strlen(lf) / 71);
	for (size_t at = 0; at < strlen(lf) / 71; at++)
		assert_memory_equal(
		    content_span(converted).p + 72 * at, lf + 71 * at, 70);
	content_free(whole);
	content_free(converted);
	assert_int_equal(content_open(m, 1, &whole, NULL), 0);
	assert_int_equal(content_span(whole).len, 1000);
	content_free(whole);
	mailbox_close(m);
	free(crlf);
	free(lf);
}

/* What the kernel has in its memory is the same, and nothing else is told. */
static void
test_message_at_hand(void **state)
{
	struct store_rig *rig = *state;
	char *lf = large_text("\n");
	struct content *a = NULL, *b = NULL;
	struct mailbox *m;

	lf[20000] = '\0';
	store_rig_put(rig, "cur/1.M1.h:2,", TEXT);
	store_rig_put(rig, "cur/1.M2.h:2,", lf);
	store_rig_put(rig, "cur/1.M3.h:2,", "");
	store_rig_put(rig, "cur/1.M4.h:2,", TEXT);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	store_rig_rename(rig, "cur/1.M4.h:2,", "cur/1.M4.h:2,S");
	for (uint32_t uid = 1; uid <= 3; uid++) {
		assert_int_equal(content_open(m, uid, &a, NULL), 0);
		/* It may be gone from there at any time, in theory. */
		if (content_open_cached(m, uid, &b)) {
			assert_true(span_eq(content_span(a), content_span(b)));
			assert_int_equal(content_date(a), content_date(b));
			assert_int_equal(content_fd(b), -1);
			content_free(b);
		}
		content_free(a);
	}
	assert_false(content_open_cached(m, 4, &b)); /* renamed */
	assert_false(content_open_cached(m, 5, &b));
	assert_int_equal(content_open(m, 4, &a, NULL), 0);
	content_free(a);
	mailbox_close(m);
	free(lf);
}

static void
test_message_nobody_may_read(void **state)
{
	struct store_rig *rig = *state;
	struct err err = ERR_INIT;
	struct mailbox *m;
	uint64_t octets;
	char path[512];

	store_rig_put(rig, "cur/1.M1.h:2,", TEXT);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	path_of(rig, "cur/1.M1.h:2,", path);
	assert_int_equal(chmod(path, 0), 0);
	(void)setfsuid(geteuid() == 0 ? 65534 : geteuid()); /* root may all */
	assert_int_equal(message_size(m, 1, &octets, &err), -1);
	(void)setfsuid(geteuid());
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(err.os, EACCES);
	assert_true(message_unreadable(&err));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(message_size(m, 1, &octets, &err), 0);
	assert_int_equal(octets, sizeof(TEXT) - 1);
	mailbox_close(m);
}

static void
test_whose_fault_a_failure_is(void **state)
{
	static const struct {
		enum err_kind kind;
		int os;
		bool own;
	} rows[] = {
		{ ERR_TEMP, EACCES, true },
		{ ERR_TEMP, EIO, true },
		{ ERR_TEMP, ENODATA, true },
		{ ERR_TEMP, EMFILE, false },
		{ ERR_TEMP, ENOMEM, false },
		{ ERR_TEMP, 0, false },
		{ ERR_POLICY, 0, false },
		{ ERR_CLOSED, EIO, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = { .kind = rows[i].kind, .os = rows[i].os };

		assert_int_equal(message_unreadable(&err), rows[i].own);
	}
}

#define T(f)                                                                   \
	cmocka_unit_test_setup_teardown(f, store_rig_setup, store_rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_only_regular_files_are_messages),
		T(test_message_becomes_something_else),
		T(test_links_are_not_followed),
		T(test_message_is_cut_short),
		T(test_message_at_hand),
		T(test_message_nobody_may_read),
		cmocka_unit_test(test_whose_fault_a_failure_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
