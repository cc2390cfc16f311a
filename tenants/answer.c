/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/answer.h"

#include "common/log.h"
#include "tenants/effective.h"
#include "tenants/protocol.h"
#include "tenants/told.h"

/* What stays free in a packet for an answer's head and small fields. */
#define PAGE_OCTETS (PACKET_MAX - 8192)

static void
put_login(struct buf *b, const struct login_result *r)
{
	packet_put_u64(b, TAG_OUTCOME, r->outcome);
	packet_put_u64(b, TAG_DELAY_MS, r->delay_ms);
	packet_put_str(b, TAG_LOGIN, r->login);
	if (r->outcome == LOGIN_OK || r->outcome == LOGIN_REFUSED)
		tenants_put_account(b, &r->account);
	if (r->acting)
		packet_put_u64(b, TAG_ACTING, 1);
}

static int
do_login(const struct answers *s, const struct tenants_request *r,
    struct attempt *attempt, struct buf *b, struct err *err)
{
	struct login_result result = { .outcome = LOGIN_WRONG };

	if (authenticate_login(s->authenticate, r, attempt, &result, err) == -1)
		return -1;
	put_login(b, &result);
	return 0;
}

static int
do_sasl(const struct answers *s, const struct tenants_request *r,
    struct attempt *attempt, struct buf *b, struct err *err)
{
	struct login_result result = { .outcome = LOGIN_BAD };
	CLEANUP(buf_fini) struct buf challenge;
	struct sasl_token token = r->token;
	int rc;

	buf_init(&challenge, TENANT_SASL_MAX);
	rc = r->type == TENANTS_SASL_START
		 ? authenticate_sasl_start(s->authenticate, r, attempt, &token,
		       &challenge, &result, err)
		 : authenticate_sasl_step(
		       s->authenticate, r, attempt, &challenge, &result, err);
	if (rc == -1)
		return -1;
	put_login(b, &result);
	if (result.outcome != LOGIN_CONTINUE)
		return 0;
	packet_put(b, TAG_TOKEN,
	    span_of((const char *)token.octets, sizeof(token.octets)));
	packet_put(b, TAG_CHALLENGE, buf_span(&challenge));
	return 0;
}

/* FNV-1a over what tells one recipient from another, NULs included. */
static uint64_t
recipients_mark(const struct resolution *r)
{
	uint64_t mark = 14695981039346656037U;

	for (size_t i = 0; i < r->count; i++) {
		const char *texts[] = { r->recipients[i].address,
			r->recipients[i].account.id, r->recipients[i].detail };

		for (size_t t = 0; t < 3; t++)
			for (const char *p = texts[t];; p++) {
				mark ^= (unsigned char)*p;
				mark *= 1099511628211U;
				if (*p == '\0')
					break;
			}
	}
	return mark;
}

static int
do_resolve(struct directory *d, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	CLEANUP(resolution_fini) struct resolution resolution = { 0 };

	if (directory_resolve(d, r->address, &resolution, err) == -1)
		return -1;
	packet_put_u64(b, TAG_OUTCOME, resolution.outcome);
	if (resolution.outcome != RESOLVE_FOREIGN)
		tenants_put_tenant(b, &resolution.tenant);
	if (resolution.last_known)
		packet_put_u64(b, TAG_LAST_KNOWN, 1);
	packet_put_u64(b, TAG_COUNT, resolution.count);
	packet_put_u64(b, TAG_MARK, recipients_mark(&resolution));
	for (uint64_t i = r->start;
	     i < resolution.count && b->len < PAGE_OCTETS; i++)
		tenants_put_recipient(b, &resolution.recipients[i]);
	return 0;
}

