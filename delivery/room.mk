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

noinst_LIBRARIES += delivery/librelay.a
delivery_librelay_a_SOURCES = \
	delivery/dns.c delivery/dns.h \
	delivery/dsn.c delivery/dsn.h \
	delivery/handover.c delivery/handover.h \
	delivery/outgoing.c delivery/outgoing.h \
	delivery/peer.c delivery/peer.h \
	delivery/queue.c delivery/queue.h delivery/queue_private.h \
	delivery/queue_admin.c delivery/queue_file.c delivery/queue_finish.c \
	delivery/queue_entry.c delivery/queue_entry.h \
	delivery/queue_recover.c delivery/queue_schedule.c \
	delivery/queue_store.c delivery/queue_record.h delivery/queue_table.c \
	delivery/relay.c delivery/relay.h delivery/relay_private.h \
	delivery/relay_hop.c delivery/relay_work.c \
	delivery/relayd_conf.c delivery/relayd_conf.h \
	delivery/relayd_conf_check.c \
	delivery/route.c delivery/route.h

daemon_PROGRAMS += delivery/relayd
delivery_relayd_SOURCES = delivery/relayd.c
delivery_relayd_LDADD = delivery/librelay.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS) $(UNBOUND_LIBS)

unit_tests += tests/unit/test_outbound
tests_unit_test_outbound_SOURCES = tests/unit/test_outbound.c
tests_unit_test_outbound_LDADD = delivery/librelay.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(OPENSSL_LIBS) $(UNBOUND_LIBS) \
	$(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_queue
tests_fuzz_fuzz_queue_SOURCES = tests/fuzz/fuzz_queue.c
tests_fuzz_fuzz_queue_LDADD = delivery/librelay.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(OPENSSL_LIBS) $(UNBOUND_LIBS)
tests_fuzz_fuzz_queue_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
