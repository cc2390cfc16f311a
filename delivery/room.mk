# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += delivery/libdelivery.a
delivery_libdelivery_a_SOURCES = \
	delivery/backlog.c delivery/backlog.h delivery/backlog_private.h \
	delivery/backlog_place.c delivery/backlog_recover.c \
	delivery/backlog_settle.c \
	delivery/command.c delivery/command.h \
	delivery/conf.c delivery/conf.h \
	delivery/data.c delivery/data_fd.c \
	delivery/deliver.c delivery/deliver.h \
	delivery/lmtp.c delivery/lmtp.h delivery/lmtp_private.h \
	delivery/place.c delivery/place.h \
	delivery/quota.c delivery/quota.h \
	delivery/rcpt.c \
	delivery/record.c delivery/record.h \
	delivery/trace.c delivery/trace.h

daemon_PROGRAMS += delivery/deliveryd
delivery_deliveryd_SOURCES = delivery/main.c
delivery_deliveryd_LDADD = delivery/libdelivery.a tenants/libtenants.a \
	store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

unit_tests += tests/unit/test_lmtp
tests_unit_test_lmtp_SOURCES = tests/unit/test_lmtp.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_lmtp_LDADD = delivery/libdelivery.a store/libstore.a \
	mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_lmtp_command
tests_fuzz_fuzz_lmtp_command_SOURCES = tests/fuzz/fuzz_lmtp_command.c
tests_fuzz_fuzz_lmtp_command_LDADD = delivery/libdelivery.a mime/libmime.a \
	common/libcommon.a
tests_fuzz_fuzz_lmtp_command_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_backlog
tests_unit_test_backlog_SOURCES = tests/unit/test_backlog.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_backlog_LDADD = delivery/libdelivery.a store/libstore.a \
	mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_delivery_record
tests_fuzz_fuzz_delivery_record_SOURCES = tests/fuzz/fuzz_delivery_record.c
tests_fuzz_fuzz_delivery_record_LDADD = delivery/libdelivery.a \
	store/libstore.a mime/libmime.a common/libcommon.a $(OPENSSL_LIBS)
tests_fuzz_fuzz_delivery_record_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
