# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += pop3d/libpop3d.a
pop3d_libpop3d_a_SOURCES = \
	pop3d/authorize.c \
	pop3d/capa.c pop3d/capa.h \
	pop3d/command.c pop3d/command.h \
	pop3d/conf.c pop3d/conf.h \
	pop3d/conf_check.c \
	pop3d/content_send.c pop3d/content_send.h \
	pop3d/dele.c \
	pop3d/dotstuff.c pop3d/dotstuff.h \
	pop3d/gate.h \
	pop3d/host.c pop3d/host.h pop3d/host_private.h \
	pop3d/lang.c pop3d/lang.h \
	pop3d/list.c \
	pop3d/listing.c pop3d/listing.h \
	pop3d/maildrop.c pop3d/maildrop.h \
	pop3d/maildrop_locks.c pop3d/maildrop_locks.h \
	pop3d/quit.c \
	pop3d/reply.c pop3d/reply.h \
	pop3d/retr.c \
	pop3d/surrogate.c pop3d/surrogate.h \
	pop3d/text.c pop3d/text.h \
	pop3d/top.c \
	pop3d/transaction.c pop3d/transaction.h \
	pop3d/uidl.c \
	pop3d/unique_ids.c pop3d/unique_ids.h

unit_tests += tests/unit/test_pop3_command tests/unit/test_pop3_dotstuff
tests_unit_test_pop3_command_SOURCES = tests/unit/test_pop3_command.c
tests_unit_test_pop3_command_LDADD = pop3d/libpop3d.a common/libcommon.a \
	$(unit_ldadd)
tests_unit_test_pop3_dotstuff_SOURCES = tests/unit/test_pop3_dotstuff.c
tests_unit_test_pop3_dotstuff_LDADD = pop3d/libpop3d.a common/libcommon.a \
	$(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_pop3_command
tests_fuzz_fuzz_pop3_command_SOURCES = tests/fuzz/fuzz_pop3_command.c
tests_fuzz_fuzz_pop3_command_LDADD = pop3d/libpop3d.a common/libcommon.a
tests_fuzz_fuzz_pop3_command_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_pop3_conf
tests_unit_test_pop3_conf_SOURCES = tests/unit/test_pop3_conf.c
tests_unit_test_pop3_conf_LDADD = pop3d/libpop3d.a common/libcommon.a \
	$(CONFUSE_LIBS) $(unit_ldadd)

daemon_PROGRAMS += pop3d/pop3d
pop3d_pop3d_SOURCES = pop3d/main.c
pop3d_pop3d_LDADD = pop3d/libpop3d.a tenants/libtenants.a store/libstore.a \
	mime/libmime.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS) $(BDB_LIBS)

unit_tests += tests/unit/test_maildrop
tests_unit_test_maildrop_SOURCES = tests/unit/test_maildrop.c \
	tests/unit/store_rig.c tests/unit/store_rig.h
tests_unit_test_maildrop_LDADD = pop3d/libpop3d.a store/libstore.a \
	mime/libmime.a common/libcommon.a $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_unique_id
tests_unit_test_unique_id_SOURCES = tests/unit/test_unique_id.c
tests_unit_test_unique_id_LDADD = pop3d/libpop3d.a store/libstore.a \
	mime/libmime.a common/libcommon.a $(OPENSSL_LIBS) $(unit_ldadd)
