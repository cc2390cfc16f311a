/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/protocol.h"

/* Tags inside a tenant, a domain, an account or a recipient. */
enum {
	INNER_NAME = 1,
	INNER_UID,
	INNER_GID,
	INNER_STATUS,
	INNER_HOST,
	INNER_TITLE,
	INNER_MESSAGE_MAX,
	INNER_TARGET,
	INNER_TENANT,
	INNER_ID,
	INNER_ADDRESS,
	INNER_MAIL_HOST,
	INNER_LANGUAGE,
	INNER_SERVICES,
	INNER_QUOTA_OCTETS,
	INNER_QUOTA_MESSAGES,
	INNER_ACCOUNT,
	INNER_DETAIL,
	INNER_POP3_UNIQUE_IDS,
	INNER_POP3_SEEN,
	INNER_OVER_QUOTA,
	INNER_UNDELETE_DAYS,
	INNER_POP3_LOGIN_DELAY,
	INNER_POP3_EXPIRE_DAYS,
	INNER_POP3_APOP,
	INNER_POP3_SESSIONS,
	INNER_IMAP_SESSIONS,
};

/* ---- requests
 * -------------------------------------------------------------------- */

static bool
token_get(struct span value, struct sasl_token *out)
{
	if (value.len != sizeof(out->octets))
		return false;
	memcpy(out->octets, value.p, sizeof(out->octets));
	return true;
}

/* The span field of a tag and its limit; NULL: not such a field. */
static struct span *
request_span(struct tenants_request *r, uint8_t tag, size_t *max_out)
{
	switch (tag) {
	case TAG_LOGIN:
		*max_out = TENANT_LOGIN_MAX;
		return &r->login;
	case TAG_PASSWORD:
		*max_out = TENANT_PASSWORD_MAX;
		return &r->password;
	case TAG_MECHANISM:
		*max_out = 20; /* RFC 4422 section 3.1 */
		return &r->mechanism;
	case TAG_RESPONSE:
		*max_out = TENANT_SASL_MAX;
		return &r->response;
	case TAG_ADDRESS:
		*max_out = TENANT_ADDRESS_MAX;
		return &r->address;
	case TAG_ID:
		*max_out = TENANT_ID_MAX;
		return &r->id;
	case TAG_NAME:
		*max_out = TENANT_DOMAIN_MAX;
		return &r->name;
	case TAG_CLIENT:
		*max_out = 64;
		return &r->client;
	case TAG_HOST:
		*max_out = TENANT_DOMAIN_MAX;
		return &r->host;
	case TAG_LOCAL:
		*max_out = 64;
		return &r->local;
	case TAG_LOG_ID:
		*max_out = 32;
		return &r->log_id;
	default:
		return NULL;
	}
}

static int
request_field(
    struct tenants_request *r, uint8_t tag, struct span value, struct err *err)
{
	size_t max = 0;
	struct span *field = request_span(r, tag, &max);
	uint64_t number = 0;

	if (field != NULL) {
		if (value.len > max)
			return err_set(err, ERR_LIMIT,
			    "request %d: field %u over %zu octets", r->type,
			    tag, max);
		*field = value;
		return 0;
	}
	if (tag == TAG_TOKEN) {
		if (!token_get(value, &r->token))
			return err_set(
			    err, ERR_SYNTAX, "token of %zu octets", value.len);
		return 0;
	}
	if (tag != TAG_START && tag != TAG_SERVICE && tag != TAG_TLS)
		return 0; /* of a newer client */
	if (!packet_u64(value, &number))
		return err_set(err, ERR_SYNTAX,
		    "request %d: field %u is no number", r->type, tag);
	if (tag == TAG_START)
		r->start = number;
	else if (tag == TAG_TLS)
		r->tls = number != 0;
	else
		r->service = (unsigned)number;
	return 0;
}

