/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/filename.h"

#include "common/ascii.h"
#include "store/message.h"

/* ",S=<digits>" or ",W=<digits>", ended by "," or the base's end. */
static uint64_t
filename_size(struct span base, char letter)
{
	struct span rest = base;
	struct span skipped;
	uint64_t octets;

	while (span_take_until(&rest, ',', &skipped)) {
		struct span field = rest;

		if (span_take_octet(&field, letter) &&
		    span_take_octet(&field, '=') &&
		    span_take_u64(&field, &octets) &&
		    (field.len == 0 || field.p[0] == ',') &&
		    octets != MESSAGE_SIZE_UNKNOWN)
			return octets;
	}
	return MESSAGE_SIZE_UNKNOWN;
}

/* The flag characters of ":2,<flags>[,<rest>]", and ",<rest>". */
static struct span
info_flags(struct span info, struct span *rest_out)
{
	struct span flags;
	ptrdiff_t comma;

	*rest_out = SPAN_NONE;
	if (!span_starts(info, SPAN(":2,")))
		return span_of(info.p, 0);
	flags = span_from(info, 3);
	comma = span_index(flags, ',');
	if (comma >= 0) {
		*rest_out = span_from(flags, (size_t)comma);
		flags = span_first(flags, (size_t)comma);
	}
	return flags;
}

static uint64_t
info_letters(struct span info)
{
	struct span rest, flags = info_flags(info, &rest);
	uint64_t letters = 0;

	for (size_t i = 0; i < flags.len; i++)
		if (ascii_is(flags.p[i], ASCII_ALPHA))
			letters |= MESSAGE_LETTER_BIT(flags.p[i]);
	return letters;
}

bool
filename_parse(struct span name, struct filename *out)
{
	ptrdiff_t colon = span_index(name, ':');

	if (name.len == 0 || name.len > FILENAME_MAX_OCTETS ||
	    name.p[0] == '.' || colon == 0)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] == '\0' || name.p[i] == '\r' ||
		    name.p[i] == '\n' || name.p[i] == '/')
			return false;
	out->base = colon < 0 ? name : span_first(name, (size_t)colon);
	out->info = span_from(name, out->base.len);
	out->letters = info_letters(out->info);
	out->size_physical = filename_size(out->base, 'S');
	out->size_virtual = filename_size(out->base, 'W');
	return true;
}

void
filename_format_info(uint64_t letters, struct span old_info, struct buf *out)
{
	struct span rest, flags = info_flags(old_info, &rest);
	bool other[256] = { false };

	for (size_t i = 0; i < flags.len; i++)
		other[(unsigned char)flags.p[i]] = true;
	buf_append(out, SPAN(":2,"));
	for (unsigned c = 1; c < 256; c++) {
		bool letter = ascii_is((char)c, ASCII_ALPHA);

		if (letter ? (letters & MESSAGE_LETTER_BIT((int)c)) != 0
			   : other[c])
			buf_append_octet(out, (char)c);
	}
	buf_append(out, rest);
}

bool
filename_info_plain(struct span info, uint64_t letters)
{
	char plain[3 + 52];
	size_t len = 3;

	if (info.len > sizeof(plain) || !span_starts(info, SPAN(":2,")))
		return false;
	memcpy(plain, ":2,", 3);
	for (char c = 'A'; c <= 'z'; c++)
		if (ascii_is(c, ASCII_ALPHA) &&
		    (letters & MESSAGE_LETTER_BIT(c)) != 0)
			plain[len++] = c;
	return span_eq(info, span_of(plain, len));
}

static void
arrival(struct span base, uint64_t *seconds_out, uint64_t *micros_out)
{
	*seconds_out = UINT64_MAX; /* no time in the name: last */
	*micros_out = 0;
	if (!span_take_u64(&base, seconds_out) || !span_take_octet(&base, '.'))
		return;
	if (span_take_octet(&base, 'M') && !span_take_u64(&base, micros_out))
		*micros_out = 0;
}

int
filename_cmp(struct span a, struct span b)
{
	uint64_t seconds_a, micros_a, seconds_b, micros_b;
	size_t shorter = a.len < b.len ? a.len : b.len;
	int diff;

	arrival(a, &seconds_a, &micros_a);
	arrival(b, &seconds_b, &micros_b);
	if (seconds_a != seconds_b)
		return seconds_a < seconds_b ? -1 : 1;
	if (micros_a != micros_b)
		return micros_a < micros_b ? -1 : 1;
	diff = shorter == 0 ? 0 : memcmp(a.p, b.p, shorter);
	return diff != 0 ? diff : (a.len > b.len) - (a.len < b.len);
}

int
span_order(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	size_t shorter = x->len < y->len ? x->len : y->len;
	int diff = shorter == 0 ? 0 : memcmp(x->p, y->p, shorter);

	return diff != 0 ? diff : (x->len > y->len) - (x->len < y->len);
}