static int
do_lookup(struct directory *d, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	char name[TENANT_DOMAIN_MAX + 1] = "";
	char id[TENANT_ID_MAX + 1] = "";
	struct account_info account;
	struct tenant_info tenant;
	struct domain_info domain;
	enum lookup outcome = LOOKUP_NONE;

	/* A name with NUL in it is nobody's. */
	if (!packet_text(r->name, name, sizeof(name)) ||
	    !packet_text(r->id, id, sizeof(id)))
		outcome = LOOKUP_NONE;
	else if (r->type == TENANTS_ACCOUNT)
		outcome = directory_account(d, id, &account, err);
	else if (r->type == TENANTS_TENANT)
		outcome = directory_tenant(d, name, &tenant, err);
	else if (r->type == TENANTS_HOST)
		outcome = directory_host(d, r->name, &tenant, err);
	else if (r->type == TENANTS_DOMAIN)
		outcome = directory_domain(d, r->name, &domain, err);
	else
		outcome = directory_may_send_as(d, id, r->address, err);
	if (outcome == LOOKUP_FAILED)
		return -1;
	packet_put_u64(b, TAG_OUTCOME, outcome);
	if (outcome == LOOKUP_NONE || r->type == TENANTS_MAY_SEND_AS)
		return 0;
	if (r->type == TENANTS_ACCOUNT)
		tenants_put_account(b, &account);
	else if (r->type == TENANTS_DOMAIN)
		tenants_put_domain(b, &domain);
	else
		tenants_put_tenant(b, &tenant);
	return 0;
}

/* The fields from number start on that fit into the packet. */
static void
put_page(struct buf *b, struct span items, uint64_t start)
{
	struct span at = items, value;
	uint8_t tag;

	while (packet_next(&items, &tag, &value) == PACKET_FIELD) {
		struct span whole = span_first(at, at.len - items.len);

		at = items;
		if (start > 0) {
			start--;
			continue;
		}
		if (b->len + whole.len > PACKET_MAX)
			return;
		buf_append(b, whole);
	}
}

static uint64_t
count_fields(struct span items)
{
	struct span value;
	uint64_t count = 0;
	uint8_t tag;

	while (packet_next(&items, &tag, &value) == PACKET_FIELD)
		count++;
	return count;
}

static int
do_settings(struct directory *d, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf items;
	char name[TENANT_DOMAIN_MAX + 1] = "";
	char id[TENANT_ID_MAX + 1] = "";
	struct account_info account;
	struct tenant_info tenant;
	enum lookup outcome = LOOKUP_NONE;

	buf_init(&items, EFFECTIVE_OCTETS_MAX);
	if (!packet_text(r->name, name, sizeof(name)) ||
	    !packet_text(r->id, id, sizeof(id)))
		outcome = LOOKUP_NONE;
	else if (r->type == TENANTS_DEFAULTS)
		outcome = directory_defaults(d, name, &tenant, &items, err);
	else if (r->id.p != NULL)
		outcome = directory_settings(d, id, &account, &items, err);
	else
		outcome =
		    directory_settings_of(d, r->login, &account, &items, err);
	if (outcome == LOOKUP_FAILED)
		return -1;
	packet_put_u64(b, TAG_OUTCOME, outcome);
	if (outcome == LOOKUP_NONE)
		return 0;
	if (r->type == TENANTS_DEFAULTS)
		tenants_put_tenant(b, &tenant);
	else
		tenants_put_account(b, &account);
	packet_put_u64(b, TAG_COUNT, count_fields(buf_span(&items)));
	packet_put_u64(b, TAG_MARK, told_digest(TOLD_DIGEST, buf_span(&items)));
	put_page(b, buf_span(&items), r->start);
	return 0;
}

static int
do_list(struct directory *d, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	struct tenant_info *list = NULL;
	size_t count = 0;

	if (directory_list(d, &list, &count, err) == -1)
		return -1;
	packet_put_u64(b, TAG_COUNT, count);
	for (uint64_t i = r->start; i < count && b->len < PAGE_OCTETS; i++)
		tenants_put_tenant(b, &list[i]);
	free(list);
	return 0;
}

static int
do_domains(struct directory *d, const struct tenants_request *r, struct buf *b,
    struct err *err)
{
	char tenant[TENANT_DOMAIN_MAX + 1] = "";
	struct domain_info *list = NULL;
	size_t count = 0;

