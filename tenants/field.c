/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/field.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/ascii.h"
#include "mime/address.h"
#include "tenants/naming.h"

enum {
	NUMBER_DIGITS_MAX = 15 /* slapd's constraint, and exact in JSON */
};

/* ---- text -------------------------------------------------------------------
 */

static bool
append_line(struct buf *value, struct span line)
{
	buf_append(value, line);
	return utf8_valid(line);
}

static int
parse_text(
    const struct field *f, struct span text, struct buf *value, struct err *err)
{
	struct span rest = text, line;
	size_t start = value->len;
	bool good = true;

	/* utf8_valid() knows no line breaks. */
	while (f->type == FIELD_LINES && span_take_until(&rest, '\n', &line)) {
		if (span_ends(line, SPAN("\r")))
			line = span_first(line, line.len - 1);
		good &= append_line(value, line);
		buf_append_octet(value, '\n');
	}
	if (!append_line(value, rest) || !good)
		return err_set(err, ERR_SYNTAX,
		    "%s: expected UTF-8 without control characters%s", f->name,
		    f->type == FIELD_LINES ? " but line breaks" : "");
	if (value->len == start)
		return err_set(err, ERR_SYNTAX,
		    "%s: empty; expected a text, or --no-%s", f->name, f->name);
	return buf_check(value, err);
}

static int
parse_word(
    const struct field *f, struct span text, struct buf *value, struct err *err)
{
	char expected[160] = "";
	size_t used = 0;

	for (size_t i = 0; f->words[i] != NULL; i++) {
		if (span_eq_nocase(text, span_str(f->words[i]))) {
			buf_append_str(value, f->words[i]);
			return buf_check(value, err);
		}
		used +=
		    (size_t)snprintf(expected + used, sizeof(expected) - used,
			"%s%s", i == 0 ? "" : ", ", f->words[i]);
		if (used >= sizeof(expected))
			break;
	}
	return err_set(err, ERR_SYNTAX, "%s: \"%.*s\"; expected one of %s",
	    f->name, SPAN_FMT(span_first(text, 60)), expected);
}

static int
parse_bool(
    const struct field *f, struct span text, struct buf *value, struct err *err)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++) {
		if (span_eq_nocase(text, span_str(yes[i])))
			buf_append(value, SPAN("TRUE"));
		else if (span_eq_nocase(text, span_str(no[i])))
			buf_append(value, SPAN("FALSE"));
		else
			continue;
		return buf_check(value, err);
	}
	return err_set(err, ERR_SYNTAX, "%s: \"%.*s\"; expected yes or no",
	    f->name, SPAN_FMT(span_first(text, 60)));
}

/* ---- numbers ----------------------------------------------------------------
 */

static const char octet_units[] = "kMGT";

static int
parse_number(
    const struct field *f, struct span text, struct buf *value, struct err *err)
{
	struct span rest = text;
	uint64_t number = 0, factor = 1, product;
	bool good = span_take_u64(&rest, &number);

	if (good && f->type == FIELD_OCTETS && rest.len == 1) {
		for (const char *unit = octet_units; *unit != '\0'; unit++) {
			factor *= 1024;
			if (ascii_lower(rest.p[0]) != ascii_lower(*unit))
				continue;
			rest = span_from(rest, 1);
			break;
		}
	}
	good = good && rest.len == 0 &&
	       !__builtin_mul_overflow(number, factor, &product) &&
	       product <= 999999999999999;
	if (!good)
		return err_set(err, ERR_SYNTAX,
		    "%s: \"%.*s\"; expected a number of up to %d digits%s",
		    f->name, SPAN_FMT(span_first(text, 60)), NUMBER_DIGITS_MAX,
		    f->type == FIELD_OCTETS
			? ", with k, M, G, T or nothing behind it"
			: "");
	buf_append_u64(value, product);
	return buf_check(value, err);
}

/* "512M", where nothing is lost. */
static void
format_octets(struct span value, struct buf *out)
{
	uint64_t number;
	size_t unit = 0;

	if (!span_to_u64(value, &number)) {
		buf_append(out, value);
		return;
	}
	while (number != 0 && number % 1024 == 0 && octet_units[unit] != '\0') {
		number /= 1024;
		unit++;
	}
	buf_append_u64(out, number);
	if (unit > 0)
		buf_append_octet(out, octet_units[unit - 1]);
}

