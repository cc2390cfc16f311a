/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the hikyaku command and hikyakud, packets (packet.h) over
 * run-directory/hikyakud.sock (SOCK_SEQPACKET, 0600).
 *
 *	hikyaku asks	hikyakud answers
 *	STATUS		*ROW *BACKLOG OK
 *	RELOAD		OK or ERROR, when every daemon has answered
 *	STOP		OK at once; the connection closes when all is ended
 *
 * A ROW's text has tabs between: title, state, pid ("-"), since (seconds
 * since the epoch, "-"), restarts, sessions, listeners.  A BACKLOG's likewise:
 * title, messages that wait in the daemon's journal, their octets, when the
 * oldest came (milliseconds since the epoch).
 */
#ifndef HK_MASTER_ADMIN_PROTOCOL_H
#define HK_MASTER_ADMIN_PROTOCOL_H

#define ADMIN_VERSION 1
#define ADMIN_SOCKET "hikyakud.sock"

enum admin_type {
	ADMIN_STATUS = 1,
	ADMIN_RELOAD = 2,
	ADMIN_STOP = 3,
	ADMIN_ROW = 64,
	ADMIN_BACKLOG = 65,
	ADMIN_OK = 128,
	ADMIN_ERROR = 129,
};

enum admin_tag {
	ADMIN_TEXT = 1
};

#endif
