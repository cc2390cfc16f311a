/* SPDX-License-Identifier: BSD-2-Clause */
/* master/: what daemons are given and may ask for; processes told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/daemon_conf.h"
#include "master/conf.h"
#include "master/request.h"
#include "master/service.h"
#include "master/spawn.h"

static void
test_names_of_tenants(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {
		{ "a", true },
		{ "aozora-2", true },
		{ "0123456789012345678901234567890123456789"
		  "01234567890123456789012",
		    true }, /* 63 */
		{ "0123456789012345678901234567890123456789"
		  "012345678901234567890123",
		    false },
		{ "", false },
		{ "Aozora", false },
		{ "..", false },
		{ "a/b", false },
		{ "a.b", false },
		{ "a b", false },
		{ "a\n", false },
		{ "\xe9", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(request_tenant_name(rows[i].name), rows[i].ok);
}

static void
test_ranges_of_uids(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ "200000-299999", true },
		{ "1-1", true },
		{ "0-10", false },
		{ "10-9", false },
		{ "10", false },
		{ "10-", false },
		{ "-10", false },
		{ "10-4294967295", false },
		{ "10-4294967294", false },
		{ "10-4294967293", true },
		{ "10-20x", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uid_t low, high;

		assert_int_equal(
		    daemon_uid_range(rows[i].text, &low, &high), rows[i].ok);
	}
}

/* The bind password of tenantd must not be in a gate's memory. */
static void
test_daemons_get_their_own_sections(void **state)
{
	static const char text[] =
	    "hostname = mail.example # secret-of-a-comment\n"
	    "tenantd { uri = secret-of-tenantd }\n"
	    "smtpd {\n"
	    "\tnote = \"of smtpd, with  spaces\"\n"
	    "}\n"
	    "listen mx { address = secret-address }\n"
	    "tls { minimum = TLSv1.3 }\n"
	    "pop3d { note = of-pop3d }\n";
	struct master_conf conf = { .file = NULL };
	CLEANUP(buf_fini) struct buf out = { .max = 4096 };

	(void)state;
	conf.file = strdup("f");
	buf_init(&conf.text, 4096);
	buf_append(&conf.text, span_str(text));
	assert_int_equal(
	    master_conf_text_for(&conf, service_find("smtpd"), &out, NULL), 0);
	assert_int_equal(out.len, conf.text.len);
	assert_int_equal(span_find(buf_span(&out), SPAN("secret")), -1);
	assert_int_equal(span_find(buf_span(&out), SPAN("of-pop3d")), -1);
	assert_true(span_find(buf_span(&out),
			SPAN("note = \"of smtpd, with  spaces\"")) > 0);
	assert_true(
	    span_find(buf_span(&out), SPAN("hostname = mail.example")) == 0);
	assert_true(span_find(buf_span(&out), SPAN("minimum = TLSv1.3")) > 0);
	/* Lines are where they were. */
	for (size_t i = 0; i < out.len; i++)
		assert_int_equal(
		    out.data[i] == '\n', conf.text.data[i] == '\n');
	buf_fini(&conf.text);
	free(conf.file);
}

static void
test_services_may_what_the_design_says(void **state)
{
	static const struct {
		const char *name;
		unsigned may;
		bool tls;
	} rows[] = {
		{ "tenantd", 0, false },
		{ "deliveryd", MAY_TENANTD | MAY_DIRECTORY, false },
		{ "relayd", MAY_TENANTD | MAY_DELIVERYD, false },
		{ "smtpd", MAY_TENANTD | MAY_DELIVERYD | MAY_RELAYD, true },
		{ "pop3d", MAY_TENANTD | MAY_SESSION, true },
		{ "imapd", MAY_TENANTD | MAY_SESSION, true },
		{ "antivirus", MAY_TENANTD, false },
		{ "quarantine", MAY_TENANTD, false },
		{ "forward", MAY_TENANTD, false },
		{ "autoreply", MAY_TENANTD | MAY_RELAYD, false },
		{ "metricsd", MAY_METRICS, false },
	};

	(void)state;
	assert_int_equal(services_len, sizeof(rows) / sizeof(rows[0]));
	for (size_t i = 0; i < services_len; i++) {
		const struct service *s = service_find(rows[i].name);

		assert_non_null(s);
		assert_int_equal(s->may, rows[i].may);
		assert_int_equal(s->tls, rows[i].tls);
		/* Who faces the network keeps no capability. */
		assert_int_equal(
		    s->keep_len > 0, strcmp(s->name, "deliveryd") == 0);
	}
	assert_int_equal(SERVICE_SESSION_MAY, MAY_TENANTD);
	assert_ptr_equal(
	    service_of_listener("submissions"), service_find("smtpd"));
	assert_null(service_of_listener("session"));
	assert_null(service_of_listener("nntp"));
}

static void
test_adoption_knows_the_process(void **state)
{
	uint64_t start;
	int pidfd, status;
	char text[64];
	pid_t pid;

	(void)state;
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	start = spawn_start_time(pid);
	assert_true(start > 0);
	assert_int_equal(spawn_adopt(pid, start + 1), -1);
	assert_int_equal(spawn_adopt(pid, 0), -1);
	pidfd = spawn_adopt(pid, start);
	assert_int_not_equal(pidfd, -1);
	(void)close(pidfd);
	(void)kill(pid, SIGKILL);
	/* A zombie has its pid and start time still. */
	assert_int_equal(
	    waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	assert_int_equal(spawn_start_time(pid), start);
	assert_int_equal(spawn_adopt(pid, start), -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	spawn_status_text(status, text, sizeof(text));
	assert_string_equal(text, "signal 9 (Killed)");
	assert_int_equal(spawn_adopt(pid, start), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_tenants),
		cmocka_unit_test(test_ranges_of_uids),
		cmocka_unit_test(test_daemons_get_their_own_sections),
		cmocka_unit_test(test_services_may_what_the_design_says),
		cmocka_unit_test(test_adoption_knows_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
