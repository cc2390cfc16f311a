# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += store/libstore.a
store_libstore_a_SOURCES = \
	store/account.c store/account.h \
	store/account_lock.c \
	store/accounts.c \
	store/advance.c \
	store/backup.h store/backup_place.c store/backup_private.h \
	store/backup_read.c store/backup_write.c \
	store/change.c \
	store/content.c \
	store/copy.c \
	store/disk.c store/disk.h \
	store/dotlock.c store/dotlock.h \
	store/draft.c store/draft.h \
	store/filename.c store/filename.h \
	store/folder.c \
	store/fsck.c store/fsck.h \
	store/head.c \
	store/inside.h \
	store/kept.c store/kept.h \
	store/kept_back.c store/kept_private.h \
	store/keywordfile.c \
	store/keywords.c store/keywords.h \
	store/leftovers.c \
	store/list.c store/list.h \
	store/mailbox.c store/mailbox.h \
	store/maildirsize.c store/maildirsize.h \
	store/marker.c store/marker.h \
	store/message.h \
	store/modseq.c store/modseq.h \
	store/mutf7.c \
	store/name.c store/name.h \
	store/owner.c \
	store/quota.c store/quota.h store/quota_count.c \
	store/placing.c store/placing.h \
	store/recent.c \
	store/record_reader.c \
	store/record_room.c store/record_rows.c \
	store/records.c store/records.h store/records_private.h \
	store/removal.c store/removal.h \
	store/retention.c store/retention.h \
	store/scan.c store/scan.h \
	store/subscriptions.c store/subscriptions.h \
	store/sync.c store/sync_match.c store/sync_private.h \
	store/tenant.c \
	store/uidfile.c \
	store/uidlist.c store/uidlist.h \
	store/uidvalidity.c store/uidvalidity.h \
	store/unique_id.c store/unique_id.h \
	store/view.c store/view.h \
	store/view_edit.c store/view_edit.h \
	store/view_layout.h \
	store/view_pack.c \
	store/warning.c store/warning.h store/warning_text.c \
	store/watch.c

unit_tests += tests/unit/test_store
tests_unit_test_store_SOURCES = tests/unit/test_store.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_store_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_store_strays
tests_unit_test_store_strays_SOURCES = tests/unit/test_store_strays.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_store_strays_LDADD = store/libstore.a mime/libmime.a \
	common/libcommon.a $(ICU_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_marker
tests_unit_test_marker_SOURCES = tests/unit/test_marker.c
tests_unit_test_marker_LDADD = store/libstore.a mime/libmime.a \
	common/libcommon.a $(ICU_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_store_formats
tests_unit_test_store_formats_SOURCES = tests/unit/test_store_formats.c
tests_unit_test_store_formats_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_uidlist tests/fuzz/fuzz_mailbox_name
tests_fuzz_fuzz_uidlist_SOURCES = tests/fuzz/fuzz_uidlist.c
tests_fuzz_fuzz_uidlist_LDADD = store/libstore.a mime/libmime.a common/libcommon.a
tests_fuzz_fuzz_uidlist_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_mailbox_name_SOURCES = tests/fuzz/fuzz_mailbox_name.c
tests_fuzz_fuzz_mailbox_name_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS)
tests_fuzz_fuzz_mailbox_name_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

fuzz_targets += tests/fuzz/fuzz_unique_id
tests_fuzz_fuzz_unique_id_SOURCES = tests/fuzz/fuzz_unique_id.c
tests_fuzz_fuzz_unique_id_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS)
tests_fuzz_fuzz_unique_id_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

check_PROGRAMS += tests/tools/store_tool
tests_tools_store_tool_SOURCES = tests/tools/store_tool.c
tests_tools_store_tool_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS)

unit_tests += tests/unit/test_store_threads
tests_unit_test_store_threads_SOURCES = tests/unit/test_store_threads.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_store_threads_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_store_foreign
tests_unit_test_store_foreign_SOURCES = tests/unit/test_store_foreign.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_store_foreign_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_records
tests_unit_test_records_SOURCES = tests/unit/test_records.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_records_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(BDB_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_quota
tests_unit_test_quota_SOURCES = tests/unit/test_quota.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_quota_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(ICU_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_maildirsize
tests_fuzz_fuzz_maildirsize_SOURCES = tests/fuzz/fuzz_maildirsize.c
tests_fuzz_fuzz_maildirsize_LDADD = store/libstore.a mime/libmime.a common/libcommon.a
tests_fuzz_fuzz_maildirsize_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_removal
tests_unit_test_removal_SOURCES = tests/unit/test_removal.c
tests_unit_test_removal_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_retention
tests_unit_test_retention_SOURCES = tests/unit/test_retention.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_retention_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(ICU_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_backup
tests_unit_test_backup_SOURCES = tests/unit/test_backup.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_backup_LDADD = store/libstore.a mime/libmime.a common/libcommon.a \
	$(ICU_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)
