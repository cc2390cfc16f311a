/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/report.h"

#include "common/ascii.h"
#include "common/outbound.h"
#include "mime/xtext.h"

#define ENVID_MAX 100 /* RFC 3461 section 5.4 */
#define ORCPT_MAX 500

int
smtp_ret_parse(struct span value, unsigned *out, struct err *err)
{
	if (*out == 0 && span_eq_nocase(value, SPAN("FULL")))
		*out = OUTBOUND_RET_FULL;
	else if (*out == 0 && span_eq_nocase(value, SPAN("HDRS")))
		*out = OUTBOUND_RET_HDRS;
	else
		return err_set(err, ERR_SYNTAX, "malformed RET");
	return 0;
}

static int
xtext_check(struct span value, size_t max, const char *what, struct err *err)
{
	CLEANUP(buf_fini) struct buf decoded = { .max = ORCPT_MAX };

	if (value.len == 0 || value.len > max ||
	    xtext_decode(value, &decoded, NULL) == -1)
		return err_set(err, ERR_SYNTAX, "malformed %s", what);
	return 0;
}

int
smtp_envid_parse(struct span value, struct span *out, struct err *err)
{
	if (out->len > 0)
		return err_set(err, ERR_SYNTAX, "ENVID twice");
	if (xtext_check(value, ENVID_MAX, "ENVID", err) == -1)
		return -1;
	*out = value;
	return 0;
}

int
smtp_notify_parse(struct span value, unsigned *out, struct err *err)
{
	static const struct {
		struct span word;
		unsigned bit;
	} words[] = {
		{ SPAN("SUCCESS"), OUTBOUND_NOTIFY_SUCCESS },
		{ SPAN("FAILURE"), OUTBOUND_NOTIFY_FAILURE },
		{ SPAN("DELAY"), OUTBOUND_NOTIFY_DELAY },
	};
	struct span rest = value, word;
	unsigned notify = 0;

	if (*out == 0 && span_eq_nocase(value, SPAN("NEVER"))) {
		*out = OUTBOUND_NOTIFY_NEVER;
		return 0;
	}
	for (bool more = *out == 0; more;) {
		unsigned bit = 0;

		more = span_take_until(&rest, ',', &word);
		if (!more)
			word = rest;
		for (size_t i = 0; i < 3; i++)
			if (span_eq_nocase(word, words[i].word))
				bit = words[i].bit;
		if (bit == 0 || (notify & bit) != 0)
			return err_set(err, ERR_SYNTAX, "malformed NOTIFY");
		notify |= bit;
	}
	if (notify == 0)
		return err_set(err, ERR_SYNTAX, "malformed NOTIFY");
	*out = notify;
	return 0;
}

int
smtp_orcpt_parse(struct span value, struct span *out, struct err *err)
{
	struct span rest = value, type;

	if (out->len > 0 || !span_take_until(&rest, ';', &type) ||
	    type.len == 0 || !ascii_all(type, ASCII_ATEXT))
		return err_set(err, ERR_SYNTAX, "malformed ORCPT");
	if (xtext_check(rest, ORCPT_MAX, "ORCPT", err) == -1)
		return -1;
	*out = value;
	return 0;
}
