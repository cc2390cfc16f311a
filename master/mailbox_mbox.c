/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku mailbox export and import: one mailbox and an mbox file.
 *
 *	message = "From MAILER-DAEMON " date LF		; asctime, in UTC
 *		  [ "X-IMAPbase: " uidvalidity SP uidnext LF ]	; the first
 *		  "Status: " ...			; R, and O
 *		  [ "X-Status: " ... ]			; A, F, D, T
 *		  [ "X-Keywords: " ... ]
 *		  "X-UID: " uid LF "X-UIDL: " unique-id LF
 *		  the message LF
 *
 * Lines of its text that begin with "From ", or ">"s and that, get one ">"
 * more (mboxrd).  On the way in these fields say what they can wherever they
 * stand in a header, and are left out of the message.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "master/mailbox_verbs.h"
#include "master/manage.h"
#include "master/progress.h"
#include "store/draft.h"
#include "store/list.h"
#include "store/mailbox.h"
#include "store/quota.h"
#include "store/unique_id.h"

#define HEADER_MAX ((size_t)1024 * 1024)
#define KEYWORDS_A_MESSAGE 26

static const struct {
	const char *field;
	char letter;
	uint64_t bit;
} letters[] = { { "Status", 'R', MESSAGE_SEEN },
	{ "X-Status", 'A', MESSAGE_ANSWERED },
	{ "X-Status", 'F', MESSAGE_FLAGGED },
	{ "X-Status", 'T', MESSAGE_DRAFT },
	{ "X-Status", 'D', MESSAGE_DELETED } };
#define LETTERS_LEN (sizeof(letters) / sizeof(letters[0]))

/* What is at work: a mailbox and a file. */
struct mbox {
	struct mailwork work;
	struct settings settings;
	struct account *account;
	struct progress progress;
	struct unique_id_form form;
	FILE *file;
	uint64_t count, octets;
};

static int
form_of(struct mbox *x, struct err *err)
{
	const char *text = x->settings.account.tenant.pop3.unique_ids;

	return unique_id_form_parse(
	    text[0] == '\0' ? SPAN("dovecot") : span_str(text), &x->form, err);
}

/* ---- out ---- */

static void
put_letters(FILE *out, const char *field, uint64_t set, const char *more)
{
	char text[8];
	size_t len = 0;

	for (size_t i = 0; i < LETTERS_LEN; i++)
		if (strcmp(letters[i].field, field) == 0 &&
		    (set & letters[i].bit) != 0)
			text[len++] = letters[i].letter;
	text[len] = '\0';
	if (len > 0 || more[0] != '\0')
		(void)fprintf(out, "%s: %s%s\n", field, text, more);
}

static void
put_fields(struct mbox *x, struct mailbox *m, uint32_t index)
{
	const struct view *v = mailbox_view(m);
	const struct message *message = view_at(v, index);
	CLEANUP(buf_fini) struct buf id;

	buf_init(&id, UNIQUE_ID_MAX + 64);
	if (index == 0)
		(void)fprintf(x->file, "X-IMAPbase: %u %u\n",
		    view_uidvalidity(v), view_uidnext(v));
	put_letters(x->file, "Status", message->letters, "O");
	put_letters(x->file, "X-Status", message->letters, "");
	if ((message->letters & MESSAGE_KEYWORDS) != 0) {
		(void)fputs("X-Keywords:", x->file);
		for (unsigned n = 0; n < KEYWORDS_A_MESSAGE; n++)
			if ((message->letters & MESSAGE_KEYWORD(n)) != 0)
				(void)fprintf(x->file, " %.*s",
				    SPAN_FMT(view_keyword(v, n)));
		(void)fputc('\n', x->file);
	}
	view_unique_id(v, index, &x->form, &id);
	(void)fprintf(
	    x->file, "X-UID: %u\nX-UIDL: %s\n", message->uid, buf_str(&id));
}

static bool
looks_like_from(struct span line)
{
	while (span_take_octet(&line, '>'))
		;
	return span_starts(line, SPAN("From "));
}

