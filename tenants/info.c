/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/info.h"

#include <stdio.h>
#include <string.h>

#include "common/ascii.h"
#include "common/log.h"
#include "tenants/layers.h"

/* slapd allows four digits. */
#define UNDELETE_DAYS_MAX 9999
/* Seconds; what the directory allows. */
#define LOGIN_DELAY_MAX 9999
#define INBOX_DAYS_MAX 9999

static const unsigned services_all = SERVICE_SMTP | SERVICE_POP3 | SERVICE_IMAP;

/* Copies what fits; a value with NUL or too long is none. */
static void
copy_text(struct span value, char *out, size_t size)
{
	out[0] = '\0';
	if (value.len == 0 || value.len >= size ||
	    span_index(value, '\0') != -1)
		return;
	memcpy(out, value.p, value.len);
	out[value.len] = '\0';
}

static void
copy_lower(struct span value, char *out, size_t size)
{
	copy_text(value, out, size);
	for (; *out != '\0'; out++)
		*out = ascii_lower(*out);
}

enum account_status
info_status(const struct entry *e)
{
	struct span status = entry_get(e, ATTR_STATUS);

	if (status.len == 0 || span_eq_nocase(status, SPAN("active")))
		return ACCOUNT_ACTIVE;
	if (span_eq_nocase(status, SPAN("nologin")))
		return ACCOUNT_NOLOGIN;
	if (span_eq_nocase(status, SPAN("noreceive")))
		return ACCOUNT_NORECEIVE;
	if (span_eq_nocase(status, SPAN("deleted")))
		return ACCOUNT_DELETED;
	/* A word of a newer version, too: the careful reading. */
	return ACCOUNT_SUSPENDED;
}

enum tenant_status
info_tenant_status(const struct entry *e)
{
	struct span status = entry_get(e, ATTR_TENANT_STATUS);

	if (status.len == 0 || span_eq_nocase(status, SPAN("active")))
		return TENANT_ACTIVE;
	if (span_eq_nocase(status, SPAN("closing")))
		return TENANT_CLOSING;
	if (span_eq_nocase(status, SPAN("deleted")))
		return TENANT_DELETED;
	return TENANT_SUSPENDED;
}

/* ---- limits ---------------------------------------------------------------
 */

/* What hkService or hkAllowedService lists; nothing listed means all. */
static unsigned
services_of(const struct entry *e, enum entry_attr attr)
{
	unsigned services = 0;

	if (entry_get(e, attr).p == NULL)
		return services_all;
	if (entry_has(e, attr, SPAN("smtp")))
		services |= SERVICE_SMTP;
	if (entry_has(e, attr, SPAN("pop3")))
		services |= SERVICE_POP3;
	if (entry_has(e, attr, SPAN("imap")))
		services |= SERVICE_IMAP;
	return services;
}

/* ---- POP3 ------------------------------------------------------------------
 */

static enum said
said(const struct entry *e, enum entry_attr attr)
{
	struct span value = entry_get(e, attr);

	if (span_eq_nocase(value, SPAN("TRUE")))
		return SAID_YES;
	return span_eq_nocase(value, SPAN("FALSE")) ? SAID_NO : SAID_NOTHING;
}

static void
fill_pop3(const struct entry *e, struct tenant_pop3 *pop3)
{
	struct span form = entry_get(e, ATTR_UIDL_FORMAT);
	uint64_t delay, days;

	copy_text(form, pop3->unique_ids, sizeof(pop3->unique_ids));
	/* Another form than the brand's makes clients fetch all mail anew. */
	if (form.p != NULL && pop3->unique_ids[0] == '\0')
		pop3->unique_ids[0] = '?';
	pop3->mark_seen = said(e, ATTR_POP3_SEEN);
	pop3->apop = said(e, ATTR_POP3_APOP) == SAID_YES;
	delay = entry_number(e, ATTR_POP3_LOGIN_DELAY);
	pop3->login_delay =
	    delay > LOGIN_DELAY_MAX ? LOGIN_DELAY_MAX : (uint32_t)delay;
	days = entry_number(e, ATTR_INBOX_DAYS);
	pop3->expire_days =
	    days > INBOX_DAYS_MAX ? INBOX_DAYS_MAX : (uint32_t)days;
}

/* ---- tenants and domains --------------------------------------------------
 */

enum lookup
info_tenant(struct directory *d, struct entry *e,
    struct tenant_info *tenant_out, struct err *err)
{
	CLEANUP(layers_fini) struct layers l = { .len = 0 };
	uint64_t uid = entry_number(e, ATTR_STORE_UID);
	uint64_t gid = entry_number(e, ATTR_STORE_GID);
	enum lookup found;

