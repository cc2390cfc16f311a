/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/control.h"

#include <stdio.h>
#include <string.h>

void
control_packet_init(struct control_packet *p)
{
	memset(p, 0, sizeof(*p));
}

void
control_packet_fini(struct control_packet *p)
{
	for (size_t i = 0; i < p->fds_len; i++)
		fd_close(p->fds[i].fd);
	p->fds_len = 0;
}

int
control_packet_take_fd(struct control_packet *p, const char *name)
{
	for (size_t i = 0; i < p->fds_len; i++)
		if (p->fds[i].fd != -1 && strcmp(p->fds[i].name, name) == 0)
			return fd_steal(&p->fds[i].fd);
	return -1;
}

/* One field; named counts the names of descriptors. */
static bool
control_field(
    struct control_packet *p, uint8_t tag, struct span value, size_t *named)
{
	switch (tag) {
	case CONTROL_FD:
		return *named < p->fds_len &&
		       packet_text(value, p->fds[(*named)++].name,
			   sizeof(p->fds[0].name));
	case CONTROL_FILE:
		return packet_text(value, p->file, sizeof(p->file));
	case CONTROL_NAME:
		return packet_text(value, p->name, sizeof(p->name));
	case CONTROL_TENANT:
		return packet_text(value, p->tenant, sizeof(p->tenant));
	case CONTROL_TEXT:
		return packet_text(value, p->text, sizeof(p->text));
	case CONTROL_SHARD:
		return packet_u64(value, &p->shard);
	case CONTROL_WAIT_MS:
		return packet_u64(value, &p->wait_ms);
	case CONTROL_KIND:
		return packet_u64(value, &p->kind);
	case CONTROL_STATE:
		return packet_u64(value, &p->state);
	default:
		return true; /* of a later version */
	}
}

int
control_parse(struct control_packet *p, struct span octets, struct err *err)
{
	struct span fields, value;
	enum packet_next next;
	size_t named = 0;
	uint8_t tag;

	if (packet_open(octets, CONTROL_VERSION, &p->head, &fields, err) == -1)
		return -1;
	while ((next = packet_next(&fields, &tag, &value)) == PACKET_FIELD)
		if (!control_field(p, tag, value, &named))
			return err_set(err, ERR_SYNTAX,
			    "control packet: field %u does not fit", tag);
	if (next == PACKET_BROKEN || named != p->fds_len)
		return err_set(err, ERR_SYNTAX,
		    "control packet: broken, or %zu names for %zu descriptors",
		    named, p->fds_len);
	return 0;
}

int
control_recv(int fd, struct buf *room, struct control_packet *p, int timeout_ms,
    struct err *err)
{
	int fds[CONTROL_FDS_MAX];
	size_t len = 0;

	control_packet_init(p);
	if (packet_recv(
		fd, room, fds, CONTROL_FDS_MAX, &len, timeout_ms, err) == -1)
		return -1;
	for (size_t i = 0; i < len; i++)
		p->fds[i].fd = fds[i];
	p->fds_len = len;
	return control_parse(p, buf_span(room), err);
}

void
control_begin(struct control_draft *d, enum control_type type, uint32_t serial)
{
	d->fds_len = 0;
	buf_init(&d->text, PACKET_MAX);
	packet_begin(&d->text,
	    (struct packet_head){ CONTROL_VERSION, (uint8_t)type, serial });
}

void
control_put_fd(struct control_draft *d, const char *name, int fd)
{
	if (d->fds_len == CONTROL_FDS_MAX) {
		d->text.failed = ERR_LIMIT;
		return;
	}
	packet_put_str(&d->text, CONTROL_FD, name);
	d->fds[d->fds_len++] = fd;
}

int
control_send(struct control_draft *d, int fd, int timeout_ms, struct err *err)
{
	if (buf_check(&d->text, err) == -1)
		return err_prefix(err, "control packet");
	return packet_send(
	    fd, buf_span(&d->text), d->fds, d->fds_len, timeout_ms, err);
}

void
control_draft_fini(struct control_draft *d)
{
	buf_fini(&d->text);
}

int
control_send_err(int fd, uint32_t serial, const struct err *why)
{
	CLEANUP(control_draft_fini) struct control_draft d = { .fds_len = 0 };

	control_begin(&d, CONTROL_ERROR, serial);
	packet_put_u64(&d.text, CONTROL_KIND, (uint64_t)why->kind);
	packet_put_str(&d.text, CONTROL_TEXT, why->text);
	return control_send(&d, fd, 0, NULL);
}

int
control_err(const struct control_packet *p, struct err *err)
{
	enum err_kind kind = ERR_TEMP;

	if (p->kind >= ERR_SYNTAX && p->kind <= ERR_CLOSED)
		kind = (enum err_kind)p->kind;
	return err_set(err, kind, "%s", p->text);
}
