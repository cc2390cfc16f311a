/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fixed work whose instructions are counted, so that getting slower shows
 * whatever the machine's mood is:
 *
 *	valgrind --tool=callgrind --toggle-collect=work instructions NAME
 *
 * tests/bench/instructions.py runs each and compares with its limit.  What
 * is counted is one call of work(); what prepares it is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "delivery/command.h"
#include "imapd/command.h"
#include "imapd/fetch.h"
#include "imapd/parse.h"
#include "imapd/search.h"
#include "imapd/sequence.h"
#include "mime/structure.h"
#include "pop3d/command.h"
#include "smtpd/command.h"
#include "store/uidlist.h"
#include "store/view.h"
#include "store/view_edit.h"

#define ROUNDS 2000
#define MESSAGES 10000

static void
must(int rc, const char *what)
{
	if (rc == -1) {
		(void)fprintf(stderr, "instructions: %s failed\n", what);
		exit(1);
	}
}

/* ---- command lines ----------------------------------------------------------
 */

static void
smtp_commands(void)
{
	static const char *const lines[] = {
		"EHLO client.example.net",
		("MAIL FROM:<someone@sender.example.com> "
		 "SIZE=123456 BODY=8BITMIME"),
		"RCPT TO:<hanako.yamada+shop@aozora.example>",
		"RCPT TO:<\"quoted part\"@[192.0.2.1]>",
		"DATA",
	};
	struct smtp_mail mail;
	struct smtp_rcpt rcpt;
	struct span argument;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!smtp_line_clean(span_str(lines[i])))
			must(-1, "SMTP line");
		switch (smtp_verb_parse(span_str(lines[i]), &argument)) {
		case SMTP_EHLO:
			must(smtp_helo_valid(argument, false) ? 0 : -1, "EHLO");
			break;
		case SMTP_MAIL:
			must(smtp_mail_parse(argument, &mail, NULL), "MAIL");
			break;
		case SMTP_RCPT:
			must(smtp_rcpt_parse(argument, &rcpt, NULL), "RCPT");
			break;
		default:
			break;
		}
	}
}

static void
lmtp_commands(void)
{
	static const char *const lines[] = {
		"LHLO client.example.net",
		"MAIL FROM:<someone@sender.example.com>",
		"RCPT TO:<hanako.yamada@aozora.example>",
		"DATA",
	};
	struct lmtp_mail mail;
	struct lmtp_rcpt rcpt;
	struct span argument;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		switch (lmtp_verb_parse(span_str(lines[i]), &argument)) {
		case LMTP_MAIL:
			must(lmtp_mail_parse(argument, false, &mail, NULL),
			    "MAIL");
			break;
		case LMTP_RCPT:
			must(lmtp_rcpt_parse(
				 argument, false, false, &rcpt, NULL),
			    "RCPT");
			break;
		default:
			break;
		}
	}
}

static void
pop3_commands(void)
{
	static const char *const lines[] = {
		"USER hanako@aozora.example",
		"PASS a long secret with spaces",
		"STAT",
		"UIDL",
		"RETR 12345",
		"TOP 12345 20",
		"DELE 12345",
		"QUIT",
	};
	struct pop3_command command;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		must(pop3_command_parse(span_str(lines[i]), &command, NULL),
		    "POP3");
}

