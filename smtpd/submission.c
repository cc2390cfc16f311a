/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/submission.h"

#include <stdio.h>
#include <time.h>

#include "common/arena.h"
#include "mime/addrlist.h"
#include "mime/date.h"

#define ARENA_MAX ((size_t)1024 * 1024)
/* Addresses that one field may name; a letter of a committee has some. */
#define AUTHORS_MAX 50

static bool
is_one_of(struct span name, const struct span *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (span_eq_nocase(name, names[i]))
			return true;
	}
	return false;
}

/* ---- whose it is
 * --------------------------------------------------------------------- */

static enum smtp_submission
refuse(struct smtp_session *s, struct span field, const char *why)
{
	char text[160];

	(void)snprintf(
	    text, sizeof(text), "%.*s: %s", (int)field.len, field.p, why);
	smtp_message_refuse(s, 554, "5.7.1", text);
	return SMTP_SUBMISSION_REFUSED;
}

static enum smtp_submission
address_check(struct smtp_session *s, struct span field,
    const struct addrlist_item *item, struct err *err)
{
	CLEANUP(buf_fini) struct buf address;

	buf_init(&address, TENANT_ADDRESS_MAX);
	buf_append(&address, item->local_part);
	buf_append(&address, SPAN("@"));
	buf_append(&address, item->domain);
	if (address.failed != ERR_NONE || item->local_part.len == 0 ||
	    item->domain.len == 0)
		return refuse(s, field, "expected addresses of yours");
	/* MAIL has asked already. */
	if (span_eq_nocase(
		buf_span(&address), span_str(s->transaction->reverse_path)))
		return SMTP_SUBMISSION_FINE;
	switch (tenants_may_send_as(smtp_server_tenants(s->server),
	    s->account_id, buf_span(&address), err)) {
	case LOOKUP_FOUND:
		return SMTP_SUBMISSION_FINE;
	case LOOKUP_NONE:
		log_notice(&s->log, "author is not the login's",
		    log_span("address", buf_span(&address)));
		return refuse(
		    s, field, "you may send under your own addresses only");
	case LOOKUP_FAILED:
		break;
	}
	return SMTP_SUBMISSION_FAILED;
}

static enum smtp_submission
field_check(
    struct smtp_session *s, const struct draft_field *f, struct err *err)
{
	CLEANUP(arena_fini) struct arena arena;
	struct addrlist_item *item;
	size_t count = 0;

	arena_init(&arena, ARENA_MAX);
	if (addrlist_parse(f->value, &arena, &item, err) == -1)
		return refuse(s, f->name, "too many addresses");
	for (; item != NULL; item = item->next) {
		enum smtp_submission result;

		if (item->kind != ADDRLIST_MAILBOX)
			continue;
		if (++count > AUTHORS_MAX)
			return refuse(s, f->name, "too many addresses");
		result = address_check(s, f->name, item, err);
		if (result != SMTP_SUBMISSION_FINE)
			return result;
	}
	return count > 0 ? SMTP_SUBMISSION_FINE
			 : refuse(s, f->name, "expected an address");
}

/* ---- what is missing, what is too much
 * ----------------------------------------------- */

static int
field_put(struct draft *d, struct span name, struct span value, struct err *err)
{
	struct milter_edit edit = { .name = name, .text = value };

	return draft_add(d, &edit, err);
}

static int
add_missing(struct smtp_session *s, struct draft *d, bool has_from,
    bool has_date, bool has_id, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	int64_t now = time(NULL);

	buf_init(&text, 1024);
	if (!has_id) {
		buf_append_fmt(&text, "<%s.%lld@%s>", s->transaction->id.text,
		    (long long)now, smtp_server_hostname(s->server));
		if (field_put(d, SPAN("Message-ID"), buf_span(&text), err) ==
		    -1)
			return -1;
	}
	buf_clear(&text);
	date_format(now, date_local_offset(now), &text);
	if (!has_date && field_put(d, SPAN("Date"), buf_span(&text), err) == -1)
		return -1;
	if (!has_from &&
	    field_put(d, SPAN("From"), span_str(s->account_address), err) == -1)
		return -1;
	return 0;
}

enum smtp_submission
smtp_submission_fix(struct smtp_session *s, struct draft *d, struct err *err)
{
	static const struct span authors[] = { { "From", 4 }, { "Sender", 6 },
		{ "Resent-From", 11 }, { "Resent-Sender", 13 } };
	static const struct span hidden[] = { { "Bcc", 3 },
		{ "Resent-Bcc", 10 } };
	bool has_from = false, has_date = false, has_id = false;

	for (size_t i = 0; i < d->len; i++) {
		struct draft_field *f = &d->fields[i];
		enum smtp_submission result;

		if (f->ours || f->deleted)
			continue;
		has_date |= span_eq_nocase(f->name, SPAN("Date"));
		has_id |= span_eq_nocase(f->name, SPAN("Message-ID"));
		f->deleted = is_one_of(f->name, hidden, 2);
		if (!is_one_of(f->name, authors, 4))
			continue;
		if (has_from && span_eq_nocase(f->name, SPAN("From")))
			return refuse(s, f->name, "it is there twice");
		has_from |= span_eq_nocase(f->name, SPAN("From"));
		result = field_check(s, f, err);
		if (result != SMTP_SUBMISSION_FINE)
			return result;
	}
	return add_missing(s, d, has_from, has_date, has_id, err) == 0
		   ? SMTP_SUBMISSION_FINE
		   : SMTP_SUBMISSION_FAILED;
}
