# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += smtpd/libsmtpd.a
smtpd_libsmtpd_a_SOURCES = \
	smtpd/auth.c \
	smtpd/chain.c smtpd/chain.h \
	smtpd/chain_envelope.c \
	smtpd/chain_group.c \
	smtpd/chain_macros.c \
	smtpd/command.c smtpd/command.h \
	smtpd/conf.c smtpd/conf.h \
	smtpd/conf_check.c \
	smtpd/data.c \
	smtpd/deliver.c \
	smtpd/disposition.c smtpd/disposition.h \
	smtpd/draft.c smtpd/draft.h \
	smtpd/ehlo.c \
	smtpd/hand_over.c smtpd/hand_over.h \
	smtpd/lmtp_client.c smtpd/lmtp_client.h \
	smtpd/lmtp_link.c smtpd/lmtp_link.h \
	smtpd/mail.c \
	smtpd/milter.c smtpd/milter.h \
	smtpd/milter_answer.c smtpd/milter_talk_private.h \
	smtpd/milter_codec.c smtpd/milter_codec.h \
	smtpd/milter_conf.c smtpd/milter_conf.h \
	smtpd/milter_conn.c smtpd/milter_conn.h \
	smtpd/milter_content.c \
	smtpd/milter_edits.c smtpd/milter_edits.h \
	smtpd/milter_reply.c \
	smtpd/milter_talk.c smtpd/milter_talk.h \
	smtpd/rcpt.c \
	smtpd/relay_client.c smtpd/relay_client.h \
	smtpd/reply.c \
	smtpd/report.c smtpd/report.h \
	smtpd/server.c smtpd/server.h \
	smtpd/session.c smtpd/session.h \
	smtpd/submission.c smtpd/submission.h \
	smtpd/trace.c smtpd/trace.h \
	smtpd/variant.c smtpd/variant.h

daemon_PROGRAMS += smtpd/smtpd
smtpd_smtpd_SOURCES = smtpd/main.c
smtpd_smtpd_LDADD = smtpd/libsmtpd.a tenants/libtenants.a mime/libmime.a \
	common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS) $(BDB_LIBS)

daemon_PROGRAMS += smtpd/milter-check
smtpd_milter_check_SOURCES = smtpd/milter_check.c
smtpd_milter_check_LDADD = smtpd/libsmtpd.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

unit_tests += tests/unit/test_milter
tests_unit_test_milter_SOURCES = tests/unit/test_milter.c
tests_unit_test_milter_LDADD = smtpd/libsmtpd.a mime/libmime.a \
	common/libcommon.a $(CONFUSE_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_milter
tests_fuzz_fuzz_milter_SOURCES = tests/fuzz/fuzz_milter.c
tests_fuzz_fuzz_milter_LDADD = smtpd/libsmtpd.a mime/libmime.a \
	common/libcommon.a
tests_fuzz_fuzz_milter_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

fuzz_targets += tests/fuzz/fuzz_draft
tests_fuzz_fuzz_draft_SOURCES = tests/fuzz/fuzz_draft.c
tests_fuzz_fuzz_draft_LDADD = smtpd/libsmtpd.a mime/libmime.a \
	common/libcommon.a
tests_fuzz_fuzz_draft_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_lmtp_client
tests_unit_test_lmtp_client_SOURCES = tests/unit/test_lmtp_client.c
tests_unit_test_lmtp_client_LDADD = smtpd/libsmtpd.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_smtp_command
tests_unit_test_smtp_command_SOURCES = tests/unit/test_smtp_command.c
tests_unit_test_smtp_command_LDADD = smtpd/libsmtpd.a mime/libmime.a \
	common/libcommon.a $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_smtp_command
tests_fuzz_fuzz_smtp_command_SOURCES = tests/fuzz/fuzz_smtp_command.c
tests_fuzz_fuzz_smtp_command_LDADD = smtpd/libsmtpd.a mime/libmime.a \
	common/libcommon.a
tests_fuzz_fuzz_smtp_command_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_smtp_trace
tests_unit_test_smtp_trace_SOURCES = tests/unit/test_smtp_trace.c
tests_unit_test_smtp_trace_LDADD = smtpd/libsmtpd.a mime/libmime.a \
	common/libcommon.a $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_smtp_trace
tests_fuzz_fuzz_smtp_trace_SOURCES = tests/fuzz/fuzz_smtp_trace.c
tests_fuzz_fuzz_smtp_trace_LDADD = smtpd/libsmtpd.a mime/libmime.a \
	common/libcommon.a
tests_fuzz_fuzz_smtp_trace_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
