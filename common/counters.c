/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/counters.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define COUNTERS_VERSION 1

static const struct counter_text {
	const char *name, *help;
	bool gauge;
} counter_texts[COUNTER_END] = {
	[COUNTER_SESSIONS] = { "sessions", "Open connections or sessions.",
	    true },
	[COUNTER_CONNECTIONS] = { "connections_total", "Connections accepted.",
	    false },
	[COUNTER_REFUSED] = { "connections_refused_total",
	    "Connections refused because a limit was reached.", false },
	[COUNTER_TLS_HANDSHAKES] = { "tls_handshakes_total",
	    "TLS handshakes done.", false },
	[COUNTER_TLS_FAILURES] = { "tls_failures_total",
	    "TLS handshakes that failed.", false },
	[COUNTER_LOGINS] = { "logins_total", "Successful logins.", false },
	[COUNTER_LOGIN_FAILURES] = { "login_failures_total", "Logins refused.",
	    false },
	[COUNTER_MESSAGES_ACCEPTED] = { "messages_accepted_total",
	    "Messages answered 250 after DATA.", false },
	[COUNTER_MESSAGES_REFUSED] = { "messages_refused_total",
	    "Messages answered 4xx or 5xx after DATA.", false },
	[COUNTER_RECIPIENTS_REFUSED] = { "recipients_refused_total",
	    "Recipients refused.", false },
	[COUNTER_DELIVERIES] = { "deliveries_total",
	    "Recipients whose message is in the store.", false },
	[COUNTER_DELIVERIES_DEFERRED] = { "deliveries_deferred_total",
	    "Recipients deferred.", false },
	[COUNTER_OCTETS_IN] = { "octets_in_total",
	    "Octets received from clients.", false },
	[COUNTER_OCTETS_OUT] = { "octets_out_total", "Octets sent to clients.",
	    false },
	[COUNTER_COMMANDS] = { "commands_total", "Commands answered.", false },
	[COUNTER_TIMEOUTS] = { "timeouts_total", "Clients that were too slow.",
	    false },
	[COUNTER_DIRECTORY_HITS] = { "directory_hits_total",
	    "Directory questions answered from memory.", false },
	[COUNTER_DIRECTORY_LOOKUPS] = { "directory_lookups_total",
	    "Directory questions that went to LDAP.", false },
	[COUNTER_DIRECTORY_ERRORS] = { "directory_errors_total",
	    "Directory questions that LDAP did not answer.", false },
	[COUNTER_MESSAGES_READ] = { "messages_read_total",
	    "Messages sent whole to clients.", false },
	[COUNTER_MESSAGES_EXPUNGED] = { "messages_expunged_total",
	    "Messages removed by clients.", false },
	[COUNTER_BACKLOG_MESSAGES] = { "backlog_messages",
	    "Messages in the journal that are not in their mailbox yet.",
	    true },
	[COUNTER_BACKLOG_OCTETS] = { "backlog_octets",
	    "Octets of the messages that wait in the journal.", true },
	[COUNTER_BACKLOG_OLDEST_MS] = { "backlog_oldest_timestamp_ms",
	    "When the oldest of them came, milliseconds since the epoch; 0: "
	    "none waits.",
	    true },
	[COUNTER_FILTER_MESSAGES] = { "filter_messages_total",
	    "Messages that a filter judged.", false },
	[COUNTER_FILTER_HITS] = { "filter_hits_total",
	    "Messages in which a filter found something.", false },
	[COUNTER_FILTER_UNJUDGED] = { "filter_unjudged_total",
	    "Messages that a filter could not examine.", false },
	[COUNTER_FILTER_DEFERRED] = { "filter_deferred_total",
	    "Messages that a filter deferred.", false },
	[COUNTER_SIGNATURES] = { "signatures",
	    "Virus signatures in force; 0: none, and mail is deferred.", true },
	[COUNTER_SIGNATURES_TIME] = { "signatures_timestamp",
	    "When they were loaded or lost, seconds since the epoch.", true },
	[COUNTER_SCANNERS_LOST] = { "scanners_lost_total",
	    "Virus scanners that died or hung.", false },
	[COUNTER_QUEUE_MESSAGES] = { "queue_messages", "Messages in the queue.",
	    true },
	[COUNTER_QUEUE_RECIPIENTS] = { "queue_recipients",
	    "Recipients in the queue that wait.", true },
	[COUNTER_RELAYED] = { "relayed_total",
	    "Recipients whose message another host has taken.", false },
	[COUNTER_RELAY_DEFERRED] = { "relay_deferred_total",
	    "Tries that failed for now, by recipient.", false },
	[COUNTER_RELAY_FAILED] = { "relay_failed_total",
	    "Recipients that failed for good.", false },
};

const char *
counter_name(enum counter c)
{
	return counter_texts[c].name;
}

const char *
counter_help(enum counter c)
{
	return counter_texts[c].help;
}

bool
counter_is_gauge(enum counter c)
{
	return counter_texts[c].gauge;
}

int
counters_create(int *fd_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct counters *c;

	if (fd == -1)
		return err_sys(err, "memfd_create counters");
	if (ftruncate(fd, sizeof(struct counters)) == -1)
		return err_sys(err, "ftruncate counters");
	/* A daemon must not be able to make its reader fault. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
	    -1)
		return err_sys(err, "seal counters");
	if (counters_map(fd, &c, err) == -1)
		return -1;
	c->version = COUNTERS_VERSION;
	c->count = COUNTER_END;
	counters_unmap(c);
	*fd_out = fd_steal(&fd);
	return 0;
}

int
counters_map(int fd, struct counters **counters_out, struct err *err)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) == -1)
		return err_sys(err, "fstat counters");
	if (st.st_size < (off_t)sizeof(struct counters))
		return err_set(err, ERR_SYNTAX, "counters: %lld octets",
		    (long long)st.st_size);
	p = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, "mmap counters");
	*counters_out = p;
	return 0;
}

void
counters_unmap(struct counters *c)
{
	if (c != NULL)
		(void)munmap(c, sizeof(*c));
}
