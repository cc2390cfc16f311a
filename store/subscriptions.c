/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/subscriptions.h"

#include <string.h>

#include "store/inside.h"
#include "store/list.h"
#include "store/name.h"

#define FILE_NAME "subscriptions"
static const char v2_head[] = "V\t2\n\n";

static bool
is_v2(struct span text)
{
	return span_starts(text, SPAN("V\t2\n"));
}

bool
subscriptions_line(struct span line, bool v2, struct buf *name_out)
{
	char directory[NAME_DIRECTORY_MAX + 1];

	if (span_eq_nocase(line, SPAN("INBOX"))) {
		buf_append(name_out, SPAN("INBOX"));
		return true;
	}
	if (line.len == 0 || line.len + 1 > NAME_DIRECTORY_MAX)
		return false;
	directory[0] = '.';
	for (size_t i = 0; i < line.len; i++) {
		char c = line.p[i];

		/* A "." inside a level has no directory of ours. */
		if (v2 && c == '.')
			return false;
		directory[i + 1] = v2 && c == '\t' ? '.' : c;
	}
	return name_of_directory(span_of(directory, line.len + 1), name_out);
}

int
subscriptions_each(struct account *a, bool (*each)(void *arg, struct span name),
    void *arg, struct err *err)
{
	CLEANUP(buf_fini) struct buf file;
	CLEANUP(buf_fini) struct buf name;
	struct span text, line;
	struct stat st;
	bool absent, v2;

	buf_init(&file, SUBSCRIPTIONS_OCTETS_MAX);
	buf_init(&name, 4 * MAILBOX_NAME_MAX);
	if (disk_read(a->fd, FILE_NAME, &file, &absent, &st, err) == -1)
		return -1;
	text = buf_span(&file);
	v2 = is_v2(text);
	if (v2)
		text = span_from(text, sizeof(v2_head) - 2);
	while (span_take_until(&text, '\n', &line)) {
		buf_clear(&name);
		if (subscriptions_line(line, v2, &name) &&
		    !each(arg, buf_span(&name)))
			break;
	}
	return 0;
}

/* The line for a directory's name in this version. */
static void
line_format(struct span directory, bool v2, struct buf *out)
{
	if (directory.len == 1) {
		buf_append(out, SPAN("INBOX"));
		return;
	}
	for (size_t i = 1; i < directory.len; i++) {
		char c = directory.p[i];

		buf_append_octet(out, v2 && c == '.' ? '\t' : c);
	}
}

void
subscriptions_edit(
    struct span text, struct span directory, bool subscribed, struct buf *out)
{
	CLEANUP(buf_fini) struct buf ours;
	struct span line;
	bool v2 = text.len == 0 || is_v2(text), there = false;

	buf_init(&ours, NAME_DIRECTORY_MAX + 8);
	line_format(directory, v2, &ours);
	if (v2)
		buf_append_str(out, v2_head);
	if (is_v2(text)) {
		text = span_from(text, sizeof(v2_head) - 2);
		(void)span_take_octet(&text, '\n');
	}
	while (span_take_until(&text, '\n', &line)) {
		bool same = span_eq(line, buf_span(&ours));

		if (same && (!subscribed || there))
			continue;
		there = there || same;
		buf_append(out, line);
		buf_append_octet(out, '\n');
	}
	if (subscribed && !there) {
		buf_append(out, buf_span(&ours));
		buf_append_octet(out, '\n');
	}
}

/* Puts all the names in, or takes them out; one write, one flush. */
static int
subscriptions_change(struct account *a, const struct span *names, size_t count,
    bool subscribed, struct err *err)
{
	CLEANUP(dotlock_release) struct dotlock lock = DOTLOCK_INIT;
	CLEANUP(buf_fini) struct buf directory;
	CLEANUP(buf_fini) struct buf before;
	CLEANUP(buf_fini) struct buf after;
	CLEANUP(buf_fini) struct buf step;
	struct stat st;
	bool absent;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	buf_init(&before, SUBSCRIPTIONS_OCTETS_MAX);
	buf_init(&after, SUBSCRIPTIONS_OCTETS_MAX);
	buf_init(&step, SUBSCRIPTIONS_OCTETS_MAX);
	if (dotlock_take(a->fd, FILE_NAME, a->store->hostname,
		a->store->lock_wait_ms, &lock, err) == -1 ||
	    disk_read(a->fd, FILE_NAME, &before, &absent, &st, err) == -1)
		return -1;
	buf_append(&after, buf_span(&before));
	for (size_t i = 0; i < count; i++) {
		buf_clear(&directory);
		buf_clear(&step);
		buf_append(&step, buf_span(&after));
		buf_clear(&after);
		if (name_to_directory(names[i], &directory, err) == -1)
			return -1;
		subscriptions_edit(
		    buf_span(&step), buf_span(&directory), subscribed, &after);
	}
	if (buf_check(&after, err) == -1)
		return -1;
	if (!absent && span_eq(buf_span(&before), buf_span(&after)))
		return 0;
	return disk_replace(a->fd, FILE_NAME, FILE_NAME ".tmp",
	    buf_span(&after), absent ? 0 : st.st_mtime, NULL, err);
}

int
mailbox_subscribe(
    struct account *a, struct span name, bool subscribed, struct err *err)
{
	return subscriptions_change(a, &name, 1, subscribed, err);
}

int
mailbox_subscribe_all(
    struct account *a, const struct span *names, size_t count, struct err *err)
{
	return subscriptions_change(a, names, count, true, err);
}
