/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * autoreply: answers mail while somebody is away (hkAutoReply), and tells
 * other addresses that mail has come (hkNotice).  Neither changes the mail.
 *
 * Both go out once for each sender and interval, never to those that no
 * program may answer (suppress.h), never for mail that an earlier filter held
 * back, and an answer only to mail that was addressed to the account itself.
 * They leave by relayd; what it does not take is not sent, and the next mail
 * of that sender is answered instead.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/ascii.h"
#include "common/sandbox.h"
#include "milters/answered.h"
#include "milters/automatic.h"
#include "milters/autoreply_conf.h"
#include "milters/facts.h"
#include "milters/filter.h"
#include "milters/suppress.h"
#include "milters/target.h"
#include "milters/words.h"
#include "mime/addrlist.h"
#include "mime/header.h"

#define DAY_S 86400
/* Addresses of To and Cc that are asked about. */
#define ADDRESSES_MAX 50
#define SUBJECT_MAX 4096
#define MESSAGE_ID_MAX 250
/* What a telephone shows of a notice. */
#define NOTICE_SUBJECT_MAX 40

struct autoreply {
	struct answered *answered;
};

/* One message, whoever it is for. */
struct mail {
	struct autoreply *state;
	struct judged *judged;
	struct span fields;
	const char *reason; /* why nobody is answered, or NULL */
	struct buf subject; /* decoded */
	struct span message_id;
	int64_t now;
};

/* ---- what the message says ------------------------------------------------
 */

/* "<...>" as it may stand in a field of ours, or empty. */
static struct span
message_id(struct span fields)
{
	struct field f;
	struct span id;

	if (!field_find(fields, SPAN("Message-ID"), &f))
		return SPAN("");
	id = span_trim(f.value);
	if (id.len < 3 || id.len > MESSAGE_ID_MAX || id.p[0] != '<' ||
	    id.p[id.len - 1] != '>')
		return SPAN("");
	for (size_t i = 0; i < id.len; i++)
		if (id.p[i] <= ' ' || id.p[i] > '~')
			return SPAN("");
	return id;
}

/* Decoded, and without what a line cannot have. */
static int
subject_read(struct mail *m, struct err *err)
{
	struct field f;

	buf_init(&m->subject, 65536);
	if (!field_find(m->fields, SPAN("Subject"), &f))
		return 0;
	if (f.value.len > SUBJECT_MAX)
		f.value = span_first(f.value, SUBJECT_MAX);
	if (subject_decode(f.value, SPAN(""), &m->subject, err) == -1)
		return -1;
	for (size_t i = 0; i < m->subject.len; i++)
		if ((unsigned char)m->subject.data[i] < ' ' ||
		    m->subject.data[i] == '\x7f')
			m->subject.data[i] = ' ';
	return 0;
}

/* The first len characters. */
static struct span
characters(struct span utf8, size_t len)
{
	size_t at = 0;

	for (; at < utf8.len; at++)
		if (((unsigned char)utf8.p[at] & 0xc0) != 0x80 && len-- == 0)
			break;
	return span_first(utf8, at);
}

/* One of the addresses in To or Cc is the account's: RFC 5230 section 4.5. */
static int
is_addressed(struct mail *m, const char *id, struct err *err)
{
	CLEANUP(arena_fini) struct arena arena;
	struct span rest = m->fields;
	struct field f;
	int asked = 0;

	arena_init(&arena, 1024 * 1024);
	while (field_next(&rest, &f)) {
		struct addrlist_item *item;

		if (!span_eq_nocase(f.name, SPAN("To")) &&
		    !span_eq_nocase(f.name, SPAN("Cc")))
			continue;
		if (addrlist_parse(f.value, &arena, &item, NULL) == -1)
			return 0;
		for (; item != NULL && asked < ADDRESSES_MAX;
		     item = item->next) {
			char text[TENANT_ADDRESS_MAX + 1];
			enum lookup found;

			if (item->kind != ADDRLIST_MAILBOX ||
			    item->domain.len == 0 ||
			    item->local_part.len + item->domain.len + 1 >=
				sizeof(text))
				continue;
			(void)snprintf(text, sizeof(text), "%.*s@%.*s",
			    (int)item->local_part.len, item->local_part.p,
			    (int)item->domain.len, item->domain.p);
			asked++;
			found = tenants_may_send_as(
			    m->judged->tenants, id, span_str(text), err);
			if (found != LOOKUP_NONE)
				return found == LOOKUP_FOUND ? 1 : -1;
		}
	}
	return 0;
}