/* ---- addresses --------------------------------------------------------------
 */

static void
append_lower(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_append_octet(out, ascii_lower(text.p[i]));
}

static int
parse_address(
    const struct field *f, struct span text, struct buf *value, struct err *err)
{
	struct mailaddr address;

	if (mailaddr_parse(text, MAILADDR_UTF8, &address, NULL) == -1 ||
	    address.domain.len == 0 || mailaddr_is_literal(address))
		return err_set(err, ERR_SYNTAX,
		    "%s: \"%.*s\"; expected an address such as "
		    "hanako@aozora.example",
		    f->name, SPAN_FMT(span_first(text, 80)));
	/* Only the domain's own host may fold a local part. RFC 5321 2.4 */
	if (f->type == FIELD_ADDRESS)
		buf_append(value, address.local_part);
	else
		append_lower(value, address.local_part);
	buf_append_octet(value, '@');
	append_lower(value, address.domain);
	return buf_check(value, err);
}

static int
parse_domain(
    const struct field *f, struct span text, struct buf *value, struct err *err)
{
	if (!mail_domain_valid(text, false) || span_index(text, '.') == -1)
		return err_set(err, ERR_SYNTAX,
		    "%s: \"%.*s\"; expected a domain such as aozora.example, "
		    "an internationalised one in its ASCII form (xn--...)",
		    f->name, SPAN_FMT(span_first(text, 80)));
	append_lower(value, text);
	return buf_check(value, err);
}

static int
parse_class(const struct field *f, const char *base, struct span text,
    struct buf *value, struct err *err)
{
	if (text.len == 0 || text.len > 64 || !utf8_valid(text))
		return err_set(err, ERR_SYNTAX,
		    "%s: expected the name of a class of service", f->name);
	naming_class(value, base, text);
	return buf_check(value, err);
}

/* ---- times ------------------------------------------------------------------
 */

/* Exactly count digits. */
static bool
take_digits(struct span *s, unsigned count, int *out)
{
	unsigned digit;

	*out = 0;
	while (count-- > 0) {
		if (!span_take_digit(s, &digit))
			return false;
		*out = *out * 10 + (int)digit;
	}
	return true;
}

