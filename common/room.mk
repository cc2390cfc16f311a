# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/ascii.c common/ascii.h \
	common/buf.c common/buf.h \
	common/cleanup.h \
	common/conf.h \
	common/conn.h \
	common/counters.h \
	common/daemon.h \
	common/err.c common/err.h \
	common/file.h \
	common/handoff.h \
	common/log.h \
	common/packet.h \
	common/reactor.h \
	common/sandbox.h \
	common/session_host.h \
	common/span.c common/span.h \
	common/tls.h

unit_tests += tests/unit/test_span
tests_unit_test_span_SOURCES = tests/unit/test_span.c
tests_unit_test_span_LDADD = common/libcommon.a $(unit_ldadd)