	if (!packet_text(r->name, tenant, sizeof(tenant)))
		return err_set(err, ERR_SYNTAX, "a tenant's name with NUL");
	if (directory_domains(
		d, r->name.p == NULL ? NULL : tenant, &list, &count, err) == -1)
		return -1;
	packet_put_u64(b, TAG_COUNT, count);
	for (uint64_t i = r->start; i < count && b->len < PAGE_OCTETS; i++)
		tenants_put_domain(b, &list[i]);
	free(list);
	return 0;
}

static int
request_work(const struct answers *s, const struct tenants_request *r,
    struct attempt *attempt, struct buf *b, struct err *err)
{
	struct directory *d = attempt->patience == PATIENCE_NONE
				  ? directory_memory(s->directory)
				  : s->directory;

	switch (r->type) {
	case TENANTS_LOGIN:
		return do_login(s, r, attempt, b, err);
	case TENANTS_SASL_START:
	case TENANTS_SASL_STEP:
		return do_sasl(s, r, attempt, b, err);
	case TENANTS_RESOLVE:
		return do_resolve(d, r, b, err);
	case TENANTS_MAY_SEND_AS:
	case TENANTS_ACCOUNT:
	case TENANTS_TENANT:
	case TENANTS_HOST:
	case TENANTS_DOMAIN:
		return do_lookup(d, r, b, err);
	case TENANTS_SETTINGS:
	case TENANTS_DEFAULTS:
		return do_settings(d, r, b, err);
	case TENANTS_LIST:
		return do_list(d, r, b, err);
	case TENANTS_DOMAINS:
		return do_domains(d, r, b, err);
	case TENANTS_SASL_CANCEL:
	case TENANTS_ANSWER:
	case TENANTS_FAILED:
		break;
	}
	return err_set(err, ERR_SYNTAX, "request %d: unknown", r->type);
}

void
answer_failed(const struct answers *s, struct span packet,
    const struct err *why, struct buf *answer)
{
	struct packet_head head;
	struct span fields;
	struct tenants_request r;

	/* It was understood before. */
	if (packet_open(
		packet, TENANTS_PROTOCOL_VERSION, &head, &fields, NULL) == -1 ||
	    tenants_request_parse(head.type, fields, &r, NULL) == -1)
		return;
	log_warning(&log_process, "request not answered",
	    log_span("id", r.log_id), log_u64("request", r.type), log_err(why));
	counter_add(s->counters, COUNTER_DIRECTORY_ERRORS, 1);
	head.type = TENANTS_FAILED;
	packet_begin(answer, head);
	packet_put_u64(answer, TAG_KIND, why->kind);
	packet_put_str(answer, TAG_TEXT, why->text);
}

enum answered
answer_request(const struct answers *s, struct span packet,
    enum patience patience, struct turn *turn_out, struct buf *answer)
{
	struct attempt attempt = { .patience = patience };
	struct packet_head head;
	struct span fields;
	struct tenants_request r;
	struct err err = ERR_INIT;

	if (packet_open(
		packet, TENANTS_PROTOCOL_VERSION, &head, &fields, &err) == -1 ||
	    tenants_request_parse(head.type, fields, &r, &err) == -1) {
		log_error(
		    &log_process, "request not understood", log_err(&err));
		return ANSWER_BAD;
	}
	if (r.type == TENANTS_SASL_CANCEL) {
		authenticate_sasl_cancel(s->authenticate, &r);
		return ANSWERED_NOTHING;
	}
	head.type = TENANTS_ANSWER;
	packet_begin(answer, head);
	if (request_work(s, &r, &attempt, answer, &err) == 0 &&
	    buf_check(answer, &err) == 0)
		return ANSWERED;
	if (patience == PATIENCE_NONE && directory_would_wait(&err))
		return ANSWER_LOOKS_UP;
	if (patience != PATIENCE_HASH && verify_wants_hash(&err)) {
		*turn_out = attempt.turn;
		return ANSWER_HASHES;
	}
	answer_failed(s, packet, &err, answer);
	return ANSWERED;
}
