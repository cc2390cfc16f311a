/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a packet: reading ends, fields lie inside, and writing what
 * was read gives the same octets.
 */
#include <stdlib.h>
#include <string.h>

#include "common/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span packet = span_of((const char *)data, size), fields, value;
	CLEANUP(buf_fini) struct buf again;
	enum packet_next next;
	struct packet_head head;
	uint8_t tag;

	buf_init(&again, PACKET_MAX);
	if (size == 0 ||
	    packet_open(packet, data[0], &head, &fields, NULL) == -1)
		return 0;
	packet_begin(&again, head);
	while ((next = packet_next(&fields, &tag, &value)) == PACKET_FIELD) {
		char text[16];
		uint64_t number;

		packet_put(&again, tag, value);
		if (packet_text(value, text, sizeof(text)) &&
		    strlen(text) != value.len)
			abort();
		if (packet_u64(value, &number) && value.len != 8)
			abort();
	}
	if (next == PACKET_END && size <= PACKET_MAX &&
	    !span_eq(buf_span(&again), packet))
		abort();
	return 0;
}
