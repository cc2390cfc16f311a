# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/arena.c common/arena.h \
	common/ascii.c common/ascii.h \
	common/base64.c \
	common/buf.c common/buf.h \
	common/cleanup.h \
	common/clients.c common/clients.h \
	common/conf.c common/conf.h \
	common/conf_confuse.h \
	common/conf_listeners.c \
	common/conf_titled.c \
	common/conf_outline.c common/conf_outline.h \
	common/conf_value.c common/conf_value.h \
	common/conn.c common/conn.h \
	common/conn_io.c common/conn_private.h \
	common/conn_read.c common/conn_relay.c \
	common/conn_tls.c common/conn_write.c \
	common/control.c common/control.h \
	common/counters.c common/counters.h \
	common/crc32c.c common/crc32c.h \
	common/daemon.c common/daemon.h \
	common/daemon_conf.c common/daemon_conf.h \
	common/daemon_control.c \
	common/daemon_main.c \
	common/daemon_private.h \
	common/daemon_settings.c \
	common/db.c common/db.h common/db_private.h \
	common/db_bulk.c \
	common/err.c common/err.h \
	common/file.c common/file.h \
	common/handoff.c common/handoff.h \
	common/journal.c common/journal.h \
	common/journal_commit.c common/journal_files.c \
	common/journal_format.c common/journal_format.h \
	common/journal_private.h common/journal_recover.c \
	common/log.c common/log.h \
	common/maildata.c common/maildata.h \
	common/network.c common/network.h \
	common/outbound.c common/outbound.h \
	common/packet.c common/packet.h \
	common/reactor.c common/reactor.h \
	common/reactor_private.h \
	common/reactor_timer.c common/reactor_work.c \
	common/sandbox.c common/sandbox.h common/sandbox_seccomp.c \
	common/sasl.c common/sasl.h \
	common/sasl_apop.c common/sasl_cram.c common/sasl_password.c \
	common/sasl_private.h common/sasl_scram.c \
	common/session_host.c common/session_host.h \
	common/span.c common/span.h \
	common/spool.c \
	common/tally.c common/tally.h \
	common/tls.c common/tls.h \
	common/tls_pem.c common/tls_private.h \
	common/tls_ticket.c

unit_tests += tests/unit/test_span
tests_unit_test_span_SOURCES = tests/unit/test_span.c
tests_unit_test_span_LDADD = common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_clients
tests_unit_test_clients_SOURCES = tests/unit/test_clients.c
tests_unit_test_clients_LDADD = common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_conf
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c
tests_unit_test_conf_LDADD = common/libcommon.a $(CONFUSE_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_log
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_LDADD = common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_network
tests_unit_test_network_SOURCES = tests/unit/test_network.c
tests_unit_test_network_LDADD = common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_packet
tests_unit_test_packet_SOURCES = tests/unit/test_packet.c
tests_unit_test_packet_LDADD = common/libcommon.a $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_packet
tests_fuzz_fuzz_packet_SOURCES = tests/fuzz/fuzz_packet.c
tests_fuzz_fuzz_packet_LDADD = common/libcommon.a
tests_fuzz_fuzz_packet_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

fuzz_targets += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c
tests_fuzz_fuzz_conf_LDADD = common/libcommon.a $(CONFUSE_LIBS)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_maildata
tests_unit_test_maildata_SOURCES = tests/unit/test_maildata.c
tests_unit_test_maildata_LDADD = common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_conn
tests_unit_test_conn_SOURCES = tests/unit/test_conn.c \
	tests/unit/rig.c tests/unit/rig.h
tests_unit_test_conn_LDADD = common/libcommon.a $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_sandbox
tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c
tests_unit_test_sandbox_LDADD = common/libcommon.a $(SECCOMP_LIBS) \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_tls
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c \
	tests/unit/rig.c tests/unit/rig.h \
	tests/unit/tls_rig.c tests/unit/tls_rig.h
tests_unit_test_tls_LDADD = common/libcommon.a $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_conn_light
tests_unit_test_conn_light_SOURCES = tests/unit/test_conn_light.c \
	tests/unit/rig.c tests/unit/rig.h
tests_unit_test_conn_light_LDADD = common/libcommon.a $(OPENSSL_LIBS) \
	$(unit_ldadd)

unit_tests += tests/unit/test_conn_output
tests_unit_test_conn_output_SOURCES = tests/unit/test_conn_output.c \
	tests/unit/rig.c tests/unit/rig.h \
	tests/unit/tls_rig.c tests/unit/tls_rig.h
tests_unit_test_conn_output_LDADD = common/libcommon.a $(OPENSSL_LIBS) \
	$(unit_ldadd)

unit_tests += tests/unit/test_handoff
tests_unit_test_handoff_SOURCES = tests/unit/test_handoff.c \
	tests/unit/rig.c tests/unit/rig.h \
	tests/unit/tls_rig.c tests/unit/tls_rig.h
tests_unit_test_handoff_LDADD = common/libcommon.a $(OPENSSL_LIBS) \
	$(unit_ldadd)

unit_tests += tests/unit/test_sasl
tests_unit_test_sasl_SOURCES = tests/unit/test_sasl.c
tests_unit_test_sasl_LDADD = common/libcommon.a $(OPENSSL_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_sasl
tests_fuzz_fuzz_sasl_SOURCES = tests/fuzz/fuzz_sasl.c
tests_fuzz_fuzz_sasl_LDADD = common/libcommon.a $(OPENSSL_LIBS)
tests_fuzz_fuzz_sasl_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_reactor
tests_unit_test_reactor_SOURCES = tests/unit/test_reactor.c \
	tests/unit/rig.c tests/unit/rig.h
tests_unit_test_reactor_LDADD = common/libcommon.a $(OPENSSL_LIBS) \
	$(unit_ldadd)

if UNIT
check_PROGRAMS += tests/bench/relay_cost
endif
tests_bench_relay_cost_SOURCES = tests/bench/relay_cost.c \
	tests/unit/tls_rig.c tests/unit/tls_rig.h
tests_bench_relay_cost_LDADD = common/libcommon.a $(OPENSSL_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_gather
tests_fuzz_fuzz_gather_SOURCES = tests/fuzz/fuzz_gather.c
tests_fuzz_fuzz_gather_LDADD = common/libcommon.a $(OPENSSL_LIBS)
tests_fuzz_fuzz_gather_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_session_host
tests_unit_test_session_host_SOURCES = tests/unit/test_session_host.c
tests_unit_test_session_host_LDADD = common/libcommon.a $(OPENSSL_LIBS) \
	$(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_control
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c
tests_fuzz_fuzz_control_LDADD = common/libcommon.a
tests_fuzz_fuzz_control_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_journal
tests_unit_test_journal_SOURCES = tests/unit/test_journal.c
tests_unit_test_journal_LDADD = common/libcommon.a $(OPENSSL_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_journal
tests_fuzz_fuzz_journal_SOURCES = tests/fuzz/fuzz_journal.c
tests_fuzz_fuzz_journal_LDADD = common/libcommon.a $(OPENSSL_LIBS)
tests_fuzz_fuzz_journal_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_db
tests_unit_test_db_SOURCES = tests/unit/test_db.c
tests_unit_test_db_LDADD = common/libcommon.a $(BDB_LIBS) $(unit_ldadd)
