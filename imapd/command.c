/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/command.h"

/* In ASCII order, for reading; so few that a walk finds them fast. */
static const struct imap_command commands[] = {
	{ "APPEND", 0, imap_append },
	{ "CAPABILITY", 0, imap_capability },
	{ "CHECK", COMMAND_SELECTED, imap_check },
	{ "CLOSE", COMMAND_SELECTED | COMMAND_NO_SYNC, imap_close },
	{ "COPY", COMMAND_SELECTED | COMMAND_UID, imap_copy },
	{ "CREATE", 0, imap_create },
	{ "DELETE", 0, imap_delete },
	{ "ENABLE", 0, imap_enable },
	{ "EXAMINE", COMMAND_NO_SYNC, imap_examine },
	{ "EXPUNGE", COMMAND_SELECTED | COMMAND_UID, imap_expunge },
	{ "FETCH", COMMAND_SELECTED | COMMAND_UID | COMMAND_NO_EXPUNGE,
	    imap_fetch },
	{ "GETQUOTA", 0, imap_getquota },
	{ "GETQUOTAROOT", 0, imap_getquotaroot },
	{ "ID", 0, imap_id },
	{ "IDLE", COMMAND_DEFERRED, imap_idle },
	{ "LIST", 0, imap_list },
	{ "LOGOUT", COMMAND_NO_SYNC, imap_logout },
	{ "LSUB", 0, imap_lsub },
	{ "MOVE", COMMAND_SELECTED | COMMAND_UID, imap_move },
	{ "NAMESPACE", 0, imap_namespace },
	{ "NOOP", 0, imap_noop },
	{ "RENAME", 0, imap_rename },
	{ "SEARCH", COMMAND_SELECTED | COMMAND_UID | COMMAND_NO_EXPUNGE,
	    imap_search },
	{ "SELECT", COMMAND_NO_SYNC, imap_select },
	{ "SETQUOTA", 0, imap_setquota },
	{ "SORT", COMMAND_SELECTED | COMMAND_UID | COMMAND_NO_EXPUNGE,
	    imap_sort },
	{ "STATUS", 0, imap_status },
	{ "STORE", COMMAND_SELECTED | COMMAND_UID | COMMAND_NO_EXPUNGE,
	    imap_store },
	{ "SUBSCRIBE", 0, imap_subscribe },
	{ "THREAD", COMMAND_SELECTED | COMMAND_UID | COMMAND_NO_EXPUNGE,
	    imap_thread },
	{ "UNSELECT", COMMAND_SELECTED | COMMAND_NO_SYNC, imap_unselect },
	{ "UNSUBSCRIBE", 0, imap_unsubscribe },
};

const struct imap_command *
imap_command_find(struct span name, bool uid)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct imap_command *c = &commands[i];

		if (!span_eq_nocase(name, span_str(c->name)))
			continue;
		return uid && (c->flags & COMMAND_UID) == 0 ? NULL : c;
	}
	return NULL;
}
