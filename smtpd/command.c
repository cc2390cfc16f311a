/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/command.h"

#include "common/ascii.h"
#include "smtpd/report.h"

static const struct {
	struct span name;
	enum smtp_verb verb;
} verbs[] = {
	{ SPAN("HELO"), SMTP_HELO },
	{ SPAN("EHLO"), SMTP_EHLO },
	{ SPAN("MAIL"), SMTP_MAIL },
	{ SPAN("RCPT"), SMTP_RCPT },
	{ SPAN("DATA"), SMTP_DATA },
	{ SPAN("RSET"), SMTP_RSET },
	{ SPAN("NOOP"), SMTP_NOOP },
	{ SPAN("QUIT"), SMTP_QUIT },
	{ SPAN("VRFY"), SMTP_VRFY },
	{ SPAN("EXPN"), SMTP_EXPN },
	{ SPAN("HELP"), SMTP_HELP },
	{ SPAN("STARTTLS"), SMTP_STARTTLS },
	{ SPAN("AUTH"), SMTP_AUTH },
	{ SPAN("BDAT"), SMTP_BDAT },
	{ SPAN("ETRN"), SMTP_ETRN },
	/* What a browser that was led here says (ALPACA). */
	{ SPAN("GET"), SMTP_FOREIGN },
	{ SPAN("POST"), SMTP_FOREIGN },
	{ SPAN("PUT"), SMTP_FOREIGN },
	{ SPAN("HEAD"), SMTP_FOREIGN },
	{ SPAN("OPTIONS"), SMTP_FOREIGN },
	{ SPAN("CONNECT"), SMTP_FOREIGN },
	{ SPAN("HOST:"), SMTP_FOREIGN },
};

enum smtp_verb
smtp_verb_parse(struct span line, struct span *argument_out)
{
	ptrdiff_t sp = span_index(line, ' ');
	struct span word = span_first(line, sp < 0 ? line.len : (size_t)sp);
	struct span rest = sp < 0 ? span_from(line, line.len)
				  : span_from(line, (size_t)sp + 1);

	while (rest.len > 0 && ascii_is_wsp(rest.p[rest.len - 1]))
		rest.len--;
	*argument_out = rest;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (span_eq_nocase(word, verbs[i].name))
			return verbs[i].verb;
	}
	return SMTP_UNKNOWN;
}

const char *
smtp_verb_name(enum smtp_verb verb)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (verbs[i].verb == verb)
			return verbs[i].name.p;
	}
	return "?";
}

bool
smtp_line_clean(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (ascii_is(line.p[i], ASCII_CTL) && line.p[i] != '\t')
			return false;
	}
	return true;
}

/* ---- parameters
 * ----------------------------------------------------------------- */

/*
 *	esmtp-param   = esmtp-keyword ["=" esmtp-value]
 *	esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *	esmtp-value   = 1*(%d33-60 / %d62-126)
 *
 * Takes one off the front with the spaces before it.  value.p is NULL without
 * "=".  Errors: ERR_SYNTAX.
 */
static int
param_take(struct span *in, struct span *keyword_out, struct span *value_out,
    struct err *err)
{
	struct span rest = span_trim(*in), word, keyword;
	ptrdiff_t sp = span_index(rest, ' '), equals;

	if (rest.len == in->len)
		return err_set(err, ERR_SYNTAX, "a space before parameters");
	word = span_first(rest, sp < 0 ? rest.len : (size_t)sp);
	equals = span_index(word, '=');
	keyword = span_first(word, equals < 0 ? word.len : (size_t)equals);
	if (keyword.len == 0 || keyword.p[0] == '-')
		return err_set(err, ERR_SYNTAX, "malformed parameter");
	for (size_t i = 0; i < keyword.len; i++) {
		if (!ascii_is(keyword.p[i], ASCII_ALPHA | ASCII_DIGIT) &&
		    keyword.p[i] != '-')
			return err_set(err, ERR_SYNTAX, "malformed parameter");
	}
	*value_out =
	    equals < 0 ? SPAN_NONE : span_from(word, (size_t)equals + 1);
	if (equals >= 0 &&
	    (value_out->len == 0 || span_index(*value_out, '=') >= 0 ||
		!ascii_all(*value_out, ASCII_VCHAR)))
		return err_set(err, ERR_SYNTAX, "malformed parameter value");
	*keyword_out = keyword;
	*in = span_from(rest, word.len);
	return 0;
}

