/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a packet of the control protocol, which root reads from
 * daemons that face the network.  The first octet says how many descriptors
 * came with it.  What is accepted has a name for each of them, and texts that
 * end within their fields.
 */
#include <stdlib.h>
#include <string.h>

#include "common/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct control_packet p;
	struct err err = ERR_INIT;

	if (size == 0)
		return 0;
	control_packet_init(&p);
	p.fds_len = data[0] % (CONTROL_FDS_MAX + 1);
	for (size_t i = 0; i < p.fds_len; i++)
		p.fds[i].fd = -1;
	if (control_parse(
		&p, span_of((const char *)data + 1, size - 1), &err) == -1) {
		if (err.kind != ERR_SYNTAX)
			abort();
		return 0;
	}
	if (strlen(p.file) >= sizeof(p.file) ||
	    strlen(p.tenant) >= sizeof(p.tenant) ||
	    strlen(p.name) >= sizeof(p.name) ||
	    strlen(p.text) >= sizeof(p.text))
		abort();
	if (control_packet_take_fd(&p, "conf") != -1)
		abort();
	return 0;
}
