/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/command.h"

#include "common/ascii.h"

enum lmtp_verb
lmtp_verb_parse(struct span line, struct span *argument_out)
{
	static const struct {
		const char *name;
		enum lmtp_verb verb;
	} verbs[] = {
		{ "LHLO", LMTP_LHLO },
		{ "MAIL", LMTP_MAIL },
		{ "RCPT", LMTP_RCPT },
		{ "DATA", LMTP_DATA },
		{ "HKFD", LMTP_HKFD },
		{ "RSET", LMTP_RSET },
		{ "NOOP", LMTP_NOOP },
		{ "VRFY", LMTP_VRFY },
		{ "QUIT", LMTP_QUIT },
		{ "HELO", LMTP_HELO },
		{ "EHLO", LMTP_HELO },
	};
	struct span verb, rest = line;

	if (!span_take_until(&rest, ' ', &verb)) {
		verb = line;
		rest = span_from(line, line.len);
	}
	*argument_out = span_trim(rest);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (span_eq_nocase(verb, span_str(verbs[i].name)))
			return verbs[i].verb;
	return LMTP_UNKNOWN;
}

/* "FROM:" or "TO:"; blanks behind it, which some clients send, are skipped. */
static int
take_keyword(struct span *in, struct span keyword, struct err *err)
{
	if (!span_take_nocase(in, keyword))
		return err_set(
		    err, ERR_SYNTAX, "%.*s expected", SPAN_FMT(keyword));
	while (span_take_octet(in, ' '))
		;
	return 0;
}

/* The next " KEY[=VALUE]".  False at the end, or (*broken) at no parameter. */
static bool
take_parameter(
    struct span *in, struct span *key, struct span *value, bool *broken)
{
	struct span one;
	ptrdiff_t equals;

	*broken = in->len > 0 && in->p[0] != ' ';
	*in = span_trim(*in);
	if (in->len == 0 || *broken)
		return false;
	if (!span_take_until(in, ' ', &one)) {
		one = *in;
		*in = span_from(*in, in->len);
	} else {
		/* The blank stands before the next parameter. */
		*in = span_of(in->p - 1, in->len + 1);
	}
	equals = span_index(one, '=');
	*key = equals < 0 ? one : span_first(one, (size_t)equals);
	*value = equals < 0 ? span_from(one, one.len)
			    : span_from(one, (size_t)equals + 1);
	return true;
}

static int
mail_parameter(struct span key, struct span value, bool trusted,
    struct lmtp_mail *mail, struct err *err)
{
	if (span_eq_nocase(key, SPAN("SIZE"))) {
		if (!span_to_u64(value, &mail->size_octets))
			return err_set(err, ERR_SYNTAX, "SIZE: no number");
		return 0;
	}
	if (span_eq_nocase(key, SPAN("BODY"))) {
		if (!span_eq_nocase(value, SPAN("7BIT")) &&
		    !span_eq_nocase(value, SPAN("8BITMIME")))
			return err_set(err, ERR_SYNTAX, "BODY: unknown type");
		return 0;
	}
	if (span_eq_nocase(key, SPAN("SMTPUTF8")) && value.len == 0) {
		mail->utf8 = true;
		return 0;
	}
	if (trusted && span_eq_nocase(key, SPAN("HKID"))) {
		if (value.len != LOG_ID_MAX ||
		    !ascii_all(value, ASCII_ALPHA | ASCII_DIGIT))
			return err_set(err, ERR_SYNTAX, "HKID: no id");
		mail->id = value;
		return 0;
	}
	if (trusted && span_eq_nocase(key, SPAN("HKROOM"))) {
		if (!span_eq_nocase(value, SPAN("ASKED")))
			return err_set(err, ERR_SYNTAX, "HKROOM: no word");
		mail->room_asked = true;
		return 0;
	}
	return err_set(
	    err, ERR_POLICY, "parameter %.*s is not known", SPAN_FMT(key));
}

int
lmtp_mail_parse(
    struct span argument, bool trusted, struct lmtp_mail *out, struct err *err)
{
	struct lmtp_mail mail = { .id = SPAN_NONE };
	struct span rest = argument, key, value;
	bool broken;

	/* Whether UTF-8 is allowed is said behind the path. */
	if (take_keyword(&rest, SPAN("FROM:"), err) == -1 ||
	    reverse_path_parse(&rest, MAILADDR_UTF8 | MAILADDR_LONG_LOCAL,
		&mail.reverse_path, err) == -1)
		return -1;
	while (take_parameter(&rest, &key, &value, &broken))
		if (mail_parameter(key, value, trusted, &mail, err) == -1)
			return -1;
	if (broken)
		return err_set(err, ERR_SYNTAX, "text behind the path");
	if (!mail.utf8) {
		struct mailaddr again;

		rest = argument;
		if (take_keyword(&rest, SPAN("FROM:"), err) == -1 ||
		    reverse_path_parse(
			&rest, MAILADDR_LONG_LOCAL, &again, err) == -1)
			return -1;
	}
	*out = mail;
	return 0;
}

static int
rcpt_parameter(
    struct span key, struct span value, struct lmtp_rcpt *rcpt, struct err *err)
{
	if (value.len == 0)
		return err_set(
		    err, ERR_SYNTAX, "%.*s: no value", SPAN_FMT(key));
	if (span_eq_nocase(key, SPAN("FOLDER"))) {
		rcpt->folder = value;
	} else if (span_eq_nocase(key, SPAN("FORWARDEDBY"))) {
		rcpt->forwarded_by = value;
	} else if (span_eq_nocase(key, SPAN("TRACE"))) {
		if (rcpt->trace_count == LMTP_TRACES_MAX)
			return err_set(err, ERR_LIMIT, "over %u TRACEs",
			    (unsigned)LMTP_TRACES_MAX);
		rcpt->traces[rcpt->trace_count++] = value;
	} else {
		return err_set(err, ERR_POLICY, "parameter %.*s is not known",
		    SPAN_FMT(key));
	}
	return 0;
}

int
lmtp_rcpt_parse(struct span argument, bool utf8, bool trusted,
    struct lmtp_rcpt *out, struct err *err)
{
	struct lmtp_rcpt rcpt = { .trace_count = 0 };
	struct span rest = argument, key, value;
	bool broken;

	if (take_keyword(&rest, SPAN("TO:"), err) == -1 ||
	    forward_path_parse(
		&rest, utf8 ? MAILADDR_UTF8 : 0, &rcpt.forward_path, err) == -1)
		return -1;
	while (take_parameter(&rest, &key, &value, &broken)) {
		if (!trusted)
			return err_set(err, ERR_POLICY,
			    "parameter %.*s is not known", SPAN_FMT(key));
		if (rcpt_parameter(key, value, &rcpt, err) == -1)
			return -1;
	}
	if (broken)
		return err_set(err, ERR_SYNTAX, "text behind the path");
	*out = rcpt;
	return 0;
}

int
lmtp_fd_parse(struct span argument, struct lmtp_fd *out, struct err *err)
{
	struct lmtp_fd fd;
	struct span rest = argument;

	if (!span_take_u64(&rest, &fd.said) || !span_take_octet(&rest, ' ') ||
	    !span_take_u64(&rest, &fd.offset) || !span_take_octet(&rest, ' ') ||
	    !span_take_u64(&rest, &fd.octets) || rest.len > 0)
		return err_set(err, ERR_SYNTAX, "three numbers expected");
	*out = fd;
	return 0;
}
