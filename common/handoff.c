/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hand-off as a packet: type HANDOFF_CLIENT, one descriptor, and these
 * fields.  Texts come without NUL, numbers as packet_put_u64 writes them.
 */
#include "common/handoff.h"

#include <string.h>

#include "common/packet.h"

#define HANDOFF_CLIENT 1
#define HANDOFF_SEND_MS 5000

enum handoff_tag {
	TAG_ID = 1,
	TAG_SERVICE,
	TAG_TENANT,
	TAG_ACCOUNT_ID,
	TAG_ADDRESS,
	TAG_LOGIN,
	TAG_MECHANISM,
	TAG_TAG,
	TAG_PEER, /* address text */
	TAG_PORT,
	TAG_LOCAL, /* address text */
	TAG_LOCAL_PORT,
	TAG_PEER_ADDRESS, /* struct sockaddr_storage: both ends are one build's
			     host, never the network */
	TAG_LOCAL_ADDRESS,
	TAG_PEER_UID,
	TAG_TLS,
	TAG_QUOTA_OCTETS,
	TAG_MESSAGE_MAX,
	TAG_INPUT,
	TAG_UNIQUE_IDS,
	TAG_MARK_SEEN,
	TAG_QUOTA_MESSAGES,
	TAG_TITLE,
	TAG_LOGIN_DELAY,
	TAG_UTF8,
	TAG_LANGUAGE,
	TAG_USER_LANGUAGE,
	TAG_EXPIRE_DAYS,
	TAG_UNDELETE_DAYS,
	TAG_SESSIONS_MAX,
};

/* ---- sending -------------------------------------------------------- */

static void
put_peer(struct buf *b, const struct conn_peer *peer)
{
	packet_put_str(b, TAG_PEER, peer->address_text);
	packet_put_u64(b, TAG_PORT, peer->port);
	packet_put_str(b, TAG_LOCAL, peer->local_text);
	packet_put_u64(b, TAG_LOCAL_PORT, peer->local_port);
	packet_put(b, TAG_PEER_ADDRESS,
	    span_of((const char *)&peer->address, sizeof(peer->address)));
	packet_put(b, TAG_LOCAL_ADDRESS,
	    span_of((const char *)&peer->local, sizeof(peer->local)));
	packet_put_u64(b, TAG_PEER_UID, (uint64_t)peer->uid);
}

static void
put_pop3(struct buf *b, const struct handoff *h)
{
	if (h->unique_ids[0] != '\0')
		packet_put_str(b, TAG_UNIQUE_IDS, h->unique_ids);
	if (h->mark_seen != 0)
		packet_put_u64(b, TAG_MARK_SEEN, h->mark_seen == 'y');
	if (h->login_delay != 0)
		packet_put_u64(b, TAG_LOGIN_DELAY, h->login_delay);
	if (h->expire_days != 0)
		packet_put_u64(b, TAG_EXPIRE_DAYS, h->expire_days);
}

static void
put_choices(struct buf *b, const struct handoff *h)
{
	if (h->utf8)
		packet_put_u64(b, TAG_UTF8, h->utf8);
	if (h->language[0] != '\0')
		packet_put_str(b, TAG_LANGUAGE, h->language);
	if (h->user_language[0] != '\0')
		packet_put_str(b, TAG_USER_LANGUAGE, h->user_language);
}

int
handoff_send(int fd, const struct handoff *h, int client_fd, struct span input,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf b;

	buf_init(&b, PACKET_MAX);
	packet_begin(&b, (struct packet_head){ .version = HANDOFF_VERSION,
			     .type = HANDOFF_CLIENT });
	packet_put_str(&b, TAG_ID, h->id.text);
	packet_put_str(&b, TAG_SERVICE, h->service);
	packet_put_str(&b, TAG_TENANT, h->tenant);
	packet_put_str(&b, TAG_ACCOUNT_ID, h->account_id);
	packet_put_str(&b, TAG_ADDRESS, h->address);
	packet_put_str(&b, TAG_LOGIN, h->login);
	packet_put_str(&b, TAG_MECHANISM, h->mechanism);
	packet_put_str(&b, TAG_TAG, h->tag);
	put_peer(&b, &h->peer);
	packet_put_u64(&b, TAG_TLS, h->tls);
	packet_put_u64(&b, TAG_QUOTA_OCTETS, h->quota_octets);
	packet_put_u64(&b, TAG_QUOTA_MESSAGES, h->quota_messages);
	packet_put_str(&b, TAG_TITLE, h->title);
	packet_put_u64(&b, TAG_MESSAGE_MAX, h->message_max);
	packet_put_u64(&b, TAG_UNDELETE_DAYS, h->undelete_days);
	packet_put_u64(&b, TAG_SESSIONS_MAX, h->sessions_max);
	put_pop3(&b, h);
	put_choices(&b, h);
	packet_put(&b, TAG_INPUT, input);
	if (buf_check(&b, err) == -1)
		return err_prefix(err, "hand-off");
	return packet_send(
	    fd, buf_span(&b), &client_fd, 1, HANDOFF_SEND_MS, err);
}

/* ---- receiving ------------------------------------------------------ */

static bool
get_port(struct span value, uint16_t *out)
{
	uint64_t port;

	if (!packet_u64(value, &port) || port > UINT16_MAX)
		return false;
	*out = (uint16_t)port;
	return true;
}

static bool
get_address(struct span value, struct sockaddr_storage *out)
{
	if (value.len != sizeof(*out))
		return false;
	memcpy(out, value.p, sizeof(*out));
	return true;
}

