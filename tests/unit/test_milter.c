/* SPDX-License-Identifier: BSD-2-Clause */
/* smtpd's side of the milter protocol: packets, options, edits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "smtpd/draft.h"
#include "smtpd/milter_codec.h"
#include "smtpd/milter_conf.h"
#include "smtpd/milter_edits.h"
#include "smtpd/trace.h"

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

/* ---- packets in
 * ------------------------------------------------------------------------- */

static void
test_replies(void **state)
{
	static const struct {
		struct span octets;
		enum milter_take take;
		enum milter_reply_kind kind;
		const char *name, *text, *parameters;
		uint32_t index;
	} rows[] = {
		{ SPAN("\0\0\0\1c"), MILTER_TAKE_OK, MILTER_CONTINUE, "", "",
		    "", 0 },
		{ SPAN("\0\0\0\1a"), MILTER_TAKE_OK, MILTER_ACCEPT, "", "", "",
		    0 },
		{ SPAN("\0\0\0\1s"), MILTER_TAKE_OK, MILTER_SKIPPED, "", "", "",
		    0 },
		{ SPAN("\0\0\0\1p"), MILTER_TAKE_OK, MILTER_PROGRESS, "", "",
		    "", 0 },
		{ SPAN("\0\0\0\1b"), MILTER_TAKE_OK, MILTER_REPLACE_BODY, "",
		    "", "", 0 },
		{ SPAN("\0\0\0\4ba\0b"), MILTER_TAKE_OK, MILTER_REPLACE_BODY,
		    "", "a", "", 0 },
		{ SPAN("\0\0\0\7+<a@b>\0"), MILTER_TAKE_OK, MILTER_ADD_RCPT, "",
		    "<a@b>", "", 0 },
		{ SPAN("\0\0\0\4"
		       "2a@b"),
		    MILTER_TAKE_BAD, 0, "", "", "", 0 },
		{ SPAN("\0\0\0\5"
		       "2a@b\0"),
		    MILTER_TAKE_OK, MILTER_ADD_RCPT, "", "a@b", "", 0 },
		{ SPAN("\0\0\0\x9"
		       "2a@b\0X=1\0"),
		    MILTER_TAKE_OK, MILTER_ADD_RCPT, "", "a@b", "X=1", 0 },
		{ SPAN("\0\0\0\xa"
		       "2a@b\0X=1\0y"),
		    MILTER_TAKE_BAD, 0, "", "", "", 0 },
		{ SPAN("\0\0\0\6hX\0yz\0"), MILTER_TAKE_OK, MILTER_ADD_HEADER,
		    "X", "yz", "", 0 },
		{ SPAN("\0\0\0\xai\0\0\0\2X\0yz\0"), MILTER_TAKE_OK,
		    MILTER_INSERT_HEADER, "X", "yz", "", 2 },
		{ SPAN("\0\0\0\xam\0\0\1\2X\0y\0z"), MILTER_TAKE_BAD, 0, "", "",
		    "", 0 },
		{ SPAN("\0\0\0\x9m\0\0\1\2X\0y\0"), MILTER_TAKE_OK,
		    MILTER_CHANGE_HEADER, "X", "y", "", 258 },
		{ SPAN("\0\0\0\4m\0\0\1"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		/* A text without its NUL; octets behind it; data where none
		 * belong; a code that nobody knows. */
		{ SPAN("\0\0\0\4y550"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		{ SPAN("\0\0\0\6qab\0cd"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		{ SPAN("\0\0\0\2ax"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		{ SPAN("\0\0\0\1z"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		/* No length, too much, something that talks. */
		{ SPAN("\0\0\0\0"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		{ SPAN("\0\x10\0\1"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		{ SPAN("UNKNOWN COMMAND"), MILTER_TAKE_BAD, 0, "", "", "", 0 },
		/* Not whole yet. */
		{ SPAN(""), MILTER_TAKE_MORE, 0, "", "", "", 0 },
		{ SPAN("\0\0\0"), MILTER_TAKE_MORE, 0, "", "", "", 0 },
		{ SPAN("\0\0\0\6hX\0yz"), MILTER_TAKE_MORE, 0, "", "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct span in = rows[i].octets;
		struct milter_reply r = { .index = 0 };
		struct err err = ERR_INIT;
		size_t need;

		assert_int_equal(
		    milter_reply_take(&in, &r, &need, &err), rows[i].take);
		if (rows[i].take == MILTER_TAKE_BAD)
			assert_int_equal(err.kind, ERR_SYNTAX);
		if (rows[i].take == MILTER_TAKE_MORE)
			assert_true(need > in.len);
		if (rows[i].take != MILTER_TAKE_OK) {
			assert_ptr_equal(in.p, rows[i].octets.p);
			continue;
		}
		assert_int_equal(in.len, 0);
		assert_int_equal(r.kind, rows[i].kind);
		assert_int_equal(r.index, rows[i].index);
		assert_true(span_eq(r.name, span_str(rows[i].name)));
		assert_true(span_starts(r.text, span_str(rows[i].text)));
		assert_true(
		    span_eq(r.parameters, span_str(rows[i].parameters)));
	}
}

static void
test_reply_codes(void **state)
{
	static const struct {
		const char *text;
		unsigned code; /* 0: refused */
		const char *lines;
	} rows[] = {
		{ "550 5.7.1 no", 550, "550 5.7.1 no\r\n" },
		{ "450 later", 450, "450 later\r\n" },
		{ "421 4.3.2 going", 421, "421 4.3.2 going\r\n" },
		{ "550-5.7.1 a\r\n550 5.7.1 b", 550,
		    "550-5.7.1 a\r\n550 5.7.1 b\r\n" },
		{ "550 5.7.1 100%% sure", 550, "550 5.7.1 100% sure\r\n" },
		{ "550 5.7.1 100% sure%", 550, "550 5.7.1 100 sure\r\n" },
		{ "550 5.7.1 \xe7\xa6\x81", 550, "550 5.7.1 ???\r\n" },
		{ "", 0, "" },
		{ "55", 0, "" },
		{ "250 2.0.0 ok", 0, "" },
		{ "350 x", 0, "" },
		{ "5x0 5.7.1 no", 0, "" },
		{ "550", 0, "" },
		{ "550-5.7.1 alone", 0, "" },
		{ "550 5.7.1 a\r\n550 5.7.1 b", 0, "" },
		{ "550-5.7.1 a\r\n551 5.7.1 b", 0, "" },
		{ "550 4.7.1 wrong class", 0, "" },
		{ "550 5.7.1 a\nEHLO x", 0, "" },
		{ "550 5.7.1 a\rb", 0, "" },
		{ "550 5.7.1 \x1b[2J", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf lines;
		struct err err = ERR_INIT;
		unsigned code = 0;
		int got;

		buf_init(&lines, 20000);
		got = milter_code_parse(
		    span_str(rows[i].text), &code, &lines, &err);
		assert_int_equal(got, rows[i].code == 0 ? -1 : 0);
		assert_int_equal(code, rows[i].code);
		assert_string_equal(buf_str(&lines), rows[i].lines);
	}
}

/* ---- options
 * ---------------------------------------------------------------------------
 */

static void
test_options(void **state)
{
	static const struct {
		struct span data;
		enum err_kind kind;
	} rows[] = {
		{ SPAN("\0\0\0\6\0\0\0\1\0\0\7\2"), ERR_NONE },
		{ SPAN("\0\0\0\2\0\0\0\1\0\0\0\2"), ERR_NONE },
		{ SPAN("\0\0\0\7\0\0\0\1\0\0\7\2"), ERR_POLICY },
		{ SPAN("\0\0\0\1\0\0\0\1\0\0\7\2"), ERR_POLICY },
		{ SPAN("\0\0\0\6\0\0\2\1\0\0\7\2"), ERR_POLICY },
		{ SPAN("\0\0\0\6\0\0\0\1\x10\0\7\2"), ERR_POLICY },
		{ SPAN("\0\0\0\6\0\0\0\1\0\0\7"), ERR_SYNTAX },
		{ SPAN("\0\0\0\6\0\0\0\1\0\0\7\2\0\0\0"), ERR_SYNTAX },
		{ SPAN("\0\0\0\6\0\0\0\1\0\0\7\2\0\0\0\2i j"), ERR_SYNTAX },
		/* A stage that there is not is passed over. */
		{ SPAN("\0\0\0\6\0\0\0\1\0\0\7\2\0\0\0\11i j\0"), ERR_NONE },
	};
	struct milter_options offer, o;

	(void)state;
	milter_offer(6, &offer);
	assert_int_equal(offer.actions, 0x1ff);
	assert_int_equal(offer.protocol, 0x1fffff);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(
		    milter_options_parse(rows[i].data, &offer, &o, &err),
		    rows[i].kind == ERR_NONE ? 0 : -1);
		assert_int_equal(err.kind, rows[i].kind);
	}
	/* A filter of version 2 knows neither UNKNOWN nor DATA. */
	assert_int_equal(
	    milter_options_parse(rows[1].data, &offer, &o, NULL), 0);
	assert_true((o.protocol & MILTER_NO_UNKNOWN) != 0);
	assert_true((o.protocol & MILTER_NO_DATA) != 0);
	milter_offer(2, &offer);
	assert_int_equal(offer.actions, 0x3f);
	assert_int_equal(offer.protocol, 0x7f);
	milter_offer(4, &offer);
	assert_int_equal(offer.protocol, 0x7f | 0x300);
}

static void
test_macro_lists(void **state)
{
	CLEANUP(buf_fini) struct buf data;
	struct milter_options offer, o;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&data, 1000);
	milter_offer(6, &offer);
	buf_append(&data, SPAN("\0\0\0\6\0\0\1\1\0\0\0\0"));
	buf_append(&data, SPAN("\0\0\0\5i, {auth_type}  {x}\0"));
	buf_append(&data, SPAN("\0\0\0\0\0"));
	assert_int_equal(
	    milter_options_parse(buf_span(&data), &offer, &o, &err), 0);
	assert_true(o.macros_set[MILTER_AT_EOM]);
	assert_string_equal(o.macros[MILTER_AT_EOM], "i {auth_type} {x}");
	assert_true(o.macros_set[MILTER_AT_CONNECT]);
	assert_string_equal(o.macros[MILTER_AT_CONNECT], "");
	assert_false(o.macros_set[MILTER_AT_EOH]);

	buf_append(&data, SPAN("\0\0\0\6"));
	for (int i = 0; i < 51; i++)
		buf_append(&data, SPAN("{m} "));
	buf_append_octet(&data, '\0');
	assert_int_equal(
	    milter_options_parse(buf_span(&data), &offer, &o, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

/* ---- packets out
 * ----------------------------------------------------------------------- */

static void
test_packets_out(void **state)
{
	static char large[MILTER_DATA_MAX + 1];
	struct span texts[2] = { SPAN("<a@b>"), SPAN("SIZE=1") };
	CLEANUP(buf_fini) struct buf out;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&out, 100000);
	assert_int_equal(
	    milter_put_texts(&out, MILTER_MAIL, texts, 2, &err), 0);
	assert_true(span_eq(buf_span(&out), SPAN("\0\0\0\16M<a@b>\0SIZE=1\0")));
	buf_clear(&out);
	assert_int_equal(milter_put_connect(
			     &out, SPAN("[::1]"), '6', 257, SPAN("::1"), &err),
	    0);
	assert_true(span_eq(buf_span(&out), SPAN("\0\0\0\16C[::1]\0"
						 "6\1\1::1\0")));
	buf_clear(&out);
	assert_int_equal(
	    milter_put_connect(&out, SPAN("unknown"), 'U', 0, SPAN(""), &err),
	    0);
	assert_true(span_eq(buf_span(&out), SPAN("\0\0\0\12Cunknown\0U")));

	buf_clear(&out);
	texts[0] = SPAN("a\0b");
	assert_int_equal(
	    milter_put_texts(&out, MILTER_HELO, texts, 1, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	assert_int_equal(milter_put(&out, MILTER_BODY,
			     span_of(large, sizeof(large) - 1), &err),
	    0);
	buf_clear(&out);
	assert_int_equal(
	    milter_put(&out, MILTER_BODY, span_of(large, sizeof(large)), &err),
	    -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(out.len, 0);
}

static void
test_sockets(void **state)
{
	static const struct {
		const char *text;
		sa_family_t family; /* 0: refused */
	} rows[] = {
		{ "/run/x.sock", AF_UNIX },
		{ "unix:/run/x.sock", AF_UNIX },
		{ "local:/run/x.sock", AF_UNIX },
		{ "inet:8891@127.0.0.1", AF_INET },
		{ "inet:8891@localhost", AF_INET },
		{ "inet:127.0.0.1:8891", AF_INET },
		{ "inet:localhost:8891", AF_INET },
		{ "inet6:8891@localhost", AF_INET6 },
		{ "inet6:8891@::1", AF_INET6 },
		{ "inet6:[::1]:8891", AF_INET6 },
		{ "inet:8891@filter.example", 0 },
		{ "inet:99999@127.0.0.1", 0 },
		{ "inet:127.0.0.1", 0 },
		{ "unix:x.sock", 0 },
		{ "tcp:127.0.0.1:1", 0 },
		{ "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct sockaddr_storage address;
		struct err err = ERR_INIT;
		socklen_t len;
		int got =
		    milter_socket_parse(rows[i].text, &address, &len, &err);

		assert_int_equal(got, rows[i].family == 0 ? -1 : 0);
		if (got == 0)
			assert_int_equal(address.ss_family, rows[i].family);
		else
			assert_int_equal(err.kind, ERR_SYNTAX);
	}
}

/* ---- edits
 * ---------------------------------------------------------------------------
 */

#define MESSAGE                                                                \
	"A: one\r\nB: two\r\n\tfolded\r\nA: three\r\nA: five\r\n\r\nbody\r\n"

struct edit {
	enum milter_reply_kind kind;
	uint32_t index;
	struct span name, text;
};

static const struct {
	const char *what;
	bool numbers_shift;
	struct edit edits[3];
	const char *result;
} edit_rows[] = {
	{ "nothing", false, { { 0 } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\n\r\nbody\r\n" },
	{ "added at the end", false,
	    { { MILTER_ADD_HEADER, 0, SPAN("X"), SPAN("y") } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\nX: y\r\n\r\nbody\r\n" },
	{ "0 is above our field, 1 below", false,
	    { { MILTER_INSERT_HEADER, 1, SPAN("X"), SPAN("y") },
		{ MILTER_INSERT_HEADER, 0, SPAN("Z"), SPAN("0") } },
	    "Z: 0\r\nReceived: x\r\nX: y\r\nA: one\r\nB: two\r\n\tfolded\r\n"
	    "A: three\r\nA: five\r\n\r\nbody\r\n" },
	{ "beyond the end appends", false,
	    { { MILTER_INSERT_HEADER, 99, SPAN("X"), SPAN("y") } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\nX: y\r\n\r\nbody\r\n" },
	{ "numbers stay as they were shown", false,
	    { { MILTER_CHANGE_HEADER, 1, SPAN("a"), SPAN("") },
		{ MILTER_CHANGE_HEADER, 2, SPAN("a"), SPAN("") } },
	    "Received: x\r\nB: two\r\n\tfolded\r\nA: five\r\n\r\nbody\r\n" },
	{ "numbers shift where that is configured", true,
	    { { MILTER_CHANGE_HEADER, 1, SPAN("a"), SPAN("") },
		{ MILTER_CHANGE_HEADER, 2, SPAN("a"), SPAN("") } },
	    "Received: x\r\nB: two\r\n\tfolded\r\nA: three\r\n\r\nbody\r\n" },
	{ "our own field has no number", false,
	    { { MILTER_CHANGE_HEADER, 1, SPAN("Received"), SPAN("") } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\n\r\nbody\r\n" },
	{ "0 means 1, the milter's spelling stands", false,
	    { { MILTER_CHANGE_HEADER, 0, SPAN("b"), SPAN("new") } },
	    "Received: x\r\nA: one\r\nb: new\r\nA: three\r\nA: five\r\n\r\n"
	    "body\r\n" },
	{ "a number too large: deleting does nothing, changing adds", false,
	    { { MILTER_CHANGE_HEADER, 9, SPAN("A"), SPAN("") },
		{ MILTER_CHANGE_HEADER, 9, SPAN("A"), SPAN("n") } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\nA: n\r\n\r\nbody\r\n" },
	{ "no value ends its field", false,
	    { { MILTER_CHANGE_HEADER, 1, SPAN("B"),
		SPAN("a\nBcc: x@y\r\n\r\nbody\rc\0d\n") } },
	    "Received: x\r\nA: one\r\nB: a\r\n\tBcc: x@y\r\n\t\r\n\tbodycd\r\n"
	    "A: three\r\nA: five\r\n\r\nbody\r\n" },
	{ "no name that is none", false,
	    { { MILTER_ADD_HEADER, 0, SPAN("X Y"), SPAN("y") },
		{ MILTER_ADD_HEADER, 0, SPAN(""), SPAN("y") },
		{ MILTER_ADD_HEADER, 0, SPAN("X:"), SPAN("y") } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\n\r\nbody\r\n" },
	{ "a body in pieces, a line end cut in two", false,
	    { { MILTER_REPLACE_BODY, 0, SPAN(""), SPAN("a\r") },
		{ MILTER_ADD_HEADER, 0, SPAN("X"), SPAN("y") },
		{ MILTER_REPLACE_BODY, 0, SPAN(""), SPAN("\n.\nb\rc") } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\nX: y\r\n\r\na\r\n.\r\nbc\r\n" },
	{ "an empty body", false,
	    { { MILTER_REPLACE_BODY, 0, SPAN(""), SPAN("") } },
	    "Received: x\r\nA: one\r\nB: two\r\n\tfolded\r\nA: three\r\n"
	    "A: five\r\n\r\n" },
};

static void
edits_of(const struct edit *from, struct milter_edits *edits)
{
	milter_edits_init(edits, 10000);
	for (size_t i = 0; i < 3; i++) {
		struct milter_reply r = { .kind = from[i].kind,
			.index = from[i].index,
			.name = from[i].name,
			.text = from[i].text };

		if (from[i].kind != MILTER_CONTINUE)
			assert_int_equal(milter_edits_add(edits, &r, NULL), 0);
	}
}

static void
test_edits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(edit_rows); i++) {
		struct draft_manner manner = {
			.numbers_shift = edit_rows[i].numbers_shift,
			.space = true,
		};
		CLEANUP(milter_edits_fini) struct milter_edits edits;
		CLEANUP(draft_fini) struct draft d;
		CLEANUP(buf_fini) struct buf out;
		struct err err = ERR_INIT;

		buf_init(&out, 10000);
		edits_of(edit_rows[i].edits, &edits);
		assert_int_equal(draft_init(&d, SPAN("Received: x\r\n"),
				     SPAN(MESSAGE), 10000, &err),
		    0);
		draft_show(&d);
		assert_int_equal(draft_apply(&d, &edits, &manner, &err), 0);
		draft_header_put(&d, &out);
		buf_append(&out, d.body);
		if (strcmp(buf_str(&out), edit_rows[i].result) != 0)
			print_message(
			    "%s:\n%s\n", edit_rows[i].what, buf_str(&out));
		assert_string_equal(buf_str(&out), edit_rows[i].result);
	}
}

/* What one milter added, the next one is shown; what it deleted is gone. */
static void
test_edits_of_a_chain(void **state)
{
	static const struct edit first[3] = {
		{ MILTER_CHANGE_HEADER, 1, SPAN("A"), SPAN("") },
		{ MILTER_INSERT_HEADER, 0, SPAN("A"), SPAN("zero") },
	};
	static const struct edit second[3] = {
		{ MILTER_CHANGE_HEADER, 2, SPAN("A"), SPAN("changed") },
		{ MILTER_CHANGE_HEADER, 1, SPAN("A"), SPAN("") },
	};
	struct draft_manner manner = { .space = true };
	const struct edit *both[] = { first, second };
	CLEANUP(draft_fini) struct draft d;
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 10000);
	assert_int_equal(
	    draft_init(&d, SPAN("Received: x\r\n"), SPAN(MESSAGE), 10000, NULL),
	    0);
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(milter_edits_fini) struct milter_edits edits;

		edits_of(both[i], &edits);
		draft_show(&d);
		assert_int_equal(draft_apply(&d, &edits, &manner, NULL), 0);
	}
	draft_header_put(&d, &out);
	assert_string_equal(buf_str(&out),
	    "Received: x\r\nB: two\r\n\tfolded\r\nA: changed\r\n"
	    "A: five\r\n\r\n");
}

static void
test_limits(void **state)
{
	static char large[DRAFT_FIELD_MAX + 10];
	static const struct edit body[3] = {
		{ MILTER_REPLACE_BODY, 0, SPAN(""), SPAN("0123456789") },
	};
	struct draft_manner manner = { .space = true };
	CLEANUP(milter_edits_fini) struct milter_edits edits;
	CLEANUP(draft_fini) struct draft d;
	struct milter_reply r = { .kind = MILTER_ADD_HEADER,
		.name = SPAN("X"),
		.text = span_of(large, 10000) };
	struct err err = ERR_INIT;

	(void)state;
	edits_of(body, &edits);
	assert_int_equal(milter_edits_add(&edits, &r, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(
	    draft_init(&d, SPAN(""), SPAN("A: b\r\n"), 8, NULL), 0);
	assert_int_equal(draft_apply(&d, &edits, &manner, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);

	memset(large, 'a', sizeof(large));
	memcpy(large, "A:", 2);
	memcpy(large + sizeof(large) - 3, "\r\n", 2);
	assert_int_equal(
	    draft_header_check(span_of(large, sizeof(large) - 1), &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(draft_header_check(SPAN(MESSAGE), &err), 0);
}

static void
test_results_that_claim_to_be_ours(void **state)
{
	CLEANUP(draft_fini) struct draft d;
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 10000);
	assert_int_equal(
	    draft_init(&d, SPAN(""),
		SPAN("Hikyaku-Trace: x\r\n"
		     "Authentication-Results: mail.ISP.example; spf=pass\r\n"
		     "authentication-results:\r\n (c) mail.isp.example 1;x\r\n"
		     "Authentication-Results: \"mail.isp.example\"; x\r\n"
		     "Authentication-Results: mail.isp.example.net; x\r\n"
		     "Subject: Authentication-Results\r\n\r\n"),
		10000, NULL),
	    0);
	assert_int_equal(
	    smtp_trace_strip_draft(&d, SPAN("mail.isp.example")), 4);
	draft_header_put(&d, &out);
	assert_string_equal(buf_str(&out),
	    "Authentication-Results: mail.isp.example.net; x\r\n"
	    "Subject: Authentication-Results\r\n\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_reply_codes),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_macro_lists),
		cmocka_unit_test(test_packets_out),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_edits_of_a_chain),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_results_that_claim_to_be_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