static void
imap_commands(void)
{
	static const char *const fetches[] = {
		("(UID FLAGS INTERNALDATE RFC822.SIZE "
		 "BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT TO CC "
		 "MESSAGE-ID REFERENCES CONTENT-TYPE)])"),
		"(UID ENVELOPE BODYSTRUCTURE FLAGS)",
		"(UID BODY.PEEK[1.2.MIME] BODY[2]<0.65536>)",
	};
	static const char *const searches[] = {
		" UNSEEN NOT DELETED SINCE 1-Nov-2026",
		(" OR (FROM \"hanako\" SUBJECT \"shop\") "
		 "(LARGER 100000 UID 1:500,700,900:*)"),
	};
	CLEANUP(arena_fini) struct arena a;
	struct span in = SPAN("1:500,600,700:710,4294967295,9:3,1000:*");
	struct search_program program;
	struct fetch_request request;
	struct sequence_set set;

	arena_init(&a, 1 << 20);
	must(sequence_set_parse(&in, &a, &set, NULL), "sequence set");
	sequence_set_resolve(&set, 100000);
	for (size_t i = 0; i < sizeof(fetches) / sizeof(fetches[0]); i++) {
		in = span_str(fetches[i]);
		must(fetch_request_parse(&in, &a, &request, NULL), "FETCH");
	}
	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		in = span_str(searches[i]);
		must(search_parse(&in, &a, &program, NULL), "SEARCH");
	}
	if (imap_command_find(SPAN("FETCH"), true) == NULL)
		must(-1, "UID FETCH");
}

/* ---- a message --------------------------------------------------------------
 */

static struct buf message;

/* A newsletter: alternative texts, an attachment, a forwarded message. */
static void
message_make(void)
{
	buf_init(&message, 4 << 20);
	buf_append(&message,
	    SPAN("Received: from a.example by b.example; "
		 "Tue, 24 Nov 2026 09:00:00 +0900\r\n"
		 "From: =?utf-8?B?6Iqx5a2Q?= <hanako@aozora.example>\r\n"
		 "To: \"Taro, of Aozora\" <taro@aozora.example>,\r\n"
		 "\tgroup: yuki@midori.example, ken@midori.example;\r\n"
		 "Subject: =?iso-2022-jp?B?GyRCRnxLXDhsGyhC?= and ascii\r\n"
		 "Date: Tue, 24 Nov 2026 09:00:00 +0900\r\n"
		 "Message-ID: <1.2.3@aozora.example>\r\n"
		 "MIME-Version: 1.0\r\n"
		 "Content-Type: multipart/mixed; boundary=outer\r\n\r\n"));
	for (int part = 0; part < 10; part++) {
		buf_append(&message,
		    SPAN("--outer\r\nContent-Type: multipart/alternative;\r\n"
			 " boundary=\"inner part\"\r\n\r\n--inner part\r\n"
			 "Content-Type: text/plain; charset=utf-8\r\n\r\n"));
		for (int line = 0; line < 200; line++)
			buf_append(&message,
			    SPAN("A line of text, as people write them, "
				 "of some sixty octets.\r\n"));
		buf_append(&message,
		    SPAN("--inner part\r\nContent-Type: text/html\r\n"
			 "Content-Transfer-Encoding: base64\r\n\r\n"));
		for (int line = 0; line < 200; line++)
			buf_append(&message,
			    SPAN("PGh0bWw+PGJvZHk+QSBsaW5lIG9mIHRleHQsIGFzIHBl"
				 "b3BsZSB3cml0ZSB0aGVtLjwvYm9k\r\n"));
		buf_append(&message, SPAN("--inner part--\r\n"));
	}
	buf_append(&message, SPAN("--outer--\r\n"));
}

static void
mime_message(void)
{
	CLEANUP(mime_structure_fini) struct mime_structure s = { .count = 0 };
	CLEANUP(buf_fini) struct buf out;
	struct span octets = buf_span(&message);

	buf_init(&out, 1 << 20);
	must(mime_structure_parse(octets, &s, NULL), "structure");
	must(envelope_write(mime_part_fields(&s.parts[0], octets), &out, NULL),
	    "ENVELOPE");
	must(
	    bodystructure_write(&s, octets, true, &out, NULL), "BODYSTRUCTURE");
	if (s.count != 31 || buf_check(&out, NULL) == -1)
		must(-1, "parts");
}

/* ---- the uidlist and the view of a mailbox ----------------------------------
 */

static struct buf uidlist;

