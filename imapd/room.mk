# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += imapd/libimapd.a
imapd_libimapd_a_SOURCES = \
	imapd/any.c \
	imapd/append.c \
	imapd/authorize.c \
	imapd/bodystructure.c \
	imapd/command.c imapd/command.h \
	imapd/conf.c imapd/conf.h \
	imapd/conf_check.c \
	imapd/copy.c \
	imapd/date.c \
	imapd/envelope.c \
	imapd/expunge.c \
	imapd/fetch.c imapd/fetch.h \
	imapd/fetch_message.c imapd/fetch_message.h \
	imapd/fetch_parse.c \
	imapd/flags.c \
	imapd/gate.h \
	imapd/gather.c imapd/gather.h \
	imapd/host.c imapd/host.h \
	imapd/id.c imapd/id.h \
	imapd/idle.c \
	imapd/known.c imapd/known.h \
	imapd/known_fields.c imapd/known_header.c imapd/known_sort.c \
	imapd/list.c imapd/list.h imapd/list_parse.c \
	imapd/manage.c \
	imapd/modseq.c imapd/modseq.h \
	imapd/parse.c imapd/parse.h \
	imapd/pattern.c imapd/pattern.h \
	imapd/quota.c \
	imapd/reply.c imapd/reply.h \
	imapd/search.c imapd/search.h \
	imapd/search_match.c \
	imapd/search_parse.c \
	imapd/search_text.c imapd/search_text.h \
	imapd/section.c \
	imapd/select.c \
	imapd/sequence.c imapd/sequence.h \
	imapd/session.c imapd/session.h \
	imapd/sort.c imapd/sort.h \
	imapd/special.c \
	imapd/status.c imapd/status.h \
	imapd/store.c \
	imapd/sync.c \
	imapd/thread.c imapd/thread_link.c imapd/thread_link.h

daemon_PROGRAMS += imapd/imapd
imapd_imapd_SOURCES = imapd/main.c
imapd_imapd_LDADD = imapd/libimapd.a tenants/libtenants.a store/libstore.a \
	mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS) $(BDB_LIBS) $(ICU_LIBS)

imap_test_ldadd = imapd/libimapd.a tenants/libtenants.a store/libstore.a \
	mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS) $(BDB_LIBS) $(ICU_LIBS)

unit_tests += tests/unit/test_imap_parse
tests_unit_test_imap_parse_SOURCES = tests/unit/test_imap_parse.c
tests_unit_test_imap_parse_LDADD = $(imap_test_ldadd) $(unit_ldadd)

unit_tests += tests/unit/test_imap_fetch
tests_unit_test_imap_fetch_SOURCES = tests/unit/test_imap_fetch.c
tests_unit_test_imap_fetch_LDADD = $(imap_test_ldadd) $(unit_ldadd)

unit_tests += tests/unit/test_imap_thread
tests_unit_test_imap_thread_SOURCES = tests/unit/test_imap_thread.c
tests_unit_test_imap_thread_LDADD = $(imap_test_ldadd) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_mime
tests_fuzz_fuzz_mime_SOURCES = tests/fuzz/fuzz_mime.c
tests_fuzz_fuzz_mime_LDADD = $(imap_test_ldadd)
tests_fuzz_fuzz_mime_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

fuzz_targets += tests/fuzz/fuzz_imap_command
tests_fuzz_fuzz_imap_command_SOURCES = tests/fuzz/fuzz_imap_command.c
tests_fuzz_fuzz_imap_command_LDADD = $(imap_test_ldadd)
tests_fuzz_fuzz_imap_command_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

fuzz_targets += tests/fuzz/fuzz_imap_sort
tests_fuzz_fuzz_imap_sort_SOURCES = tests/fuzz/fuzz_imap_sort.c
tests_fuzz_fuzz_imap_sort_LDADD = $(imap_test_ldadd)
tests_fuzz_fuzz_imap_sort_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