/* "Z", "+09:00" or "+0900", in seconds. */
static bool
take_zone(struct span *s, int *east_out)
{
	int sign = 0, hours, minutes;

	*east_out = 0;
	if (span_take_nocase(s, SPAN("Z")))
		return true;
	if (span_take_octet(s, '+'))
		sign = 1;
	else if (span_take_octet(s, '-'))
		sign = -1;
	if (sign == 0 || !take_digits(s, 2, &hours))
		return false;
	(void)span_take_octet(s, ':');
	if (!take_digits(s, 2, &minutes) || hours > 14 || minutes > 59)
		return false;
	*east_out = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* RFC 3339 5.6, seconds may be missing; or RFC 4517 3.3.13, all digits. */
static bool
take_time(struct span s, time_t *out)
{
	struct tm tm = { .tm_isdst = 0 }, again;
	bool dashes;
	int east;

	if (!take_digits(&s, 4, &tm.tm_year))
		return false;
	dashes = span_take_octet(&s, '-');
	if (!take_digits(&s, 2, &tm.tm_mon) ||
	    (dashes && !span_take_octet(&s, '-')) ||
	    !take_digits(&s, 2, &tm.tm_mday))
		return false;
	if (dashes && !span_take_nocase(&s, SPAN("T")) &&
	    !span_take_octet(&s, ' '))
		return false;
	if (!take_digits(&s, 2, &tm.tm_hour) ||
	    (dashes && !span_take_octet(&s, ':')) ||
	    !take_digits(&s, 2, &tm.tm_min))
		return false;
	if (!dashes || span_take_octet(&s, ':'))
		if (!take_digits(&s, 2, &tm.tm_sec))
			return false;
	if (!take_zone(&s, &east) || s.len != 0)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	again = tm;
	*out = timegm(&again);
	/* The 31st of a month that has 30 days becomes another day. */
	if (again.tm_mday != tm.tm_mday || again.tm_mon != tm.tm_mon ||
	    again.tm_hour != tm.tm_hour || again.tm_min != tm.tm_min ||
	    again.tm_sec != tm.tm_sec)
		return false;
	*out -= east;
	return true;
}

static int
parse_time(
    const struct field *f, struct span text, struct buf *value, struct err *err)
{
	char out[32];
	struct tm tm;
	time_t when;

	if (!take_time(text, &when) || gmtime_r(&when, &tm) == NULL ||
	    strftime(out, sizeof(out), "%Y%m%d%H%M%SZ", &tm) != 15)
		return err_set(err, ERR_SYNTAX,
		    "%s: \"%.*s\"; expected a time such as "
		    "2026-08-10T09:00:00+09:00",
		    f->name, SPAN_FMT(span_first(text, 60)));
	buf_append_str(value, out);
	return buf_check(value, err);
}

static void
format_time(struct span value, struct buf *out)
{
	char text[32];
	struct tm tm;
	time_t when;

	if (!take_time(value, &when) || gmtime_r(&when, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) != 20)
		buf_append(out, value);
	else
		buf_append_str(out, text);
}

/* ---- all --------------------------------------------------------------------
 */

int
field_parse(const struct field *f, const char *base, struct span text,
    struct buf *value, struct err *err)
{
	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_LINES:
		return parse_text(f, text, value, err);
	case FIELD_WORD:
		return parse_word(f, text, value, err);
	case FIELD_BOOL:
		return parse_bool(f, text, value, err);
	case FIELD_NUMBER:
	case FIELD_OCTETS:
		return parse_number(f, text, value, err);
	case FIELD_ADDRESS:
	case FIELD_OWN:
	case FIELD_PERSON:
		return parse_address(f, text, value, err);
	case FIELD_DOMAIN:
		return parse_domain(f, text, value, err);
	case FIELD_TIME:
		return parse_time(f, text, value, err);
	case FIELD_CLASS:
		return parse_class(f, base, text, value, err);
	case FIELD_TENANT:
		break;
	}
	return err_set(err, ERR_SYNTAX, "%s: cannot be set", f->name);
}

void
field_format(const struct field *f, enum field_style style, struct span value,
    struct buf *out)
{
	switch (f->type) {
	case FIELD_BOOL:
		buf_append_str(
		    out, span_eq_nocase(value, SPAN("TRUE")) ? "yes" : "no");
		return;
	case FIELD_OCTETS:
		if (style == FIELD_FRIENDLY)
			format_octets(value, out);
		else
			buf_append(out, value);
		return;
	case FIELD_TIME:
		format_time(value, out);
		return;
	case FIELD_CLASS:
	case FIELD_PERSON:
		if (!naming_first(value, out))
			buf_append(out, value);
		return;
	case FIELD_TEXT:
	case FIELD_LINES:
	case FIELD_WORD:
	case FIELD_NUMBER:
	case FIELD_ADDRESS:
	case FIELD_OWN:
	case FIELD_DOMAIN:
	case FIELD_TENANT:
		break;
	}
	buf_append(out, value);
}

const char *
field_separator(const struct field *f)
{
	return f->type == FIELD_TEXT || f->type == FIELD_LINES ? "\n" : " ";
}

bool
field_split(const struct field *f, struct span *rest, struct span *out)
{
	bool blanks = field_separator(f)[0] == ' ';

	if ((f->flags & FIELD_MANY) == 0) {
		*out = *rest;
		*rest = span_from(*rest, rest->len);
		return out->len > 0;
	}
	while (rest->len > 0) {
		size_t end = 0;

		while (end < rest->len && rest->p[end] != '\n' &&
		       !(blanks && ascii_is_wsp(rest->p[end])))
			end++;
		*out = span_trim(span_first(*rest, end));
		if (span_ends(*out, SPAN("\r")))
			*out = span_first(*out, out->len - 1);
		*rest = span_from(*rest, end + 1);
		if (out->len > 0)
			return true;
	}
	return false;
}