static void
put_text(FILE *out, struct span text)
{
	struct span line;
	bool more = true;

	while (more) {
		more = span_take_until(&text, '\n', &line);
		if (!more)
			line = text;
		if (!more && line.len == 0)
			break;
		if (looks_like_from(line))
			(void)fputc('>', out);
		if (span_ends(line, SPAN("\r")))
			line.len--;
		(void)fwrite(line.p, 1, line.len, out);
		(void)fputc('\n', out);
	}
	(void)fputc('\n', out);
}

static int
export_message(
    struct mbox *x, struct mailbox *m, uint32_t index, struct err *err)
{
	CLEANUP(content_free) struct content *content = NULL;
	struct err why = ERR_INIT;
	char when[64] = "";
	time_t date;
	struct tm tm;

	if (content_open(m, view_at(mailbox_view(m), index)->uid, &content,
		&why) == -1) {
		*err = why;
		/* Deleted a moment ago. */
		return why.kind == ERR_POLICY ? 0 : -1;
	}
	date = content_date(content);
	if (gmtime_r(&date, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm);
	(void)fprintf(x->file, "From MAILER-DAEMON %s\n", when);
	put_fields(x, m, index);
	put_text(x->file, content_span(content));
	if (ferror(x->file) != 0)
		return err_sys(err, "write the mbox");
	x->count++;
	x->octets += content_span(content).len;
	progress_step(&x->progress, content_span(content).len);
	return 0;
}

static int
export_all(struct mbox *x, const char *name, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *m = NULL;

	if (mailbox_open(x->account, span_str(name), MAILBOX_READ, &m, err) ==
	    -1)
		return -1;
	progress_begin(&x->progress, view_count(mailbox_view(m)), name);
	for (uint32_t i = 0; i < view_count(mailbox_view(m)); i++)
		if (export_message(x, m, i, err) == -1)
			return -1;
	if (fflush(x->file) != 0 ||
	    (x->file != stdout && fsync(fileno(x->file)) == -1))
		return err_sys(err, "write the mbox");
	return 0;
}

/* ---- in ---- */

/* A message on its way in. */
struct arriving {
	struct draft *draft;
	struct buf header, keywords, unique_id;
	bool in_header, skipping; /* a field that is ours */
	bool blank;               /* an empty line is held back */
	struct draft_options options;
	struct span names[KEYWORDS_A_MESSAGE];
};

struct unique_ids {
	struct unique_id *items;
	size_t count, room;
};

static void
arriving_begin(struct arriving *a, struct span from)
{
	struct tm tm = { 0 };
	CLEANUP(buf_fini) struct buf text;
	struct span word;

	buf_clear(&a->header);
	buf_clear(&a->keywords);
	buf_clear(&a->unique_id);
	a->in_header = true;
	a->skipping = a->blank = false;
	a->options =
	    (struct draft_options){ .want_uid = true, .within_quota = true };
	buf_init(&text, 200);
	/* "From", the sender, and the date. */
	(void)span_take_until(&from, ' ', &word);
	(void)span_take_until(&from, ' ', &word);
	buf_append(&text, span_trim(from));
	if (strptime(buf_str(&text), "%a %b %d %H:%M:%S %Y", &tm) == NULL)
		return;
	a->options.has_date = true;
	a->options.date = timegm(&tm);
}

static void
take_letters(struct arriving *a, const char *field, struct span value)
{
	for (size_t i = 0; i < LETTERS_LEN; i++)
		if (strcmp(letters[i].field, field) == 0 &&
		    span_index(value, letters[i].letter) != -1)
			a->options.letters |= letters[i].bit;
}

/* A line of the header.  True: it is ours, and no part of the message. */
static bool
take_field(struct arriving *a, struct span line)
{
	static const char *const ours[] = { "Status", "X-Status", "X-Keywords",
		"X-UID", "X-UIDL", "X-IMAPbase", "X-IMAP" };
	struct span name, value = line;

	if (!span_take_until(&value, ':', &name))
		return false;
	value = span_trim(value);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (!span_eq_nocase(name, span_str(ours[i])))
			continue;
		take_letters(a, ours[i], value);
		if (i == 2) {
			buf_append(&a->keywords, value);
			buf_append_octet(&a->keywords, ' ');
		} else if (i == 4) {
			buf_clear(&a->unique_id);
			buf_append(&a->unique_id, value);
		}
		return true;
	}
	return false;
}