	memset(tenant_out, 0, sizeof(*tenant_out));
	if (e->kind != ENTRY_TENANT || strlen(e->tenant) > TENANT_NAME_MAX)
		return entry_unusable(e, "no tenant");
	if (gid == 0)
		gid = uid;
	/* (uid_t)-1 means "nobody in particular" to the system. */
	if (uid == 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return entry_unusable(e, "hkUid is missing or out of range");
	found = layers_of_tenant(d, e, &l, err);
	if (found != LOOKUP_FOUND)
		return found;
	copy_text(
	    span_str(e->tenant), tenant_out->name, sizeof(tenant_out->name));
	tenant_out->uid = (uid_t)uid;
	tenant_out->gid = (gid_t)gid;
	tenant_out->status = info_tenant_status(e);
	copy_lower(entry_get(e, ATTR_HOST), tenant_out->host,
	    sizeof(tenant_out->host));
	copy_text(entry_get(e, ATTR_DISPLAY_NAME), tenant_out->title,
	    sizeof(tenant_out->title));
	tenant_out->message_max =
	    layers_smallest(&l, ATTR_MAX_MESSAGE_SIZE, ATTR_MAX_MESSAGE_SIZE);
	fill_pop3(e, &tenant_out->pop3);
	tenant_out->refuses_over_quota =
	    span_eq_nocase(entry_get(e, ATTR_OVER_QUOTA), SPAN("refuse"));
	return LOOKUP_FOUND;
}

enum lookup
info_tenant_of(struct directory *d, struct entry *e,
    struct tenant_info *tenant_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *tenant = NULL;
	enum lookup found = layers_tenant(d, e, &tenant, err);

	return found == LOOKUP_FOUND ? info_tenant(d, tenant, tenant_out, err)
				     : found;
}

enum lookup
info_domain(struct directory *d, struct entry *e, struct span asked,
    struct domain_info *domain_out, struct err *err)
{
	memset(domain_out, 0, sizeof(*domain_out));
	copy_lower(asked, domain_out->name, sizeof(domain_out->name));
	copy_lower(entry_get(e, ATTR_ALIAS_DOMAIN), domain_out->target,
	    sizeof(domain_out->target));
	return info_tenant_of(d, e, &domain_out->tenant, err);
}

/* ---- accounts --------------------------------------------------------------
 */

/* It becomes a directory's name. */
static bool
id_is_good(struct span id)
{
	if (id.len == 0 || id.len > TENANT_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_is(id.p[i], ASCII_ALPHA | ASCII_DIGIT) &&
		    (i == 0 || (id.p[i] != '-' && id.p[i] != '_')))
			return false;
	return true;
}

/* The primary address with its domain in lower case. */
static void
copy_address(struct span value, char *out, size_t size)
{
	char *at;

	copy_text(value, out, size);
	at = strrchr(out, '@');
	for (; at != NULL && *at != '\0'; at++)
		*at = ascii_lower(*at);
}

/* The least that somebody says. */
static unsigned
undelete_days(const struct layers *l)
{
	uint64_t days = layers_ceiling(l, ATTR_UNDELETE_DAYS, 0);

	return days > UNDELETE_DAYS_MAX ? UNDELETE_DAYS_MAX : (unsigned)days;
}

/* The first of a list as in "ja, en;q=0.7".		RFC 2798 section 2.7 */
static void
copy_language(const struct entry *account, const struct entry *tenant,
    struct account_info *out)
{
	struct span value = entry_get(account, ATTR_LANGUAGE);
	size_t len = 0;

	if (value.p == NULL)
		value = entry_get(tenant, ATTR_LANGUAGE);
	while (len < value.len &&
	       (ascii_is(value.p[len], ASCII_ALPHA | ASCII_DIGIT) ||
		   value.p[len] == '-'))
		len++;
	copy_text(span_first(value, len), out->language, sizeof(out->language));
}

/* Beyond what anybody can count to is no limit. */
static uint32_t
sessions(const struct layers *l, enum entry_attr attr)
{
	uint64_t number = layers_smallest(l, attr, attr);

	return number > UINT32_MAX ? 0 : (uint32_t)number;
}

static void
fill_limits(const struct layers *l, struct account_info *a)
{
	a->quota_octets = layers_smallest(l, ATTR_QUOTA, ATTR_MAX_QUOTA);
	a->quota_messages =
	    layers_smallest(l, ATTR_QUOTA_MESSAGES, ATTR_MAX_QUOTA_MESSAGES);
	a->message_max =
	    layers_smallest(l, ATTR_MAX_MESSAGE_SIZE, ATTR_MAX_MESSAGE_SIZE);
	a->undelete_days = undelete_days(l);
	a->pop3_sessions = sessions(l, ATTR_MAX_POP3_SESSIONS);
	a->imap_sessions = sessions(l, ATTR_MAX_IMAP_SESSIONS);
	a->services = services_of(l->entries[0], ATTR_SERVICE);
	for (size_t i = 0; i < l->len; i++)
		a->services &= services_of(l->entries[i], ATTR_ALLOWED_SERVICE);
}

enum lookup
info_account(struct directory *d, struct entry *e,
    struct account_info *account_out, struct err *err)
{
	CLEANUP(layers_fini) struct layers l = { .len = 0 };
	struct span id = entry_get(e, ATTR_ACCOUNT_ID);
	struct entry *tenant = NULL;
	enum lookup found;

	memset(account_out, 0, sizeof(*account_out));
	if (id.p == NULL)
		id = entry_get(e, ATTR_UUID);
	if (e->kind != ENTRY_ACCOUNT || !id_is_good(id))
		return entry_unusable(e, "hkAccountId is no good name");
	if ((found = layers_of_account(d, e, &l, &tenant, err)) !=
		LOOKUP_FOUND ||
	    (found = info_tenant(d, tenant, &account_out->tenant, err)) !=
		LOOKUP_FOUND)
		return found;
	copy_text(id, account_out->id, sizeof(account_out->id));
	copy_address(entry_get(e, ATTR_MAIL), account_out->address,
	    sizeof(account_out->address));
	copy_lower(entry_get(e, ATTR_MAIL_HOST), account_out->mail_host,
	    sizeof(account_out->mail_host));
	copy_language(e, tenant, account_out);
	account_out->status = info_status(e);
	fill_limits(&l, account_out);
	return LOOKUP_FOUND;
}