static bool
get_uid(struct span value, uid_t *out)
{
	uint64_t uid;

	if (!packet_u64(value, &uid) || uid > UINT32_MAX)
		return false;
	*out = (uid_t)uid;
	return true;
}

static bool
get_bool(struct span value, bool *out)
{
	uint64_t number;

	if (!packet_u64(value, &number) || number > 1)
		return false;
	*out = number == 1;
	return true;
}

static bool
get_u32(struct span value, uint32_t *out)
{
	uint64_t number;

	if (!packet_u64(value, &number) || number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	return true;
}

static bool
get_choice(struct span value, char *out)
{
	bool yes;

	if (!get_bool(value, &yes))
		return false;
	*out = yes ? 'y' : 'n';
	return true;
}

#define get_text(value, array) packet_text((value), (array), sizeof(array))

/* A field of what the brand says or the client has chosen. */
static bool
get_choices(struct handoff *h, uint8_t tag, struct span value)
{
	switch ((enum handoff_tag)tag) {
	case TAG_UNIQUE_IDS:
		return get_text(value, h->unique_ids);
	case TAG_MARK_SEEN:
		return get_choice(value, &h->mark_seen);
	case TAG_LOGIN_DELAY:
		return get_u32(value, &h->login_delay);
	case TAG_EXPIRE_DAYS:
		return get_u32(value, &h->expire_days);
	case TAG_UTF8:
		return get_bool(value, &h->utf8);
	case TAG_LANGUAGE:
		return get_text(value, h->language);
	case TAG_USER_LANGUAGE:
		return get_text(value, h->user_language);
	default:
		return true; /* of a newer gate */
	}
}

/* One field; false: it has not the shape it should have. */
static bool
get_field(struct handoff *h, struct span *input, uint8_t tag, struct span value)
{
	switch ((enum handoff_tag)tag) {
	case TAG_ID:
		h->id = log_id_of(value);
		return true;
	case TAG_SERVICE:
		return get_text(value, h->service);
	case TAG_TENANT:
		return get_text(value, h->tenant);
	case TAG_ACCOUNT_ID:
		return get_text(value, h->account_id);
	case TAG_ADDRESS:
		return get_text(value, h->address);
	case TAG_LOGIN:
		return get_text(value, h->login);
	case TAG_MECHANISM:
		return get_text(value, h->mechanism);
	case TAG_TAG:
		return get_text(value, h->tag);
	case TAG_PEER:
		return get_text(value, h->peer.address_text);
	case TAG_PORT:
		return get_port(value, &h->peer.port);
	case TAG_LOCAL:
		return get_text(value, h->peer.local_text);
	case TAG_LOCAL_PORT:
		return get_port(value, &h->peer.local_port);
	case TAG_PEER_ADDRESS:
		return get_address(value, &h->peer.address);
	case TAG_LOCAL_ADDRESS:
		return get_address(value, &h->peer.local);
	case TAG_PEER_UID:
		return get_uid(value, &h->peer.uid);
	case TAG_TLS:
		return get_bool(value, &h->tls);
	case TAG_QUOTA_OCTETS:
		return packet_u64(value, &h->quota_octets);
	case TAG_QUOTA_MESSAGES:
		return packet_u64(value, &h->quota_messages);
	case TAG_TITLE:
		return get_text(value, h->title);
	case TAG_MESSAGE_MAX:
		return packet_u64(value, &h->message_max);
	case TAG_UNDELETE_DAYS:
		return get_u32(value, &h->undelete_days);
	case TAG_SESSIONS_MAX:
		return get_u32(value, &h->sessions_max);
	case TAG_INPUT:
		*input = value;
		return true;
	default:
		return get_choices(h, tag, value);
	}
}

static int
get_fields(
    struct span packet, struct handoff *h, struct span *input, struct err *err)
{
	struct packet_head head;
	struct span fields, value;
	uint8_t tag;

	*h = (struct handoff){ .id.text = "" };
	*input = SPAN_NONE;
	if (packet_open(packet, HANDOFF_VERSION, &head, &fields, err) == -1)
		return err_prefix(err, "hand-off");
	if (head.type != HANDOFF_CLIENT)
		return err_set(
		    err, ERR_SYNTAX, "hand-off of type %u", head.type);
	for (;;) {
		switch (packet_next(&fields, &tag, &value)) {
		case PACKET_END:
			return 0;
		case PACKET_BROKEN:
			return err_set(err, ERR_SYNTAX, "hand-off: cut short");
		case PACKET_FIELD:
			break;
		}
		if (!get_field(h, input, tag, value))
			return err_set(
			    err, ERR_SYNTAX, "hand-off: bad field %u", tag);
	}
}

int
handoff_recv(int fd, struct handoff *h, int *client_fd_out, struct buf *input,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf b;
	CLEANUP(fd_close) int client = -1;
	struct span octets;
	size_t fds = 0;

	buf_clear(input);
	buf_init(&b, PACKET_MAX);
	if (packet_recv(fd, &b, &client, 1, &fds, 0, err) == -1)
		return -1;
	if (fds != 1)
		return err_set(err, ERR_SYNTAX, "hand-off without descriptor");
	if (get_fields(buf_span(&b), h, &octets, err) == -1)
		return -1;
	if (h->service[0] == '\0' || h->account_id[0] == '\0')
		return err_set(err, ERR_SYNTAX, "hand-off of nobody");
	buf_append(input, octets);
	if (buf_check(input, err) == -1)
		return err_prefix(err, "hand-off");
	*client_fd_out = fd_steal(&client);
	return 0;
}