/* ---- sending --------------------------------------------------------------
 */

static uint64_t
number_of(struct span a, struct span b)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < a.len; i++)
		hash = (hash ^ (unsigned char)a.p[i]) * 0x100000001b3;
	for (size_t i = 0; i < b.len; i++)
		hash = (hash ^ (unsigned char)b.p[i]) * 0x100000001b3;
	return hash;
}

/* What stands in the trace: "sent", or why not. */
static const char *
send_once(struct mail *m, const struct target *t, struct automatic *a,
    char what, uint64_t text, int64_t interval_s)
{
	struct span account = span_str(t->settings->account.id);
	struct span sender = m->judged->message->reverse_path;
	struct log_id id = log_id_new();
	struct err err = ERR_INIT;
	bool first;

	if (answered_note(m->state->answered, account, sender, what, text,
		m->now, interval_s, &first, &err) == -1) {
		log_error(&m->judged->log, "answers not known", log_err(&err));
		return "failed";
	}
	if (!first)
		return "not again";
	a->id = id.text;
	a->hostname = daemon_conf(m->judged->daemon)->hostname;
	a->now = m->now;
	if (automatic_send(m->judged->daemon, a,
		span_str(t->settings->account.tenant.name), &err) == 0)
		return "sent";
	answered_forget(m->state->answered, account, sender, what, text);
	log_error(&m->judged->log, "answer not sent",
	    log_span("recipient", t->address), log_err(&err));
	return "failed";
}

static const char *
reply(struct mail *m, const struct target *t, struct err *err)
{
	const struct settings *s = t->settings;
	CLEANUP(buf_fini) struct buf subject;
	struct automatic a = { .from = span_str(s->account.address),
		.to = m->judged->message->reverse_path,
		.text = s->auto_reply_text,
		.in_reply_to = m->message_id,
		.submitted = "auto-replied" };
	int addressed;

	buf_init(&subject, 65536);
	if ((s->auto_reply_start != 0 && m->now < s->auto_reply_start) ||
	    (s->auto_reply_end != 0 && m->now >= s->auto_reply_end))
		return "not now";
	addressed = is_addressed(m, s->account.id, err);
	if (addressed != 1)
		return addressed == 0 ? "not addressed" : NULL;
	buf_append(&subject, s->auto_reply_subject);
	if (subject.len == 0) {
		buf_append(&subject, SPAN("Auto: "));
		buf_append(&subject, characters(buf_span(&m->subject), 200));
	}
	a.subject = buf_span(&subject);
	return send_once(m, t, &a, 'R',
	    number_of(s->auto_reply_subject, s->auto_reply_text),
	    (int64_t)s->auto_reply_days * DAY_S);
}

static const char *
notify(struct mail *m, const struct target *t, struct span to)
{
	const struct autoreply_conf *conf = daemon_section(m->judged->daemon);
	const char *language = t->settings->account.language;
	CLEANUP(buf_fini) struct buf subject, text;
	struct automatic a = { .from = span_str(t->settings->account.address),
		.to = to,
		.submitted = "auto-generated" };

	buf_init(&subject, 4096);
	buf_init(&text, 4096);
	words_put(language, WORDS_NOTICE_SUBJECT,
	    characters(m->judged->message->reverse_path, NOTICE_SUBJECT_MAX),
	    &subject);
	words_put(language, WORDS_NOTICE_TEXT,
	    characters(buf_span(&m->subject), NOTICE_SUBJECT_MAX), &text);
	a.subject = buf_span(&subject);
	a.text = buf_span(&text);
	return send_once(
	    m, t, &a, 'N', number_of(to, SPAN("")), (int64_t)conf->notice_wait);
}

