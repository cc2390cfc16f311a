/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines that are answered on the reactor thread, between others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/rig.h"

/* Lines that begin with "l" may be answered there. */
static bool
light(void *session, struct span line)
{
	(void)session;
	return line.len > 0 && line.p[0] == 'l';
}

static bool
on_reactor(const struct probe *p)
{
	return pthread_equal(pthread_self(), p->rig->thread) != 0;
}

/* Echoes lines; one that begins with "L" is followed by much. */
static enum verdict
serve_echo(struct probe *p, struct conn *c)
{
	static const char much[20000];
	struct span line;

	for (;;) {
		switch (conn_take_line(c, true, &line)) {
		case TAKE_OK:
			break;
		case TAKE_MORE:
			return VERDICT_PARK;
		case TAKE_LONG:
			probe_note(p, on_reactor(p) ? "long there" : "LONG");
			continue;
		default:
			probe_note(p, on_reactor(p) ? "end there" : "END");
			return VERDICT_CLOSE;
		}
		if (on_reactor(p) && !light(NULL, line))
			probe_note(p, "heavy there");
		if (on_reactor(p))
			atomic_fetch_add(&p->stage, 1);
		probe_note_span(p, line);
		if (line.len > 1 && line.p[1] == '+')
			conn_write(c, span_of(much, sizeof(much)));
		if (span_eq(line, SPAN("lq")))
			return VERDICT_CLOSE;
	}
}

static void
light_start(struct rig *rig)
{
	static struct conn_service service;

	rig_start(rig, 2, 2);
	service = *rig->options.service;
	service.light = light;
	rig->options.service = &service;
}

/* In whatever pieces they come, the order stays, and what is not light is for
 * workers. */
static void
test_order(void **state)
{
	static const struct {
		struct span in;
		const char *seen;
		size_t cuts;
	} rows[] = {
		{ SPAN("l1\r\n"), "l1|END|", 99 },
		{ SPAN("l1\r\nl2\r\nw\r\nl3\r\n"), "l1|l2|w|l3|END|", 99 },
		{ SPAN("w\r\nw\r\nl1\r\n"), "w|w|l1|END|", 99 },
		{ SPAN("l1\r\nw"), "l1|END|", 99 },
		{ SPAN("l1\r\n\r\nl2\r\n"), "l1||l2|END|", 99 },
		{ SPAN("lq\r\nl2\r\n"), "lq|", 4 },
	};
	struct rig rig;

	(void)state;
	light_start(&rig);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		/* After "lq" nobody reads any more. */
		for (size_t cut = 0; cut < rows[i].in.len && cut < rows[i].cuts;
		     cut++) {
			struct probe *p = probe_new(&rig, serve_echo);

			if (cut > 0)
				probe_send(p, span_first(rows[i].in, cut));
			probe_send(p, span_from(rows[i].in, cut));
			(void)shutdown(p->client, SHUT_WR);
			probe_expect(p, rows[i].seen);
			probe_free(p);
		}
	rig_stop(&rig);
}

/* One line at a time: all of them there. */
static void
test_there(void **state)
{
	struct rig rig;
	struct probe *p;

	(void)state;
	light_start(&rig);
	p = probe_new(&rig, serve_echo);
	probe_send(p, SPAN("w\r\n"));
	probe_expect(p, "w|");
	for (int i = 0; i < 20; i++) {
		probe_send(p, SPAN("l\r\n"));
		for (unsigned wait = 0; p->served < (unsigned)i + 3; wait++) {
			assert_true(wait < 50000);
			(void)usleep(100);
		}
	}
	probe_expect(p, "w|l|l|l|l|l|l|l|l|l|l|l|l|l|l|l|l|l|l|l|l|");
	assert_int_equal(atomic_load(&p->stage), 20);
	probe_free(p);
	rig_stop(&rig);
}

/* A client that sends many, or does not read: a worker takes over, and the
 * reactor serves others meanwhile. */
static void
test_floods_are_for_workers(void **state)
{
	struct rig rig;
	struct probe *p, *other;
	CLEANUP(buf_fini) struct buf in;
	char *answer = malloc(20001);

	(void)state;
	assert_non_null(answer);
	buf_init(&in, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_append(&in, SPAN("l+\r\n"));
	light_start(&rig);
	p = probe_new(&rig, serve_echo);
	probe_send(p, buf_span(&in));
	other = probe_new(&rig, serve_echo);
	probe_send(other, SPAN("l\r\n"));
	probe_expect(other, "l|");
	probe_free(other);
	for (size_t got = 0; got < (size_t)20000 * 1000;) {
		ssize_t n = read(p->client, answer, 20000);

		assert_true(n > 0);
		got += (size_t)n;
	}
	/* At most some of them without a worker. */
	assert_true(atomic_load(&p->stage) < 1000);
	probe_free(p);
	rig_stop(&rig);
	free(answer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_there),
		cmocka_unit_test(test_floods_are_for_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