static bool
request_complete(const struct tenants_request *r, bool has_token)
{
	const bool origin = r->service != 0;

	switch (r->type) {
	case TENANTS_LOGIN:
		return r->login.p != NULL && r->password.p != NULL && origin;
	case TENANTS_SASL_START:
		return r->mechanism.p != NULL && origin;
	case TENANTS_SASL_STEP:
		return has_token && r->response.p != NULL;
	case TENANTS_SASL_CANCEL:
		return has_token;
	case TENANTS_RESOLVE:
		return r->address.p != NULL;
	case TENANTS_MAY_SEND_AS:
		return r->id.p != NULL && r->address.p != NULL;
	case TENANTS_ACCOUNT:
		return r->id.p != NULL;
	case TENANTS_TENANT:
	case TENANTS_HOST:
	case TENANTS_DOMAIN:
	case TENANTS_DEFAULTS:
		return r->name.p != NULL;
	case TENANTS_SETTINGS:
		return r->id.p != NULL || r->login.p != NULL;
	case TENANTS_LIST:
	case TENANTS_DOMAINS:
		return true;
	case TENANTS_ANSWER:
	case TENANTS_FAILED:
		break;
	}
	return false;
}

int
tenants_request_parse(uint8_t type, struct span fields,
    struct tenants_request *out, struct err *err)
{
	struct tenants_request r = { .type = type };
	bool has_token = false;
	struct span value;
	uint8_t tag;

	for (;;) {
		switch (packet_next(&fields, &tag, &value)) {
		case PACKET_FIELD:
			if (request_field(&r, tag, value, err) == -1)
				return -1;
			has_token = has_token || tag == TAG_TOKEN;
			continue;
		case PACKET_BROKEN:
			return err_set(
			    err, ERR_SYNTAX, "request %u: broken field", type);
		case PACKET_END:
			break;
		}
		break;
	}
	if (!request_complete(&r, has_token))
		return err_set(err, ERR_SYNTAX,
		    "request %u: unknown, or a field is missing", type);
	*out = r;
	return 0;
}

/* ---- values
 * ---------------------------------------------------------------------- */

/* What a brand has not said is not sent. */
static void
pop3_fields(struct buf *b, const struct tenant_pop3 *pop3)
{
	if (pop3->unique_ids[0] != '\0')
		packet_put_str(b, INNER_POP3_UNIQUE_IDS, pop3->unique_ids);
	if (pop3->mark_seen != SAID_NOTHING)
		packet_put_u64(b, INNER_POP3_SEEN, pop3->mark_seen);
	if (pop3->login_delay != 0)
		packet_put_u64(b, INNER_POP3_LOGIN_DELAY, pop3->login_delay);
	if (pop3->apop)
		packet_put_u64(b, INNER_POP3_APOP, 1);
	if (pop3->expire_days != 0)
		packet_put_u64(b, INNER_POP3_EXPIRE_DAYS, pop3->expire_days);
}

static void
tenant_fields(struct buf *b, const struct tenant_info *t)
{
	packet_put_str(b, INNER_NAME, t->name);
	packet_put_u64(b, INNER_UID, t->uid);
	packet_put_u64(b, INNER_GID, t->gid);
	packet_put_u64(b, INNER_STATUS, t->status);
	packet_put_str(b, INNER_HOST, t->host);
	packet_put_str(b, INNER_TITLE, t->title);
	packet_put_u64(b, INNER_MESSAGE_MAX, t->message_max);
	pop3_fields(b, &t->pop3);
	if (t->refuses_over_quota)
		packet_put_u64(b, INNER_OVER_QUOTA, 1);
}

/* Puts a value that is made of fields. */
#define PUT_NESTED(b, tag, fields_of, what)                                    \
	do {                                                                   \
		size_t start_ = packet_start((b), (tag));                      \
                                                                               \
		fields_of((b), (what));                                        \
		packet_end((b), start_);                                       \
	} while (0)

