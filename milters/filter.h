/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What our milters have in common: each is one libmilter program that
 * hikyakud starts like every daemon.  It gathers a message without answering
 * before the end, then one function judges it, recipient by recipient, and
 * what it decided goes back in one go (mime/disposition.h).
 *
 * The listening socket is hikyakud's, so that clients wait in its backlog
 * while the program restarts: libmilter opens one of its own, whose
 * descriptor then becomes hikyakud's.
 */
#ifndef HK_MILTERS_FILTER_H
#define HK_MILTERS_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/log.h"
#include "common/span.h"
#include "milters/message.h"
#include "mime/disposition.h"
#include "tenants/client.h"

/* What a filter changes in one copy.  Texts are the arena's; p NULL: keep. */
struct change {
	bool remove; /* no copy for this one */
	struct span folder, tag, replace;
	struct span trace; /* what was done and why, for people */
};

/* One more recipient. */
struct extra {
	struct extra *next;
	struct span address, forwarded_by;
	struct change change;
};

enum answer {
	ANSWER_ACCEPT, /* with the changes */
	ANSWER_DEFER,  /* 451, the whole message */
	ANSWER_REFUSE, /* 550, the whole message */
};

struct target;

/* A message at its end. */
struct judged {
	struct daemon *daemon;
	struct tenants *tenants;
	struct message *message;
	struct log log;             /* its id is the MTA's queue id */
	struct span user;           /* who logged in to send it, or "" */
	struct dispositions before; /* of earlier filters */
	struct target *targets;     /* recipients, see milters/target.h */
	size_t targets_len;
	struct extra *extras;
	struct arena arena; /* what a judge makes */

	enum answer answer;
	char status[12], text[200]; /* of DEFER and REFUSE: "5.7.1" */
};

struct filter {
	const char *name; /* section, program */
	const struct conf_section *conf;
	int (*check)(const void *section, struct err *err);
	size_t size; /* of the filter's own state, zeroed, given to hooks */
	bool body;   /* it wants more than headers */
	/* As in struct daemon_program, each may be NULL. */
	int (*prepare)(struct daemon *d, void *state, struct err *err);
	int (*start)(struct daemon *d, void *state, struct err *err);
	void (*reload)(struct daemon *d, void *state);
	void (*stop)(void *state);
	/*
	 * Decides; on any thread.  -1: it could not, and the message is
	 * deferred; err says why.
	 */
	int (*judge)(void *state, struct judged *j, struct err *err);
};

/* For prepare of a filter that opens nothing. */
int filter_without_files(struct daemon *d, void *state, struct err *err);

int filter_main(int argc, char **argv, const struct filter *filter);

/* The answer for the whole message; the last one holds. */
void judged_defer(struct judged *j, const char *status, const char *text);
void judged_refuse(struct judged *j, const char *status, const char *text);

/* A text in the arena, of at most 8 KB; what is too long is cut. */
struct span judged_text(struct judged *j, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
