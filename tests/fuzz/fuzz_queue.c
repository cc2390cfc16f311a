/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a record of the queue, as its entries, and as a host's reply:
 * reading ends, spans lie inside, and a record that was read comes back the
 * same after writing.
 */
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/outbound.h"
#include "delivery/dns.h"
#include "delivery/peer.h"
#include "delivery/queue_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
record(struct span octets)
{
	struct outbound m, again;
	struct buf out;

	if (outbound_parse(octets, &m, NULL) == -1)
		return;
	buf_init(&out, 2 * octets.len + 4096);
	outbound_format(&m, &out);
	buf_append(&out, m.content);
	if (outbound_parse(buf_span(&out), &again, NULL) == -1 ||
	    again.count != m.count || again.flags != m.flags ||
	    !span_eq(again.id, m.id) || !span_eq(again.content, m.content) ||
	    !span_eq(again.reverse_path, m.reverse_path))
		abort();
	for (size_t i = 0; i < m.count; i++)
		if (!span_eq(
			m.recipients[i].address, again.recipients[i].address) ||
		    memchr(m.recipients[i].address.p, '\n',
			m.recipients[i].address.len) != NULL)
			abort();
	outbound_fini(&again);
	outbound_fini(&m);
	buf_fini(&out);
}

static void
entries(struct span octets)
{
	struct span rest = octets, before;
	enum queue_entry_next next;
	struct queue_entry e;

	do {
		before = rest;
		next = queue_entry_take(&rest, &e);
		if (next == QUEUE_ENTRY_BROKEN && rest.len != before.len)
			abort();
	} while (next == QUEUE_ENTRY_TAKEN || next == QUEUE_ENTRY_UNKNOWN);
}

static void
reply(struct span octets)
{
	struct peer_reply r;
	struct span line;
	bool first = true, last = false;

	while (!last && span_take_until(&octets, '\n', &line)) {
		if (peer_reply_line(line, &r, first, &last, NULL) == -1)
			return;
		first = false;
		if (!ascii_all(span_str(r.text), ASCII_VCHAR | ASCII_WSP) ||
		    strlen(r.text) >= sizeof(r.text))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span octets = span_of((const char *)data, size);
	char name[256];

	record(octets);
	entries(octets);
	reply(octets);
	if (dns_name(octets, 0, name, sizeof(name)) &&
	    strlen(name) >= sizeof(name))
		abort();
	return 0;
}
