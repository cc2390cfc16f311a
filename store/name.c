/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/name.h"

#include "store/list.h"

bool
mailbox_name_is_inbox(struct span name)
{
	return span_eq_nocase(name, SPAN("INBOX"));
}

/* One level of a name. */
static int
level_check(struct span level, struct err *err)
{
	if (level.len == 0)
		return err_set(err, ERR_SYNTAX, "mailbox name: empty level");
	for (size_t i = 0; i < level.len; i++) {
		unsigned char c = (unsigned char)level.p[i];

		if (c == '.')
			return err_set(
			    err, ERR_SYNTAX, "mailbox name: '.' in a level");
		if (c < 0x20 || c == 0x7f)
			return err_set(
			    err, ERR_SYNTAX, "mailbox name: control character");
	}
	return 0;
}

int
name_to_directory(struct span name, struct buf *directory_out, struct err *err)
{
	struct span rest = name, level;
	size_t start = directory_out->len;
	bool more = true;

	if (mailbox_name_is_inbox(name)) {
		buf_append_octet(directory_out, '.');
		return buf_check(directory_out, err);
	}
	if (name.len > MAILBOX_NAME_MAX)
		return err_set(err, ERR_LIMIT, "mailbox name: over %d octets",
		    MAILBOX_NAME_MAX);
	for (bool first = true; more; first = false) {
		more = span_take_until(&rest, '/', &level);
		if (!more)
			level = rest;
		if (level_check(level, err) == -1)
			return -1;
		buf_append_octet(directory_out, '.');
		/* "inbox/x" and "INBOX/x" are one mailbox. */
		if (first && mailbox_name_is_inbox(level))
			buf_append(directory_out, SPAN("INBOX"));
		else if (mutf7_encode(level, directory_out, err) == -1)
			return -1;
	}
	if (directory_out->len - start > NAME_DIRECTORY_MAX)
		return err_set(err, ERR_LIMIT, "mailbox name: too long");
	return buf_check(directory_out, err);
}

int
mailbox_name_check(struct span name, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;

	buf_init(&directory, 4 * MAILBOX_NAME_MAX);
	return name_to_directory(name, &directory, err);
}

bool
name_of_directory(struct span directory, struct buf *name_out)
{
	CLEANUP(buf_fini) struct buf back;
	size_t start = name_out->len;
	struct span rest = span_from(directory, 1), level;
	bool more = true;

	buf_init(&back, NAME_DIRECTORY_MAX + 1);
	if (directory.len < 2 || directory.p[0] != '.' || directory.p[1] == '.')
		return false;
	while (more) {
		more = span_take_until(&rest, '.', &level);
		if (!more)
			level = rest;
		if (name_out->len > start)
			buf_append_octet(name_out, '/');
		if (span_index(level, '/') >= 0 ||
		    mutf7_decode(level, name_out, NULL) == -1)
			return false;
	}
	/* Only names that lead back to this directory: ".inbox" is none. */
	return name_to_directory(
		   span_from(buf_span(name_out), start), &back, NULL) == 0 &&
	       span_eq(buf_span(&back), directory);
}
