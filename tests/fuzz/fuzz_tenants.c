/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What comes to tenantd from its clients, and what it reads back from disk.
 *
 * A request that is accepted has spans inside the packet and within their
 * limits.  A value that is a tenant, a domain, an account or a recipient is
 * the same after it was written again.  An entry that is accepted has a kind
 * only in a tenant's branch, and a tenant's name fit for a directory.  Its
 * settings, whatever stands in it, come to a client as tenantd judged them:
 * the client finds no fault that tenantd has not found.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "common/log.h"
#include "common/packet.h"
#include "tenants/app_password.h"
#include "tenants/effective.h"
#include "tenants/entry.h"
#include "tenants/protocol.h"
#include "tenants/saslprep.h"
#include "tenants/settings.h"
#include "tenants/settings_spec.h"
#include "tenants/told.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bad values are told to the log, each time. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return log_open("fuzz", LOG_TO_FILE,
	    open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR, NULL);
}

static void
check_inside(struct span whole, struct span part, size_t max)
{
	assert(part.p == NULL || (part.len <= max && part.p >= whole.p &&
				     part.p + part.len <= whole.p + whole.len));
}

static void
fuzz_request(struct span packet)
{
	struct packet_head head;
	struct tenants_request r;
	struct span fields;

	if (packet_open(
		packet, TENANTS_PROTOCOL_VERSION, &head, &fields, NULL) == -1 ||
	    tenants_request_parse(head.type, fields, &r, NULL) == -1)
		return;
	check_inside(packet, r.login, TENANT_LOGIN_MAX);
	check_inside(packet, r.password, TENANT_PASSWORD_MAX);
	check_inside(packet, r.response, TENANT_SASL_MAX);
	check_inside(packet, r.address, TENANT_ADDRESS_MAX);
	check_inside(packet, r.id, TENANT_ID_MAX);
	check_inside(packet, r.name, TENANT_DOMAIN_MAX);
	assert(r.type != TENANTS_LOGIN ||
	       (r.login.p != NULL && r.password.p != NULL));
	assert(r.type != TENANTS_RESOLVE || r.address.p != NULL);
}

static void
fuzz_recipient(struct span value)
{
	struct recipient one, two;
	CLEANUP(buf_fini) struct buf packet = { .max = PACKET_MAX };
	CLEANUP(buf_fini) struct buf again = { .max = PACKET_MAX };
	struct span fields, inner;
	uint8_t tag;

	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	if (!tenants_get_recipient(value, &one))
		return;
	tenants_put_recipient(&packet, &one);
	assert(buf_check(&packet, NULL) == 0);
	fields = buf_span(&packet);
	assert(packet_next(&fields, &tag, &inner) == PACKET_FIELD);
	assert(tag == TAG_RECIPIENT && tenants_get_recipient(inner, &two));
	tenants_put_recipient(&again, &two);
	assert(span_eq(buf_span(&packet), buf_span(&again)));
}

/* Only with a hash, and only of a label that is there. */
static void
fuzz_apps(const struct entry *e)
{
	CLEANUP(buf_fini) struct buf out = { .max = ENTRY_OCTETS_MAX };
	struct span rest, id, stored;

	app_passwords_put(e, SERVICE_IMAP, 2, &out);
	assert(buf_check(&out, NULL) == 0);
	rest = buf_span(&out);
	while (app_password_next(&rest, &id, &stored)) {
		assert(id.len > 0 && id.len <= 16 && stored.p[0] == '{');
		assert(entry_get(e, ATTR_APP_LABEL).p != NULL);
	}
	assert(rest.len == 0);
}

static void
fuzz_name(struct span text)
{
	CLEANUP(buf_fini) struct buf out = { .max = TENANT_LOGIN_MAX };

	if (saslprep(text, &out))
		assert(out.len > 0 && !span_eq(buf_span(&out), text));
	else
		assert(out.len == 0);
}

