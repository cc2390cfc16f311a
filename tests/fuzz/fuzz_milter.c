/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as what a milter sends.  Taking them makes progress or asks for
 * more; what is taken lies within them; a reply code that is let through is
 * whole lines of one code, without a control character.
 */
#include <stdlib.h>

#include "common/ascii.h"
#include "smtpd/milter_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
within(struct span all, struct span part)
{
	check(part.p == NULL || part.len == 0 ||
	      (part.p >= all.p && part.p + part.len <= all.p + all.len));
}

static void
lines_check(const struct buf *lines, unsigned code)
{
	struct span rest = buf_span(lines), line;

	check(code >= 400 && code <= 599);
	while (rest.len > 0) {
		check(span_take_until(&rest, '\n', &line));
		check(line.len >= 5 && line.len <= 511);
		check(line.p[line.len - 1] == '\r');
		check((unsigned)(line.p[0] - '0') == code / 100);
		check(line.p[3] == (rest.len == 0 ? ' ' : '-'));
		for (size_t i = 0; i + 1 < line.len; i++)
			check(!ascii_is(line.p[i], ASCII_CTL) &&
			      (unsigned char)line.p[i] < 0x80);
	}
}

static void
code_check(struct span text)
{
	CLEANUP(buf_fini) struct buf lines;
	unsigned code = 0;

	buf_init(&lines, 32 * 512);
	if (milter_code_parse(text, &code, &lines, NULL) == 0)
		lines_check(&lines, code);
	else
		check(lines.len == 0);
}

static void
options_check(struct span data)
{
	struct milter_options offer, o;

	milter_offer(6, &offer);
	if (milter_options_parse(data, &offer, &o, NULL) == -1)
		return;
	check(o.version >= 2 && o.version <= 6);
	check((o.actions & ~offer.actions) == 0);
	check((o.protocol & ~offer.protocol) == 0);
	for (size_t i = 0; i < MILTER_STAGES; i++)
		check(o.macros_set[i] || o.macros[i][0] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of((const char *)data, size), all = in;
	struct milter_reply r;
	size_t need;

	code_check(in);
	options_check(in);
	for (;;) {
		size_t before = in.len;
		enum milter_take take = milter_reply_take(&in, &r, &need, NULL);

		if (take != MILTER_TAKE_OK) {
			check(in.len == before);
			check(take == MILTER_TAKE_BAD || need > in.len);
			return 0;
		}
		check(in.len < before);
		within(all, r.name);
		within(all, r.text);
		within(all, r.parameters);
		(void)milter_edit_bit(&r);
		(void)milter_reply_name(r.kind);
	}
}