static int
header_line(struct arriving *a, struct span line, struct err *err)
{
	bool folded = line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t');

	if (line.len == 0) {
		a->in_header = false;
		buf_append_octet(&a->header, '\n');
		return buf_check(&a->header, err) == -1
			   ? -1
			   : draft_write(a->draft, buf_span(&a->header), err);
	}
	if (!folded)
		a->skipping = take_field(a, line);
	if (!a->skipping) {
		buf_append(&a->header, line);
		buf_append_octet(&a->header, '\n');
	}
	return 0;
}

/* The empty line before the next "From " is none of the message's. */
static int
body_line(struct arriving *a, struct span line, struct err *err)
{
	if (a->blank && draft_write(a->draft, SPAN("\n"), err) == -1)
		return -1;
	a->blank = line.len == 0;
	if (a->blank)
		return 0;
	if (line.p[0] == '>' && looks_like_from(line))
		line = span_from(line, 1);
	return draft_write(a->draft, line, err) == -1
		   ? -1
		   : draft_write(a->draft, SPAN("\n"), err);
}

static int
keep_unique_id(
    struct unique_ids *u, uint32_t uid, struct span text, struct err *err)
{
	char *copy;

	if (text.len == 0 || text.len > UNIQUE_ID_MAX)
		return 0;
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return 0;
	if (u->count == u->room) {
		size_t room = 2 * u->room + 64;
		void *grown = realloc(u->items, room * sizeof(*u->items));

		if (grown == NULL)
			return err_set(err, ERR_TEMP, "import: out of memory");
		u->items = grown;
		u->room = room;
	}
	copy = strndup(text.p, text.len);
	if (copy == NULL)
		return err_set(err, ERR_TEMP, "import: out of memory");
	u->items[u->count++] =
	    (struct unique_id){ uid, span_of(copy, text.len) };
	return 0;
}

static int
arriving_end(
    struct mbox *x, struct arriving *a, struct unique_ids *u, struct err *err)
{
	struct draft_result result;
	struct span rest = buf_span(&a->keywords), word;
	int done = 0;

	if (a->draft == NULL)
		return 0;
	while (span_take_until(&rest, ' ', &word) &&
	       a->options.keyword_count < KEYWORDS_A_MESSAGE)
		if (word.len > 0)
			a->names[a->options.keyword_count++] = word;
	a->options.keywords = a->names;
	/* A message that is a header alone. */
	if (a->in_header)
		done = draft_write(a->draft, buf_span(&a->header), err);
	if (done == 0)
		done = draft_commit(a->draft, &a->options, &result, err);
	draft_free(a->draft);
	a->draft = NULL;
	if (done == -1)
		return -1;
	x->count++;
	x->octets += result.size_virtual;
	progress_step(&x->progress, result.size_virtual);
	return keep_unique_id(u, result.uid, buf_span(&a->unique_id), err);
}

static int
import_lines(struct mbox *x, const char *name, struct arriving *a,
    struct unique_ids *u, struct err *err)
{
	CLEANUP(mem_free) char *text = NULL;
	bool separated = true; /* an empty line, or the beginning */
	size_t room = 0;
	ssize_t len;
	int done = 0;

	while (done == 0 && (len = getline(&text, &room, x->file)) != -1) {
		struct span line = span_of(text, (size_t)len);

		if (span_ends(line, SPAN("\n")))
			line.len--;
		if (span_ends(line, SPAN("\r")))
			line.len--;
		if (separated && span_starts(line, SPAN("From "))) {
			done = arriving_end(x, a, u, err);
			arriving_begin(a, line);
			if (done == 0)
				done = draft_new(
				    x->account, span_str(name), &a->draft, err);
		} else if (a->draft == NULL) {
			done = err_set(err, ERR_SYNTAX,
			    "no mbox: it does not begin with \"From \"");
		} else if (a->in_header) {
			done = header_line(a, line, err);
		} else {
			done = body_line(a, line, err);
		}
		separated = line.len == 0;
	}
	if (done == 0 && ferror(x->file) != 0)
		done = err_sys(err, "read the mbox");
	return done == 0 ? arriving_end(x, a, u, err) : -1;
}

