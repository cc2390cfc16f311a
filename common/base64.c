/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/sasl.h"

#include "common/ascii.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 0 to 63; the octet is known to be of the alphabet. */
static uint32_t
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0' + 52);
	return c == '+' ? 62 : 63;
}

/* Octets that four digits stand for; the digits without "=" are in quad. */
static int
quad_decode(struct span quad, char *out)
{
	uint32_t bits = 0;
	size_t i, octets = quad.len - 1;

	for (i = 0; i < 4; i++)
		bits = bits << 6 | (i < quad.len ? digit_value(quad.p[i]) : 0);
	/* A second text for the same octets would be a hiding place. */
	if ((bits & (0xffffffu >> (8 * octets)) & 0xffffffu) != 0)
		return -1;
	for (i = 0; i < octets; i++)
		out[i] = (char)(bits >> (16 - 8 * i) & 0xff);
	return 0;
}

int
base64_decode(struct span text, struct buf *out, struct err *err)
{
	size_t at, digits = text.len, start = out->len;
	char three[3];

	if (text.len % 4 != 0)
		return err_set(err, ERR_SYNTAX, "base64: not whole");
	for (at = 0; at < 2 && digits > 0 && text.p[digits - 1] == '='; at++)
		digits--;
	if (!ascii_all(span_first(text, digits), ASCII_BASE64))
		return err_set(err, ERR_SYNTAX, "base64: another octet");
	for (at = 0; at < digits; at += 4) {
		struct span quad =
		    span_first(span_from(span_first(text, digits), at), 4);

		if (quad_decode(quad, three) == -1) {
			buf_truncate(out, start);
			return err_set(err, ERR_SYNTAX, "base64: bits left");
		}
		buf_append(out, span_of(three, quad.len - 1));
	}
	if (buf_check(out, err) == -1) {
		if (out->len > start)
			buf_truncate(out, start);
		return -1;
	}
	return 0;
}

void
base64_encode(struct span octets, struct buf *out)
{
	for (size_t at = 0; at < octets.len; at += 3) {
		size_t left = octets.len - at;
		uint32_t bits = 0;

		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 |
			       (i < left ? (unsigned char)octets.p[at + i] : 0);
		for (size_t i = 0; i < 4; i++)
			buf_append_octet(out,
			    i > left ? '='
				     : alphabet[bits >> (18 - 6 * i) & 63]);
	}
}

enum sasl_line
sasl_line_decode(struct span line, struct buf *response)
{
	buf_clear(response);
	if (span_eq(line, SPAN("*")))
		return SASL_LINE_CANCEL;
	return base64_decode(line, response, NULL) == 0 ? SASL_LINE_OK
							: SASL_LINE_BAD;
}

enum sasl_line
sasl_initial_decode(struct span argument, struct buf *response)
{
	buf_clear(response);
	if (span_eq(argument, SPAN("=")))
		return SASL_LINE_OK;
	/* An initial response may not be written as nothing at all. */
	if (argument.len == 0)
		return SASL_LINE_BAD;
	return base64_decode(argument, response, NULL) == 0 ? SASL_LINE_OK
							    : SASL_LINE_BAD;
}

void
sasl_line_encode(struct span challenge, struct buf *line)
{
	base64_encode(challenge, line);
}