static void
account_fields(struct buf *b, const struct account_info *a)
{
	PUT_NESTED(b, INNER_TENANT, tenant_fields, &a->tenant);
	packet_put_str(b, INNER_ID, a->id);
	packet_put_str(b, INNER_ADDRESS, a->address);
	packet_put_str(b, INNER_MAIL_HOST, a->mail_host);
	packet_put_str(b, INNER_LANGUAGE, a->language);
	packet_put_u64(b, INNER_STATUS, a->status);
	packet_put_u64(b, INNER_SERVICES, a->services);
	packet_put_u64(b, INNER_QUOTA_OCTETS, a->quota_octets);
	packet_put_u64(b, INNER_QUOTA_MESSAGES, a->quota_messages);
	packet_put_u64(b, INNER_UNDELETE_DAYS, a->undelete_days);
	packet_put_u64(b, INNER_MESSAGE_MAX, a->message_max);
	packet_put_u64(b, INNER_POP3_SESSIONS, a->pop3_sessions);
	packet_put_u64(b, INNER_IMAP_SESSIONS, a->imap_sessions);
}

static void
domain_fields(struct buf *b, const struct domain_info *d)
{
	packet_put_str(b, INNER_NAME, d->name);
	packet_put_str(b, INNER_TARGET, d->target);
	PUT_NESTED(b, INNER_TENANT, tenant_fields, &d->tenant);
}

static void
recipient_fields(struct buf *b, const struct recipient *r)
{
	packet_put_str(b, INNER_ADDRESS, r->address);
	packet_put_str(b, INNER_DETAIL, r->detail);
	if (r->local)
		PUT_NESTED(b, INNER_ACCOUNT, account_fields, &r->account);
}

void
tenants_put_tenant(struct buf *b, const struct tenant_info *t)
{
	PUT_NESTED(b, TAG_TENANT_INFO, tenant_fields, t);
}

void
tenants_put_domain(struct buf *b, const struct domain_info *d)
{
	PUT_NESTED(b, TAG_DOMAIN_INFO, domain_fields, d);
}

void
tenants_put_account(struct buf *b, const struct account_info *a)
{
	PUT_NESTED(b, TAG_ACCOUNT_INFO, account_fields, a);
}

void
tenants_put_recipient(struct buf *b, const struct recipient *r)
{
	PUT_NESTED(b, TAG_RECIPIENT, recipient_fields, r);
}

/* Calls get for each field; false when one is broken or get refuses it. */
static bool
fields_each(struct span fields,
    bool (*get)(void *arg, uint8_t tag, struct span value), void *arg)
{
	struct span value;
	uint8_t tag;

	for (;;) {
		switch (packet_next(&fields, &tag, &value)) {
		case PACKET_FIELD:
			if (!get(arg, tag, value))
				return false;
			break;
		case PACKET_BROKEN:
			return false;
		case PACKET_END:
			return true;
		}
	}
}

static bool
get_u32(struct span value, unsigned *out)
{
	uint64_t number;

	if (!packet_u64(value, &number) || number > UINT32_MAX)
		return false;
	*out = (unsigned)number;
	return true;
}

#define GET_TEXT(field) packet_text(value, (field), sizeof(field))

static bool
get_said(struct span value, enum said *out)
{
	unsigned number = 0;

	if (!get_u32(value, &number) || number > SAID_YES)
		return false;
	*out = (enum said)number;
	return true;
}