/* ---- each recipient -------------------------------------------------------
 */

static bool
is_held_back(const struct target *t)
{
	return t->before->folder.p != NULL || t->before->tag.p != NULL ||
	       t->before->replace.p != NULL;
}

/* 0: it writes to itself, or nothing can be said against it: 1; or -1. */
static int
is_somebody_else(const struct mail *m, const struct target *t, struct err *err)
{
	switch (tenants_may_send_as(m->judged->tenants, t->settings->account.id,
	    m->judged->message->reverse_path, err)) {
	case LOOKUP_FOUND:
		return 0;
	case LOOKUP_NONE:
		return 1;
	case LOOKUP_FAILED:
		break;
	}
	return -1;
}

static int
target_answer(struct mail *m, struct target *t, struct err *err)
{
	const struct settings *s = t->settings;
	const char *replied = "off", *noticed = "off";
	int other;

	if (m->reason != NULL || is_held_back(t)) {
		t->change.trace = judged_text(m->judged, "autoreply=no (%s)",
		    m->reason != NULL ? m->reason : "held back");
		return 0;
	}
	other = is_somebody_else(m, t, err);
	if (other == -1)
		return -1;
	if (other == 0) {
		t->change.trace = SPAN("autoreply=no (oneself)");
		return 0;
	}
	if (s->auto_reply) {
		replied = reply(m, t, err);
		if (replied == NULL)
			return -1;
	}
	for (size_t i = 0; s->notice && i < s->notice_to.len; i++)
		noticed = notify(m, t, s->notice_to.items[i].text);
	t->change.trace =
	    judged_text(m->judged, "autoreply=%s notice=%s", replied, noticed);
	log_notice(&m->judged->log, "answered",
	    log_span("recipient", t->address), log_str("reply", replied),
	    log_str("notice", noticed));
	return 0;
}

static bool
answers(const struct target *t)
{
	return t->local && (t->settings->auto_reply || t->settings->notice);
}

static int
mail_judge(struct mail *m, struct err *err)
{
	struct judged *j = m->judged;
	struct span text;

	if (message_span(j->message, &text, err) == -1)
		return -1;
	m->fields = span_first(text, header_end(text).fields);
	m->reason = suppress_reason(j->message->reverse_path, m->fields);
	m->message_id = message_id(m->fields);
	m->now = (int64_t)time(NULL);
	if (subject_read(m, err) == -1)
		return -1;
	for (size_t i = 0; i < j->targets_len; i++)
		if (answers(&j->targets[i]) &&
		    target_answer(m, &j->targets[i], err) == -1)
			return -1;
	return 0;
}

static int
judge(void *state, struct judged *j, struct err *err)
{
	struct mail m = { .state = state, .judged = j };
	bool any = false;
	int result;

	if (targets_find(j, err) == -1)
		return -1;
	for (size_t i = 0; i < j->targets_len; i++)
		any |= answers(&j->targets[i]);
	if (!any)
		return 0;
	result = mail_judge(&m, err);
	buf_fini(&m.subject);
	return result;
}

/* ---- the program ----------------------------------------------------------
 */

static int
prepare(struct daemon *d, void *state, struct err *err)
{
	char directory[DAEMON_PATH_MAX + 64];
	struct sandbox_path own = { .path = directory, .write = true };
	struct autoreply *a = state;
	bool landlock;

	(void)snprintf(directory, sizeof(directory), "%s/autoreply",
	    daemon_conf(d)->state_directory);
	if (sandbox_paths(&own, 1, &landlock, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	strcat(directory, "/answered");
	return answered_open(directory, &a->answered, err);
}

static void
stop(void *state)
{
	struct autoreply *a = state;

	answered_close(a->answered);
	a->answered = NULL;
}

int
main(int argc, char **argv)
{
	static const struct filter filter = {
		.name = "autoreply",
		.conf = &autoreply_section,
		.size = sizeof(struct autoreply),
		.prepare = prepare,
		.stop = stop,
		.judge = judge,
	};

	return filter_main(argc, argv, &filter);
}
