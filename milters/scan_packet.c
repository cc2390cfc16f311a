/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "common/packet.h"
#include "milters/scan.h"

int
scan_send(int fd, enum scan_word word, uint64_t number, const char *text,
    int passed, struct err *err)
{
	struct scan_packet p = {
		.version = SCAN_VERSION, .word = word, .number = number
	};

	if (text != NULL)
		(void)snprintf(p.text, sizeof(p.text), "%s", text);
	return packet_send(fd, span_of((const char *)&p, sizeof(p)), &passed,
	    passed == -1 ? 0 : 1, -1, err);
}

int
scan_recv(int fd, struct scan_packet *p, int *passed_out, int timeout_ms,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf room;
	size_t len = 0;
	int passed = -1;

	*passed_out = -1;
	buf_init(&room, PACKET_MAX);
	if (packet_recv(fd, &room, &passed, 1, &len, timeout_ms, err) == -1)
		return -1;
	if (room.len != sizeof(*p)) {
		fd_close(len == 1 ? passed : -1);
		return err_set(err, ERR_SYNTAX, "a packet of another shape");
	}
	memcpy(p, room.data, sizeof(*p));
	p->text[sizeof(p->text) - 1] = '\0';
	if (p->version != SCAN_VERSION) {
		fd_close(len == 1 ? passed : -1);
		return err_set(err, ERR_SYNTAX, "a packet of another version");
	}
	if (len == 1)
		*passed_out = passed;
	return 0;
}