/* POP3 clients of the old server know its messages by these. */
static int
write_unique_ids(
    struct mbox *x, const char *name, struct unique_ids *u, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *m = NULL;

	if (u->count == 0)
		return 0;
	if (mailbox_open(x->account, span_str(name), MAILBOX_WRITE, &m, err) ==
	    -1)
		return -1;
	return mailbox_keep_unique_ids(m, u->items, u->count, err);
}

static int
import_all(struct mbox *x, const char *name, struct err *err)
{
	struct arriving a = { .draft = NULL };
	struct unique_ids u = { .items = NULL };
	int done = 0;

	buf_init(&a.header, HEADER_MAX);
	buf_init(&a.keywords, 8192);
	buf_init(&a.unique_id, UNIQUE_ID_MAX + 1);
	if (!mailbox_exists(x->account, span_str(name)))
		done = mailbox_create(x->account, span_str(name), err);
	progress_begin(&x->progress, 0, name);
	if (done == 0)
		done = import_lines(x, name, &a, &u, err);
	draft_free(a.draft);
	if (done == 0)
		done = write_unique_ids(x, name, &u, err);
	for (size_t i = 0; i < u.count; i++)
		free((void *)(uintptr_t)u.items[i].text.p);
	free(u.items);
	buf_fini(&a.header);
	buf_fini(&a.keywords);
	buf_fini(&a.unique_id);
	return done;
}

/* ---- the commands ---- */

static int
run_entered(struct mbox *x, const char *name, bool in, struct err *err)
{
	int done;

	if (form_of(x, err) == -1 ||
	    mailwork_enter(&x->work, &x->settings.account,
		in ? ACCOUNT_CREATE : ACCOUNT_EXISTING, &x->account, err) == -1)
		return -1;
	account_limits(x->account,
	    &(struct quota_limits){ .octets = x->settings.account.quota_octets,
		.messages = x->settings.account.quota_messages });
	done = in ? import_all(x, name, err) : export_all(x, name, err);
	account_unref(x->account);
	mailwork_as_self(&x->work);
	progress_end(&x->progress);
	return done;
}

static FILE *
open_file(const char *path, bool in)
{
	FILE *file;
	mode_t mask;

	if (strcmp(path, "-") == 0)
		return in ? stdin : stdout;
	mask = umask(077);
	file = fopen(path, in ? "re" : "wxe");
	(void)umask(mask);
	if (file == NULL)
		(void)fprintf(
		    stderr, "hikyaku: %s: %s\n", path, strerror(errno));
	return file;
}

static int
run(struct command_context *ctx, int argc, char **argv, bool in)
{
	struct mbox x = { .file = NULL };
	struct err err = ERR_INIT;
	int status;

	if (argc != 4)
		return mailbox_usage(in ? "import" : "export");
	status = mailwork_open(&x.work, ctx);
	if (status == 0)
		status = mailwork_find(&x.work, argv[1], &x.settings);
	if (status == 0 && (x.file = open_file(argv[3], in)) == NULL)
		status = WORK_FAILED;
	if (status == 0) {
		if (run_entered(&x, argv[2], in, &err) == -1) {
			hikyaku_complain(&err);
			status = WORK_FAILED;
		}
		(void)fprintf(in ? stdout : stderr,
		    "%" PRIu64 " messages, %" PRIu64 " octets\n", x.count,
		    x.octets);
	}
	if (x.file != NULL && x.file != stdin && x.file != stdout)
		(void)fclose(x.file);
	settings_fini(&x.settings);
	mailwork_fini(&x.work);
	return status;
}

int
mailbox_export(struct command_context *ctx, int argc, char **argv)
{
	return run(ctx, argc, argv, false);
}

int
mailbox_import(struct command_context *ctx, int argc, char **argv)
{
	return run(ctx, argc, argv, true);
}