static void
uidlist_make(void)
{
	const struct uidlist_header h = { .version = 3,
		.uidvalidity = 1700000000,
		.uidnext = MESSAGES + 1,
		.mailbox_id = "0123456789abcdef0123456789abcdef" };
	char base[80];

	buf_init(&uidlist, 16 << 20);
	uidlist_header_format(&h, &uidlist);
	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		int len = snprintf(base, sizeof(base),
		    "17000%05u.M%06uP12345.mail.example,S=4096,W=4200", uid,
		    uid * 7 % 1000000);

		uidlist_line_format(
		    uid, SPAN("W4200"), span_of(base, (size_t)len), &uidlist);
	}
}

static struct view_add adds[MESSAGES];

/* Reads all lines into adds, as opening a mailbox does. */
static void
uidlist_read(void)
{
	struct span in = buf_span(&uidlist), value;
	struct uidlist_header h;
	struct uidlist_line line = { .uid = 0 };
	size_t count = 0;

	must(uidlist_header_parse(&in, &h, NULL), "uidlist header");
	while (count < MESSAGES &&
	       uidlist_line_take(&in, 3, line.uid, &line) == UIDLIST_LINE) {
		if (!uidlist_field(line.fields, 'W', &value))
			must(-1, "uidlist field");
		adds[count++] = (struct view_add){ .uid = line.uid,
			.base = line.base,
			.fields = line.fields,
			.info = SPAN(":2,S"),
			.size_physical = 4096,
			.size_virtual = 4200 };
	}
	must(count == MESSAGES ? 0 : -1, "uidlist");
}

/* A mailbox opens, one message comes in, one changes its flags, one goes. */
static void
view_changes(void)
{
	const struct view_facts facts = { .uidvalidity = 1700000000,
		.uidnext = MESSAGES,
		.mailbox_id = "0123456789abcdef0123456789abcdef" };
	const struct view_edit edits[] = {
		{ .index = 100, .remove = true },
		{ .index = 5000, .renamed = true, .info = SPAN(":2,RS") },
	};
	struct view *first, *second;
	uint32_t at, found = 0;

	must(view_derive(
		 NULL, &facts, NULL, 0, adds, MESSAGES - 1, &first, NULL),
	    "view");
	must(view_derive(first, &facts, edits, 2, &adds[MESSAGES - 1], 1,
		 &second, NULL),
	    "view");
	for (uint32_t uid = 1; uid <= MESSAGES; uid += 3)
		found += view_find(second, uid, &at);
	if (view_count(second) != MESSAGES - 1 || found != MESSAGES / 3 + 1)
		must(-1, "view");
	view_unref(first);
	view_unref(second);
}

/* ---- the table --------------------------------------------------------------
 */

static const struct workload {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	unsigned rounds;
} workloads[] = {
	{ "smtp-commands", NULL, smtp_commands, ROUNDS },
	{ "lmtp-commands", NULL, lmtp_commands, ROUNDS },
	{ "pop3-commands", NULL, pop3_commands, ROUNDS },
	{ "imap-commands", NULL, imap_commands, ROUNDS },
	{ "mime-message", message_make, mime_message, 20 },
	{ "uidlist", uidlist_make, uidlist_read, 2 },
	{ "mailbox-view", uidlist_make, view_changes, 1 },
};

/* Counted from its first instruction to its last; outside of this file's
 * other functions only so that no compiler makes it part of main. */
void work(const struct workload *w);

__attribute__((noinline)) void
work(const struct workload *w)
{
	for (unsigned i = 0; i < w->rounds; i++)
		w->run();
}

int
main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		const struct workload *w = &workloads[i];

		if (argc != 2) {
			(void)printf("%s\n", w->name);
			continue;
		}
		if (strcmp(argv[1], w->name) != 0)
			continue;
		if (w->prepare != NULL)
			w->prepare();
		if (w->run == view_changes)
			uidlist_read();
		work(w);
		buf_fini(&message);
		buf_fini(&uidlist);
		return 0;
	}
	return argc == 2 ? 2 : 0;
}
