/* SPDX-License-Identifier: BSD-2-Clause */
/* Forms of POP3 unique-ids, and doubles that are made to differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "pop3d/unique_ids.h"
#include "store/unique_id.h"
#include "store/view_edit.h"

/* The one message of test_forms. */
#define BASE "1000.M1P1.h,S=4,W=5"

static const struct {
	const char *text, *told;
} forms[] = {
	{ "dovecot", "000000fe499602d3" },
	{ "courier", "UID254-1234567891" },
	{ "qmail", BASE },
	{ "cyrus", "1234567891.254" },
	{ "cyrus-uid", "254" },
	{ "uw", "499602d3000000fe" },
	{ "%08Xu%08Xv", "000000fe499602d3" },
	{ "%v-%u", "1234567891-254" },
	{ "%02Xu", "fe" },
	{ "%01u", "254" },
	{ "%020u%%!~", "00000000000000000254%!~" },
	{ "%Mf", "7b983cd474f5d7fe3e462a0016b29c30" },
	{ "%g", "id-of-it" },
	{ "%v.%f", "1234567891." BASE },
};

static struct view *
make_view(const struct view_add *adds, size_t count)
{
	struct view_facts facts = { .uidvalidity = 1234567891,
		.uidnext = 1000 };
	struct view *v;

	assert_int_equal(
	    view_derive(NULL, &facts, NULL, 0, adds, count, &v, NULL), 0);
	return v;
}

static struct unique_id_form
form_of(const char *text)
{
	struct unique_id_form form;
	struct err err = ERR_INIT;

	if (unique_id_form_parse(span_str(text), &form, &err) == -1)
		fail_msg("%s: %s", text, err.text);
	return form;
}

static void
assert_told(const struct view *v, uint32_t index, const char *form_text,
    const char *told)
{
	struct unique_id_form form = form_of(form_text);
	CLEANUP(buf_fini) struct buf out;

	buf_init(&out, 600);
	buf_append(&out, SPAN("x"));
	view_unique_id(v, index, &form, &out);
	assert_string_equal(buf_str(&out) + 1, told);
}

