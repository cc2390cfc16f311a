/* SPDX-License-Identifier: BSD-2-Clause */
/* common/network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/network.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		unsigned octets_len, bits; /* 0: refused */
	} rows[] = {
		{ "192.0.2.0/24", 4, 24 },
		{ "192.0.2.7", 4, 32 },
		{ "0.0.0.0/0", 4, 0 },
		{ "10.0.0.0/7", 4, 7 },
		{ "2001:db8::/32", 16, 32 },
		{ "::/0", 16, 0 },
		{ "2001:db8::1", 16, 128 },
		{ "::ffff:192.0.2.0/24", 4, 24 },
		{ "192.0.2.1/24", 0, 0 },
		{ "10.0.0.0/6", 0, 0 },
		{ "2001:db8::1/64", 0, 0 },
		{ "192.0.2.0/33", 0, 0 },
		{ "2001:db8::/129", 0, 0 },
		{ "192.0.2.0/", 0, 0 },
		{ "192.0.2.0/-1", 0, 0 },
		{ "192.0.2.0/24x", 0, 0 },
		{ "192.0.2/24", 0, 0 },
		{ "/24", 0, 0 },
		{ "", 0, 0 },
		{ "unix", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct network n = { .octets_len = 0 };
		struct err err = ERR_INIT;
		int rc = network_parse(span_str(rows[i].text), &n, &err);

		assert_int_equal(rc, rows[i].octets_len == 0 ? -1 : 0);
		assert_int_equal(err.kind, rc == 0 ? ERR_NONE : ERR_SYNTAX);
		assert_int_equal(n.octets_len, rows[i].octets_len);
		assert_int_equal(n.bits, rows[i].bits);
	}
	assert_false(
	    network_address(SPAN("192.0.2.1\0"), &(struct network){ 0 }));
}

static void
test_has(void **state)
{
	static const struct {
		const char *network, *address;
		bool in;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "192.0.2.1", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct network n, address;

		assert_int_equal(
		    network_parse(span_str(rows[i].network), &n, NULL), 0);
		assert_true(
		    network_address(span_str(rows[i].address), &address));
		assert_int_equal(network_has(&n, &address), rows[i].in);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