static void
fuzz_entry(struct span fields)
{
	CLEANUP(entry_unref) struct entry *e = NULL;

	if (entry_from_fields(fields, "o=hikyaku", &e, NULL) == -1)
		return;
	assert(entry_get(e, ATTR_UUID).len == ENTRY_UUID_SIZE);
	assert(e->kind == ENTRY_OTHER || e->kind == ENTRY_CLASS ||
	       e->kind == ENTRY_ROLE || e->tenant[0] != '\0');
	for (const char *c = e->tenant; *c != '\0'; c++)
		assert(*c != '/' && *c != '.' && *c != ' ');
	(void)entry_number(e, ATTR_QUOTA);
	fuzz_apps(e);
}

/* Items that say that a value is bad. */
static size_t
count_bad(struct span items)
{
	struct span fields, value;
	size_t count = 0;
	uint8_t tag;

	while (packet_next(&items, &tag, &fields) == PACKET_FIELD) {
		assert(tag == TAG_SETTING);
		while (packet_next(&fields, &tag, &value) == PACKET_FIELD)
			count += tag == ITEM_REASON;
	}
	return count;
}

static void
check_settings(struct span items)
{
	CLEANUP(settings_fini) struct settings s = { .junk_days = 0 };

	assert(settings_decode(items, &s, NULL) == 0);
	/* Or more: a brand's own rules are read within an account's limits. */
	assert(s.faults_len >= count_bad(items));
	assert(s.spam_action >= MAIL_TAG && s.spam_action <= MAIL_DISCARD);
	assert(s.deny_action >= MAIL_JUNK && s.deny_action <= MAIL_DISCARD);
	/* The entry is a brand's, whose own lists no limit cuts. */
	for (size_t i = 1; i < s.quarantine_rules.len; i++)
		assert(rule_order(s.quarantine_rules.items[i - 1].rule,
			   s.quarantine_rules.items[i].rule) <= 0);
}

/* The fields of an entry, which has a good beginning. */
static void
fuzz_settings(struct span input)
{
	struct directory d = { .base = NULL };
	CLEANUP(told_free) struct told *told = NULL;
	CLEANUP(entry_unref) struct entry *e = NULL;
	CLEANUP(buf_fini) struct buf fields, items;
	struct span rest = input;

	buf_init(&fields, ENTRY_OCTETS_MAX);
	buf_init(&items, EFFECTIVE_OCTETS_MAX);
	packet_put_str(&fields, ATTR_DN, "ou=a,ou=tenants,o=hikyaku");
	packet_put_str(
	    &fields, ATTR_UUID, "3fcd2f70-36db-4a29-a761-eeee268f9ab0");
	packet_put_str(&fields, ATTR_OBJECT_CLASS, "hkTenant");
	packet_put_str(&fields, ATTR_FORMAT, "1");
	/* Tag, length of one octet, value: shorter to find than fields. */
	while (rest.len > 2) {
		size_t len = (unsigned char)rest.p[1];

		packet_put(&fields, (uint8_t)rest.p[0],
		    span_first(span_from(rest, 2), len));
		rest = span_from(rest, 2 + len);
	}
	if (told_new(&told, NULL) == -1 ||
	    entry_from_fields(buf_span(&fields), "o=hikyaku", &e, NULL) == -1)
		return;
	assert(e->kind == ENTRY_TENANT || e->kind == ENTRY_ACCOUNT ||
	       e->kind == ENTRY_GROUP || e->kind == ENTRY_DOMAIN);
	/* Nobody is asked here. */
	if (e->kind != ENTRY_TENANT || entry_get(e, ATTR_CLASS).len > 0)
		return;
	d.told = told;
	assert(effective_settings(&d, e, &items, NULL) == LOOKUP_FOUND);
	check_settings(buf_span(&items));
}

static void
fuzz_decode(struct span items)
{
	CLEANUP(settings_fini) struct settings s = { .junk_days = 0 };
	struct err err = ERR_INIT;

	if (settings_decode(items, &s, &err) == -1)
		assert(err.kind != ERR_NONE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = { (const char *)data, size };

	if (size == 0)
		return 0;
	switch (data[0] % 5) {
	case 0:
		fuzz_request(span_from(input, 1));
		break;
	case 1:
		fuzz_recipient(span_from(input, 1));
		fuzz_name(span_from(input, 1));
		break;
	case 2:
		fuzz_settings(span_from(input, 1));
		break;
	case 3:
		fuzz_decode(span_from(input, 1));
		break;
	default:
		fuzz_entry(span_from(input, 1));
		break;
	}
	return 0;
}
