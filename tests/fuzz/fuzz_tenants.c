/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What comes to tenantd from its clients, and what it reads back from disk.
 *
 * A request that is accepted has spans inside the packet and within their
 * limits.  A value that is a tenant, a domain, an account or a recipient is
 * the same after it was written again.  An entry that is accepted has a kind
 * only in a tenant's branch, and a tenant's name fit for a directory.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/packet.h"
#include "tenants/entry.h"
#include "tenants/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span input = { (const char *)data, size };

	if (size == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		fuzz_request(span_from(input, 1));
		break;
	case 1:
		fuzz_recipient(span_from(input, 1));
		break;
	default:
		fuzz_entry(span_from(input, 1));
		break;
	}
	return 0;
}
