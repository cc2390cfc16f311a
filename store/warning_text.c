/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of warning.h, in the languages that there are.  In them stand
 * $address, $percent, $used and $limit.
 */
#include <inttypes.h>

#include "common/ascii.h"
#include "mime/date.h"
#include "mime/encoded.h"
#include "store/warning.h"

#define MB (UINT64_C(1024) * 1024)

struct words {
	const char *language;
	const char *subject, *text;
	const char *subject_full, *text_full;
	const char *octets, *messages; /* what is behind a number */
};

/* The first is for whoever has chosen nothing. */
static const struct words words[] = {
	{ "en", "Your mailbox is $percent% full",
	    "The mailbox $address holds $used of $limit ($percent%).\r\n"
	    "\r\n"
	    "When it is full, new mail cannot be delivered any more.\r\n"
	    "Please delete mail that you do not need, and empty the trash.\r\n",
	    "Your mailbox is full",
	    "The mailbox $address holds $used of $limit.\r\n"
	    "\r\n"
	    "New mail is not delivered until there is room again.\r\n"
	    "Please delete mail that you do not need, and empty the trash.\r\n",
	    " MB", " messages" },
	{ "ja", "メールボックスの使用量が$percent%になりました",
	    "メールボックス $address の使用量は、\r\n"
	    "$limit のうち $used ($percent%) です。\r\n"
	    "\r\n"
	    "いっぱいになると、新しいメールを受信できなくなります。\r\n"
	    "不要なメールを削除し、ごみ箱を空にしてください。\r\n",
	    "メールボックスがいっぱいです",
	    "メールボックス $address の使用量は、\r\n"
	    "$limit のうち $used です。\r\n"
	    "\r\n"
	    "空きができるまで、新しいメールを受信できません。\r\n"
	    "不要なメールを削除し、ごみ箱を空にしてください。\r\n",
	    " MB", "通" },
};
#define WORDS_LEN (sizeof(words) / sizeof(words[0]))

/* "ja" is for "ja" and "ja-JP". */
static const struct words *
words_in(struct span language)
{
	for (size_t i = 0; i < WORDS_LEN; i++) {
		struct span ours = span_str(words[i].language);

		if (span_starts_nocase(language, ours) &&
		    (language.len == ours.len || language.p[ours.len] == '-'))
			return &words[i];
	}
	return &words[0];
}

/* ---- what stands in them ---- */

struct fill {
	const struct words *words;
	const char *address;
	const struct usage *usage;
	unsigned percent;
	bool by_messages; /* that limit is the nearer one */
};

static void
put_amount(
    const struct fill *f, uint64_t octets, uint64_t messages, struct buf *out)
{
	if (f->by_messages)
		buf_append_fmt(
		    out, "%" PRIu64 "%s", messages, f->words->messages);
	else
		buf_append_fmt(out, "%" PRIu64 ".%" PRIu64 "%s", octets / MB,
		    octets % MB * 10 / MB, f->words->octets);
}

static void
put_value(const struct fill *f, struct span *text, struct buf *out)
{
	const struct usage *u = f->usage;

	if (span_take_nocase(text, SPAN("$address")))
		buf_append_str(out, f->address);
	else if (span_take_nocase(text, SPAN("$percent")))
		buf_append_u64(out, f->percent);
	else if (span_take_nocase(text, SPAN("$used")))
		put_amount(f, u->octets, u->messages, out);
	else if (span_take_nocase(text, SPAN("$limit")))
		put_amount(f, u->limits.octets, u->limits.messages, out);
	else {
		buf_append_octet(out, '$');
		*text = span_from(*text, 1);
	}
}

static void
put_filled(const struct fill *f, const char *words_text, struct buf *out)
{
	struct span text = span_str(words_text);

	while (text.len > 0) {
		ptrdiff_t dollar = span_index(text, '$');

		if (dollar < 0) {
			buf_append(out, text);
			return;
		}
		buf_append(out, span_first(text, (size_t)dollar));
		text = span_from(text, (size_t)dollar);
		put_value(f, &text, out);
	}
}

/* ---- the message ---- */

/* The directory may hold anything; a header line may not. */
static void
put_name(const char *name, struct buf *out)
{
	CLEANUP(buf_fini) struct buf clean;

	buf_init(&clean, 400);
	for (; *name != '\0'; name++)
		if (!ascii_is(*name, ASCII_CTL))
			buf_append_octet(&clean, *name);
	if (clean.len > 0) {
		display_name_format(buf_span(&clean), out);
		buf_append_octet(out, ' ');
	}
}

static void
put_header(const struct fill *f, const struct quota_owner *owner, bool full,
    int64_t now, int offset, const char *id, struct buf *out)
{
	struct span address = span_str(owner->address);
	ptrdiff_t at = span_rindex(address, '@');
	struct span domain = span_from(address, at < 0 ? 0 : (size_t)at + 1);
	CLEANUP(buf_fini) struct buf subject;

	buf_init(&subject, 1000);
	put_filled(
	    f, full ? f->words->subject_full : f->words->subject, &subject);
	buf_append_str(out, "Return-Path: <>\r\nDate: ");
	date_format(now, offset, out);
	buf_append_str(out, "\r\nFrom: ");
	put_name(owner->title, out);
	buf_append_fmt(out,
	    "<postmaster@%.*s>\r\nTo: <%s>\r\nSubject: ", SPAN_FMT(domain),
	    owner->address);
	encoded_words_format(buf_span(&subject), out);
	buf_append_fmt(out,
	    "\r\nMessage-ID: <%s@%.*s>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=UTF-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n"
	    "Content-Language: %s\r\nAuto-Submitted: auto-generated\r\n\r\n",
	    id, SPAN_FMT(domain), f->words->language);
}

void
warning_compose(const struct quota_owner *owner, const struct usage *usage,
    unsigned level, int64_t now, int offset, const char *id, struct buf *out)
{
	struct usage messages = *usage;
	struct fill f = { .words = words_in(span_str(owner->language)),
		.address = owner->address,
		.usage = usage,
		.percent = usage_percent(usage) };
	bool full = level >= 100;

	messages.limits.octets = 0;
	f.by_messages = usage->limits.octets == 0 ||
			(usage->limits.messages != 0 &&
			    usage_percent(&messages) == f.percent);
	put_header(&f, owner, full, now, offset, id, out);
	put_filled(&f, full ? f.words->text_full : f.words->text, out);
	if (owner->title[0] != '\0')
		buf_append_fmt(out, "\r\n-- \r\n%s\r\n", owner->title);
}