static void
test_forms(void **state)
{
	struct view_add add = {
		.uid = 254, .base = SPAN(BASE), .fields = SPAN("W5 Gid-of-it")
	};
	struct view *v = make_view(&add, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		assert_told(v, 0, forms[i].text, forms[i].told);
	view_unref(v);
}

static void
test_refused_forms(void **state)
{
	static const struct {
		const char *text, *why;
	} refused[] = {
		{ "", "unique-ids: the same for every message" },
		{ "Dovecot", "unique-ids: the same for every message" },
		{ "%v", "unique-ids: the same for every message" },
		{ "%%u", "unique-ids: the same for every message" },
		{ "%", "unique-ids: not understood from column 1" },
		{ "a%u%", "unique-ids: not understood from column 4" },
		{ "%8u", "unique-ids: not understood from column 1" },
		{ "%0u", "unique-ids: not understood from column 1" },
		{ "%00u", "unique-ids: not understood from column 1" },
		{ "%021u", "unique-ids: not understood from column 1" },
		{ "%0200u", "unique-ids: not understood from column 1" },
		{ "%Mu", "unique-ids: not understood from column 1" },
		{ "%XMf", "unique-ids: not understood from column 1" },
		{ "%Xf", "unique-ids: not understood from column 1" },
		{ "%08f", "unique-ids: not understood from column 1" },
		{ "%Mg", "unique-ids: not understood from column 1" },
		{ "%q", "unique-ids: not understood from column 1" },
		{ "%u ", "unique-ids: not understood from column 3" },
		{ "%u\x7f", "unique-ids: not understood from column 3" },
		{ "%u\xc3\xa9", "unique-ids: not understood from column 3" },
		{ "%020u%020u%020u%020u", "unique-ids: longer than 70 octets" },
		{ "%Mf%Mf%u", "unique-ids: longer than 70 octets" },
		{ "%uxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		    "unique-ids: over 40 octets" },
	};
	struct unique_id_form form = { .count = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(unique_id_form_parse(
				     span_str(refused[i].text), &form, &err),
		    -1);
		assert_int_equal(err.kind, ERR_SYNTAX);
		assert_string_equal(err.text, refused[i].why);
		assert_int_equal(form.count, 7);
	}
}

/* What stands in the list is told as it is, up to 255 octets; what cannot be
 * told is passed over. */
static void
test_kept_ones(void **state)
{
	char longest[300] = "P", over[300] = "P";
	struct view_add adds[] = {
		{ .uid = 1, .base = SPAN("a"), .fields = SPAN("PUID7-1 O3") },
		{ .uid = 2, .base = SPAN("b"), .fields = SPAN("W1 P") },
		{ .uid = 3, .base = SPAN("c"), .fields = SPAN("P\xc3\xa9") },
		{ .uid = 4, .base = SPAN("d d"), .fields = SPAN("P") },
		{ .uid = 5, .base = SPAN("e") },
		{ .uid = 6, .base = SPAN("f") },
		{ .uid = 7, .base = SPAN("g g") },
	};
	struct view *v;

	(void)state;
	memset(longest + 1, 'l', 255);
	memset(over + 1, 'o', 256);
	adds[4].fields = span_str(longest);
	adds[5].fields = span_str(over);
	v = make_view(adds, 7);
	assert_true(view_has_field(v, 'P') && view_has_field(v, 'O'));
	assert_false(view_has_field(v, 'G'));
	assert_told(v, 0, "qmail", "UID7-1");
	assert_told(v, 1, "cyrus", "b");
	assert_told(v, 2, "cyrus", "1234567891.3");
	assert_told(v, 3, "cyrus", "1234567891.4");
	assert_told(v, 4, "cyrus", longest + 1);
	assert_told(v, 5, "cyrus", "1234567891.6");
	assert_told(v, 6, "qmail", "00000007499602d3"); /* a blank in it */
	assert_told(v, 6, "%v.%f", "00000007499602d3");
	view_unref(v);
}

static void
assert_settled(const struct view *v, const char *form_text,
    const char *const *told, uint32_t count, size_t changed)
{
	struct unique_id_form form = form_of(form_text);
	struct unique_ids ids;
	struct err err = ERR_INIT;

	assert_int_equal(unique_ids_settle(v, &form, &ids, &err), 0);
	assert_int_equal(ids.count, changed);
	for (uint32_t i = 0; i < count; i++) {
		const struct unique_ids_item *item = unique_ids_find(&ids, i);
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 300);
		if (item != NULL)
			buf_append(&out, unique_ids_text(&ids, item));
		else
			view_unique_id(v, i, &form, &out);
		assert_string_equal(buf_str(&out), told[i]);
	}
	unique_ids_fini(&ids);
}

static void
test_doubles_differ(void **state)
{
	const struct view_add adds[] = {
		{ .uid = 1, .base = SPAN("a") },
		{ .uid = 2, .base = SPAN("b"), .fields = SPAN("P7") },
		{ .uid = 3, .base = SPAN("c"), .fields = SPAN("P1") },
		{ .uid = 4, .base = SPAN("d"), .fields = SPAN("P7") },
		{ .uid = 5, .base = SPAN("e"), .fields = SPAN("P7-2") },
		{ .uid = 6, .base = SPAN("f"), .fields = SPAN("P7") },
		{ .uid = 7, .base = SPAN("g") },
		{ .uid = 8, .base = SPAN("h"), .fields = SPAN("Gx") },
		{ .uid = 9, .base = SPAN("i"), .fields = SPAN("Gx") },
	};
	static const char *const told[] = { "1-2", "7", "1", "7-2", "7-2-2",
		"7-3", "7-4", "8", "9" };
	static const char *const by_id[] = { "a", "x", "x-2" };
	struct view *v = make_view(adds, 9);

	(void)state;
	assert_settled(v, "cyrus-uid", told, 9, 5);
	view_unref(v);
	/* No P field: nothing to look for, ids of copies apart. */
	v = make_view(
	    (const struct view_add[]){ adds[0], adds[7], adds[8] }, 3);
	assert_settled(v, "%g", by_id, 3, 1);
	assert_settled(
	    v, "cyrus-uid", (const char *const[]){ "1", "8", "9" }, 3, 0);
	view_unref(v);
}

/* A list made to cost much time: two values, each many times. */
static void
test_many_doubles(void **state)
{
	enum {
		COUNT = 60000
	};
	struct view_add *adds = calloc(COUNT, sizeof(*adds));
	struct unique_id_form form = form_of("dovecot");
	struct unique_ids ids;
	char(*names)[16] = calloc(COUNT, sizeof(*names));
	struct view *v;

	(void)state;
	assert_non_null(adds);
	assert_non_null(names);
	for (uint32_t i = 0; i < COUNT; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%u", i);
		adds[i] = (struct view_add){ .uid = i + 1,
			.base = span_str(names[i]),
			.fields = i % 2 == 0 ? SPAN("Px") : SPAN("Py") };
	}
	v = make_view(adds, COUNT);
	assert_int_equal(unique_ids_settle(v, &form, &ids, NULL), 0);
	assert_int_equal(ids.count, COUNT - 2);
	assert_true(
	    span_eq(unique_ids_text(&ids, unique_ids_find(&ids, COUNT - 1)),
		SPAN("y-30000")));
	unique_ids_fini(&ids);
	view_unref(v);
	free(adds);
	free(names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_refused_forms),
		cmocka_unit_test(test_kept_ones),
		cmocka_unit_test(test_doubles_differ),
		cmocka_unit_test(test_many_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