/* SIZE=1*20DIGIT (RFC 1870 section 3), BODY=7BIT|8BITMIME (RFC 6152), AUTH=
 * (RFC 4954 section 5: taken and not used). */
static int
mail_param(struct smtp_mail *m, struct span keyword, struct span value,
    bool *body_seen, struct err *err)
{
	if (span_eq_nocase(keyword, SPAN("SIZE"))) {
		if (m->has_size || value.p == NULL ||
		    !span_to_u64(value, &m->size))
			return err_set(err, ERR_SYNTAX, "malformed SIZE");
		m->has_size = true;
		return 0;
	}
	if (span_eq_nocase(keyword, SPAN("BODY"))) {
		m->body_8bit = span_eq_nocase(value, SPAN("8BITMIME"));
		if (*body_seen ||
		    (!m->body_8bit && !span_eq_nocase(value, SPAN("7BIT"))))
			return err_set(err, ERR_SYNTAX, "malformed BODY");
		*body_seen = true;
		return 0;
	}
	if (span_eq_nocase(keyword, SPAN("AUTH")) && value.p != NULL)
		return 0;
	if (span_eq_nocase(keyword, SPAN("RET")))
		return smtp_ret_parse(value, &m->ret, err);
	if (span_eq_nocase(keyword, SPAN("ENVID")))
		return smtp_envid_parse(value, &m->envid, err);
	return err_set(err, ERR_POLICY, "parameter not supported");
}

/* Clients put a space behind "FROM:", which the grammar does not have. */
static void
space_take(struct span *in)
{
	while (span_take_octet(in, ' '))
		;
}

int
smtp_mail_parse(struct span argument, struct smtp_mail *out, struct err *err)
{
	struct smtp_mail m = { .size = 0 };
	struct span rest = argument, keyword, value;
	bool body_seen = false;

	if (!span_take_nocase(&rest, SPAN("FROM:")))
		return err_set(err, ERR_SYNTAX, "expected FROM:<address>");
	space_take(&rest);
	if (reverse_path_parse(
		&rest, MAILADDR_LONG_LOCAL, &m.reverse_path, err) == -1)
		return -1;
	while (rest.len > 0) {
		if (param_take(&rest, &keyword, &value, err) == -1 ||
		    mail_param(&m, keyword, value, &body_seen, err) == -1)
			return -1;
	}
	*out = m;
	return 0;
}

static int
rcpt_param(struct smtp_rcpt *r, struct span keyword, struct span value,
    struct err *err)
{
	if (span_eq_nocase(keyword, SPAN("NOTIFY")))
		return smtp_notify_parse(value, &r->notify, err);
	if (span_eq_nocase(keyword, SPAN("ORCPT")))
		return smtp_orcpt_parse(value, &r->orcpt, err);
	return err_set(err, ERR_POLICY, "parameter not supported");
}

int
smtp_rcpt_parse(struct span argument, struct smtp_rcpt *out, struct err *err)
{
	struct span rest = argument, keyword, value;
	struct smtp_rcpt r = { .notify = 0 };

	if (!span_take_nocase(&rest, SPAN("TO:")))
		return err_set(err, ERR_SYNTAX, "expected TO:<address>");
	space_take(&rest);
	if (forward_path_parse(&rest, 0, &r.forward_path, err) == -1)
		return -1;
	while (rest.len > 0) {
		if (param_take(&rest, &keyword, &value, err) == -1 ||
		    rcpt_param(&r, keyword, value, err) == -1)
			return -1;
	}
	*out = r;
	return 0;
}

bool
smtp_helo_valid(struct span argument, bool loose)
{
	if (argument.len == 0 || argument.len > MAILADDR_DOMAIN_MAX)
		return false;
	if (loose)
		return ascii_all(argument, ASCII_VCHAR);
	return mail_domain_valid(argument, false) ||
	       address_literal_valid(argument);
}