static bool
tenant_get(void *arg, uint8_t tag, struct span value)
{
	struct tenant_info *t = arg;
	unsigned number = 0;

	switch (tag) {
	case INNER_NAME:
		return GET_TEXT(t->name);
	case INNER_UID:
		return get_u32(value, &t->uid);
	case INNER_GID:
		return get_u32(value, &t->gid);
	case INNER_STATUS:
		if (!get_u32(value, &number) || number > TENANT_DELETED)
			return false;
		t->status = (enum tenant_status)number;
		return true;
	case INNER_HOST:
		return GET_TEXT(t->host);
	case INNER_TITLE:
		return GET_TEXT(t->title);
	case INNER_MESSAGE_MAX:
		return packet_u64(value, &t->message_max);
	case INNER_POP3_UNIQUE_IDS:
		return GET_TEXT(t->pop3.unique_ids);
	case INNER_POP3_SEEN:
		return get_said(value, &t->pop3.mark_seen);
	case INNER_OVER_QUOTA:
		t->refuses_over_quota = true;
		return true;
	case INNER_POP3_LOGIN_DELAY:
		return get_u32(value, &t->pop3.login_delay);
	case INNER_POP3_APOP:
		t->pop3.apop = true;
		return true;
	case INNER_POP3_EXPIRE_DAYS:
		return get_u32(value, &t->pop3.expire_days);
	default:
		return true;
	}
}

static bool
account_get(void *arg, uint8_t tag, struct span value)
{
	struct account_info *a = arg;
	unsigned number = 0;

	switch (tag) {
	case INNER_TENANT:
		return tenants_get_tenant(value, &a->tenant);
	case INNER_ID:
		return GET_TEXT(a->id);
	case INNER_ADDRESS:
		return GET_TEXT(a->address);
	case INNER_MAIL_HOST:
		return GET_TEXT(a->mail_host);
	case INNER_LANGUAGE:
		return GET_TEXT(a->language);
	case INNER_STATUS:
		if (!get_u32(value, &number) || number > ACCOUNT_DELETED)
			return false;
		a->status = (enum account_status)number;
		return true;
	case INNER_SERVICES:
		return get_u32(value, &a->services);
	case INNER_QUOTA_OCTETS:
		return packet_u64(value, &a->quota_octets);
	case INNER_UNDELETE_DAYS:
		return get_u32(value, &a->undelete_days);
	case INNER_QUOTA_MESSAGES:
		return packet_u64(value, &a->quota_messages);
	case INNER_MESSAGE_MAX:
		return packet_u64(value, &a->message_max);
	case INNER_POP3_SESSIONS:
		return get_u32(value, &a->pop3_sessions);
	case INNER_IMAP_SESSIONS:
		return get_u32(value, &a->imap_sessions);
	default:
		return true;
	}
}

static bool
domain_get(void *arg, uint8_t tag, struct span value)
{
	struct domain_info *d = arg;

	switch (tag) {
	case INNER_NAME:
		return GET_TEXT(d->name);
	case INNER_TARGET:
		return GET_TEXT(d->target);
	case INNER_TENANT:
		return tenants_get_tenant(value, &d->tenant);
	default:
		return true;
	}
}

static bool
recipient_get(void *arg, uint8_t tag, struct span value)
{
	struct recipient *r = arg;

	switch (tag) {
	case INNER_ADDRESS:
		return GET_TEXT(r->address);
	case INNER_DETAIL:
		return GET_TEXT(r->detail);
	case INNER_ACCOUNT:
		r->local = true;
		return tenants_get_account(value, &r->account);
	default:
		return true;
	}
}

bool
tenants_get_tenant(struct span value, struct tenant_info *out)
{
	*out = (struct tenant_info){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	return fields_each(value, tenant_get, out) && out->name[0] != '\0';
}

bool
tenants_get_domain(struct span value, struct domain_info *out)
{
	*out = (struct domain_info){ .name = "" };
	return fields_each(value, domain_get, out) && out->name[0] != '\0';
}

bool
tenants_get_account(struct span value, struct account_info *out)
{
	*out = (struct account_info){ .id = "" };
	return fields_each(value, account_get, out) && out->id[0] != '\0' &&
	       out->tenant.name[0] != '\0';
}

bool
tenants_get_recipient(struct span value, struct recipient *out)
{
	*out = (struct recipient){ .local = false };
	return fields_each(value, recipient_get, out) &&
	       out->address[0] != '\0';
}
