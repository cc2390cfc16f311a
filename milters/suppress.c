/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/suppress.h"

#include <stddef.h>

#include "mime/content.h"
#include "mime/header.h"

/* Local parts without case; what is before or behind them is said by flags. */
static const struct {
	struct span text;
	bool begins, ends; /* only the beginning, or the end, is compared */
} senders[] = {
	{ SPAN("mailer-daemon"), false, false },
	{ SPAN("postmaster"), false, false },
	{ SPAN("listserv"), false, false },
	{ SPAN("majordomo"), false, false },
	{ SPAN("owner-"), true, false },
	{ SPAN("bounce"), true, false },
	{ SPAN("noreply"), true, false },
	{ SPAN("no-reply"), true, false },
	{ SPAN("no_reply"), true, false },
	{ SPAN("donotreply"), true, false },
	{ SPAN("do-not-reply"), true, false },
	{ SPAN("prvs="), true, false },
	{ SPAN("-request"), false, true },
	{ SPAN("-owner"), false, true },
	{ SPAN("-bounces"), false, true },
	{ SPAN("-noreply"), false, true },
	{ SPAN("-relay"), false, true },
};

bool
suppress_sender(struct span reverse_path)
{
	ptrdiff_t at = span_rindex(reverse_path, '@');
	struct span local =
	    at < 0 ? reverse_path : span_first(reverse_path, (size_t)at);

	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		struct span text = senders[i].text, part = local;

		if (part.len < text.len)
			continue;
		if (senders[i].begins)
			part = span_first(part, text.len);
		else if (senders[i].ends)
			part = span_from(part, part.len - text.len);
		if (span_eq_nocase(part, text))
			return true;
	}
	return false;
}

/* A comma-separated list has one of the words of MS-OXCMAIL. */
static bool
suppresses(struct span value)
{
	static const char *const words[] = { "all", "oof", "autoreply" };
	struct span word;

	for (bool more = true; more;) {
		more = span_take_until(&value, ',', &word);
		if (!more)
			word = value;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (span_eq_nocase(span_trim(word), span_str(words[i])))
				return true;
	}
	return false;
}

static const char *
field_reason(const struct field *f)
{
	struct span name = f->name, word = mime_token_parse(f->value);

	/* RFC 2369, RFC 2919: every field of them. */
	if (span_starts_nocase(name, SPAN("List-")))
		return "list";
	if (span_eq_nocase(name, SPAN("Mailing-List")) ||
	    span_eq_nocase(name, SPAN("X-Mailing-List")) ||
	    span_eq_nocase(name, SPAN("X-ML-Name")))
		return "list";
	if (span_eq_nocase(name, SPAN("Precedence")) &&
	    (span_eq_nocase(word, SPAN("bulk")) ||
		span_eq_nocase(word, SPAN("list")) ||
		span_eq_nocase(word, SPAN("junk"))))
		return "bulk";
	/* RFC 3834 section 5: anything but "no", whatever it is. */
	if (span_eq_nocase(name, SPAN("Auto-Submitted")) &&
	    !span_eq_nocase(word, SPAN("no")))
		return "automatic";
	if (span_eq_nocase(name, SPAN("X-Auto-Response-Suppress")) &&
	    suppresses(f->value))
		return "automatic";
	if (span_eq_nocase(name, SPAN("X-Autoreply")) ||
	    span_eq_nocase(name, SPAN("X-Autorespond")))
		return "automatic";
	if (span_eq_nocase(name, SPAN("X-Spam-Flag")) &&
	    span_eq_nocase(word, SPAN("yes")))
		return "spam";
	if (span_eq_nocase(name, SPAN("Content-Type")) &&
	    span_starts_nocase(span_trim(f->value), SPAN("multipart/report")))
		return "report";
	return NULL;
}

const char *
suppress_reason(struct span reverse_path, struct span fields)
{
	struct field f;

	if (reverse_path.len == 0)
		return "bounce";
	if (suppress_sender(reverse_path))
		return "role";
	while (field_next(&fields, &f)) {
		const char *reason = field_reason(&f);

		if (reason != NULL)
			return reason;
	}
	return NULL;
}
