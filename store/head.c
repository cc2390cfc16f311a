/* SPDX-License-Identifier: BSD-2-Clause */
/* The header of a message, without reading the rest. */
#include <unistd.h>

#include "mime/header.h"
#include "store/inside.h"
#include "store/message.h"

/* Most headers are shorter; then it is one read. */
#define FRONT_OCTETS ((size_t)8 * 1024)
/* No message is longer. */
#define FRONT_MAX ((size_t)2 * 1024 * 1024 * 1024)

void
message_head_init(struct message_head *head)
{
	*head = (struct message_head){ .header = SPAN_NONE };
	buf_init(&head->front, FRONT_MAX);
	buf_init(&head->text, 2 * FRONT_MAX);
}

void
message_head_fini(struct message_head *head)
{
	buf_fini(&head->front);
	buf_fini(&head->text);
}

/* Appends up to len octets of the file; *end_out: there are no more. */
static int
front_read(
    int fd, struct buf *front, size_t len, bool *end_out, struct err *err)
{
	char *room = buf_reserve(front, len);
	ssize_t got;

	if (room == NULL)
		return buf_check(front, err);
	do
		got = pread(fd, room, len, (off_t)front->len);
	while (got == -1 && errno == EINTR);
	if (got == -1)
		return err_sys(err, "read a message");
	buf_commit(front, (size_t)got);
	*end_out = (size_t)got < len;
	return 0;
}

/* The octets read so far as the message has them, lines ending in CRLF. */
static struct span
front_text(struct message_head *head, bool bare)
{
	struct span front = buf_span(&head->front);
	size_t more = bare ? bare_line_feeds(front) : 0;
	char *room;

	if (more == 0)
		return front;
	buf_clear(&head->text);
	room = buf_reserve(&head->text, front.len + more);
	if (room == NULL)
		return SPAN_NONE;
	to_crlf(front, room);
	buf_commit(&head->text, front.len + more);
	return buf_span(&head->text);
}

static int
head_fill(int fd, struct message_head *head, bool bare, struct err *err)
{
	size_t len = FRONT_OCTETS;
	struct header_end end;
	struct span text;
	bool whole = false;

	buf_clear(&head->front);
	for (;;) {
		if (front_read(fd, &head->front, len, &whole, err) == -1)
			return -1;
		text = front_text(head, bare);
		if (text.p == NULL && head->front.len > 0)
			return buf_check(&head->text, err);
		if (header_end_within(text, &end))
			break;
		if (whole) {
			end = header_end(text);
			break;
		}
		len = head->front.len; /* twice as much */
	}
	head->header = span_first(text, end.body);
	head->fields = end.fields;
	return 0;
}

int
message_head_read(
    struct mailbox *m, uint32_t uid, struct message_head *head, struct err *err)
{
	struct message_found found = { 0 };
	CLEANUP(fd_close) int fd = message_open(m, uid, &found, err);
	CLEANUP(view_unref) struct view *v = found.view;
	const struct message *message;

	if (fd == -1)
		return -1;
	head->date = found.st.st_mtime;
	message = view_at(v, found.index);
	/* As content_open does: equal sizes, and true, mean no bare LF. */
	return head_fill(fd, head,
	    message->size_virtual != (uint64_t)found.st.st_size ||
		message->size_physical != message->size_virtual,
	    err);
}
