/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/address.h"

#include <arpa/inet.h>

#include "common/ascii.h"

static bool
octet_is_utf8(char c)
{
	return (unsigned char)c >= 0x80;
}

size_t
utf8_sequence(struct span s)
{
	unsigned char first = (unsigned char)s.p[0];
	unsigned char low = 0x80, high = 0xbf;
	size_t len = first < 0x80   ? 1
		     : first < 0xc2 ? 0
		     : first < 0xe0 ? 2
		     : first < 0xf0 ? 3
		     : first < 0xf5 ? 4
				    : 0;

	if (len == 0 || len > s.len)
		return 0;
	if (first == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (first == 0xed)
		high = 0x9f; /* surrogates */
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	for (size_t i = 1; i < len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < low || c > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	/* U+0080..U+009F are controls. */
	return first == 0xc2 && (unsigned char)s.p[1] < 0xa0 ? 0 : len;
}

bool
utf8_valid(struct span text)
{
	while (text.len > 0) {
		size_t len = utf8_sequence(text);

		if (len == 0 || ascii_is(text.p[0], ASCII_CTL))
			return false;
		text = span_from(text, len);
	}
	return true;
}

/* Dot-string, with dots where the head of address.h allows them. */
static size_t
dot_string_len(struct span in, bool utf8)
{
	size_t len = 0;

	while (len < in.len &&
	       (ascii_is(in.p[len], ASCII_ATEXT) || in.p[len] == '.' ||
		   (utf8 && octet_is_utf8(in.p[len]))))
		len++;
	return len;
}

/*
 *	Quoted-string   = DQUOTE *QcontentSMTP DQUOTE
 *	qtextSMTP       = %d32-33 / %d35-91 / %d93-126
 *	quoted-pairSMTP = %d92 %d32-126
 *
 * Octets with both quotes, or 0.
 */
static size_t
quoted_string_len(struct span in, bool utf8)
{
	size_t at = 1;

	while (at < in.len && in.p[at] != '"') {
		if (in.p[at] == '\\')
			at++;
		if (at >= in.len || ascii_is(in.p[at], ASCII_CTL) ||
		    (octet_is_utf8(in.p[at]) && !utf8))
			return 0;
		at++;
	}
	return at < in.len ? at + 1 : 0;
}

static bool
label_valid(struct span label, bool utf8)
{
	if (label.len == 0 || label.len > MAILADDR_LABEL_MAX ||
	    label.p[0] == '-' || label.p[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		char c = label.p[i];

		if (!ascii_is(c, ASCII_ALPHA | ASCII_DIGIT) && c != '-' &&
		    c != '_' && !(utf8 && octet_is_utf8(c)))
			return false;
	}
	return true;
}

bool
mail_domain_valid(struct span text, bool utf8)
{
	struct span label;

	if (text.len > MAILADDR_DOMAIN_MAX || (utf8 && !utf8_valid(text)))
		return false;
	while (span_take_until(&text, '.', &label)) {
		if (!label_valid(label, utf8))
			return false;
	}
	return label_valid(text, utf8);
}

/* Through a copy with a NUL, which inet_pton wants. */
static bool
ip_valid(int family, struct span text)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (text.len == 0 || text.len >= sizeof(copy) ||
	    memchr(text.p, '\0', text.len) != NULL)
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, &address) == 1;
}

bool
address_literal_valid(struct span text)
{
	struct span tag;

	if (text.len < 3 || text.len > MAILADDR_DOMAIN_MAX ||
	    text.p[0] != '[' || text.p[text.len - 1] != ']')
		return false;
	text = span_of(text.p + 1, text.len - 2);
	if (span_take_nocase(&text, SPAN("IPv6:")))
		return ip_valid(AF_INET6, text);
	if (!span_take_until(&text, ':', &tag))
		return ip_valid(AF_INET, text);
	/* General-address-literal = Standardized-tag ":" 1*dcontent */
	if (tag.len == 0 || tag.p[tag.len - 1] == '-' || text.len == 0 ||
	    !ascii_all(text, ASCII_VCHAR))
		return false;
	for (size_t i = 0; i < tag.len; i++) {
		if (!ascii_is(tag.p[i], ASCII_ALPHA | ASCII_DIGIT) &&
		    tag.p[i] != '-')
			return false;
	}
	return span_index(text, '[') < 0 && span_index(text, ']') < 0 &&
	       span_index(text, '\\') < 0;
}

/* Takes the local part off the front. */
static int
local_part_take(
    struct span *in, unsigned flags, struct span *out, struct err *err)
{
	bool utf8 = (flags & MAILADDR_UTF8) != 0;
	bool quoted = in->len > 0 && in->p[0] == '"';
	size_t len =
	    quoted ? quoted_string_len(*in, utf8) : dot_string_len(*in, utf8);

	if (len == 0)
		return err_set(err, ERR_SYNTAX, "address: no local part");
	if (utf8 && !utf8_valid(span_first(*in, len)))
		return err_set(err, ERR_SYNTAX, "address: malformed UTF-8");
	if (len > MAILADDR_LOCAL_MAX && (flags & MAILADDR_LONG_LOCAL) == 0)
		return err_set(err, ERR_LIMIT, "address: local part over %d",
		    MAILADDR_LOCAL_MAX);
	*out = span_first(*in, len);
	*in = span_from(*in, len);
	return 0;
}

static int
domain_check(struct span domain, unsigned flags, struct err *err)
{
	if (domain.len > MAILADDR_DOMAIN_MAX)
		return err_set(err, ERR_LIMIT, "address: domain over %d",
		    MAILADDR_DOMAIN_MAX);
	if (!mail_domain_valid(domain, (flags & MAILADDR_UTF8) != 0) &&
	    !address_literal_valid(domain))
		return err_set(err, ERR_SYNTAX, "address: bad domain");
	return 0;
}

int
mailaddr_parse(struct span text, unsigned flags, struct mailaddr *address_out,
    struct err *err)
{
	struct mailaddr address;

	if (local_part_take(&text, flags, &address.local_part, err) == -1)
		return -1;
	if (!span_take_octet(&text, '@'))
		return err_set(err, ERR_SYNTAX, "address: no @ and domain");
	address.domain = text;
	if (domain_check(text, flags, err) == -1)
		return -1;
	*address_out = address;
	return 0;
}

/*
 *	A-d-l     = At-domain *( "," At-domain )
 *	At-domain = "@" Domain
 */
static int
source_route_skip(struct span *in, unsigned flags, struct err *err)
{
	struct span rest = *in, route, hop;
	bool last;

	if (rest.len == 0 || rest.p[0] != '@')
		return 0;
	if (!span_take_until(&rest, ':', &route))
		return err_set(err, ERR_SYNTAX, "path: source route without :");
	do {
		last = !span_take_until(&route, ',', &hop);
		if (last)
			hop = route;
		if (!span_take_octet(&hop, '@') ||
		    !mail_domain_valid(hop, (flags & MAILADDR_UTF8) != 0))
			return err_set(
			    err, ERR_SYNTAX, "path: bad source route");
	} while (!last);
	*in = rest;
	return 0;
}

/* Octets between "<" and its ">", which may not be one inside quotes. */
static int
path_take(struct span *in, struct span *inside_out, struct err *err)
{
	struct span rest = *in;
	bool quoted = false;
	size_t at;

	if (!span_take_octet(&rest, '<'))
		return err_set(err, ERR_SYNTAX, "path: no <");
	for (at = 0; at < rest.len && (quoted || rest.p[at] != '>'); at++) {
		if (rest.p[at] == '"')
			quoted = !quoted;
		else if (rest.p[at] == '\\' && quoted)
			at++;
	}
	if (at >= rest.len)
		return err_set(err, ERR_SYNTAX, "path: no >");
	if (at + 2 > MAILADDR_PATH_MAX)
		return err_set(
		    err, ERR_LIMIT, "path: over %d octets", MAILADDR_PATH_MAX);
	*inside_out = span_first(rest, at);
	*in = span_from(rest, at + 1);
	return 0;
}

int
reverse_path_parse(struct span *in, unsigned flags,
    struct mailaddr *address_out, struct err *err)
{
	struct span rest = *in, inside;
	struct mailaddr address = { SPAN(""), SPAN("") };

	if (path_take(&rest, &inside, err) == -1)
		return -1;
	if (inside.len > 0 &&
	    (source_route_skip(&inside, flags, err) == -1 ||
		mailaddr_parse(inside, flags, &address, err) == -1))
		return -1;
	*in = rest;
	*address_out = address;
	return 0;
}

int
forward_path_parse(struct span *in, unsigned flags,
    struct mailaddr *address_out, struct err *err)
{
	struct span rest = *in, inside;
	struct mailaddr address = { SPAN(""), SPAN("") };

	if (path_take(&rest, &inside, err) == -1)
		return -1;
	if (span_eq_nocase(inside, SPAN("postmaster")))
		address.local_part = inside;
	else if (source_route_skip(&inside, flags, err) == -1 ||
		 mailaddr_parse(inside, flags, &address, err) == -1)
		return -1;
	*in = rest;
	*address_out = address;
	return 0;
}

bool
mailaddr_is_null(struct mailaddr address)
{
	return address.local_part.len == 0;
}

bool
mailaddr_is_literal(struct mailaddr address)
{
	return address.domain.len > 0 && address.domain.p[0] == '[';
}

void
mailaddr_format(struct mailaddr address, struct buf *out)
{
	if (mailaddr_is_null(address))
		return;
	buf_append(out, address.local_part);
	if (address.domain.len > 0)
		buf_append_octet(out, '@');
	buf_append(out, address.domain);
}

/* Takes the next octet of a local part's meaning. */
static bool
meaning_take(struct span *in, bool quoted, char *octet_out)
{
	if (quoted && in->len > 1 && in->p[0] == '\\')
		*in = span_from(*in, 1);
	if (in->len == 0)
		return false;
	*octet_out = in->p[0];
	*in = span_from(*in, 1);
	return true;
}

static struct span
without_quotes(struct span local_part, bool *quoted_out)
{
	*quoted_out = local_part.len >= 2 && local_part.p[0] == '"';
	return *quoted_out ? span_of(local_part.p + 1, local_part.len - 2)
			   : local_part;
}

void
mailaddr_unquote(struct span local_part, struct buf *out)
{
	bool quoted;
	struct span rest = without_quotes(local_part, &quoted);
	char octet = 0;

	while (meaning_take(&rest, quoted, &octet))
		buf_append_octet(out, octet);
}

bool
mailaddr_same(struct mailaddr a, struct mailaddr b)
{
	bool a_quoted, b_quoted, a_more, b_more;
	struct span a_rest = without_quotes(a.local_part, &a_quoted);
	struct span b_rest = without_quotes(b.local_part, &b_quoted);
	char a_octet = 0, b_octet = 0;

	do {
		a_more = meaning_take(&a_rest, a_quoted, &a_octet);
		b_more = meaning_take(&b_rest, b_quoted, &b_octet);
		if (a_more != b_more || (a_more && a_octet != b_octet))
			return false;
	} while (a_more);
	return span_eq_nocase(a.domain, b.domain);
}
