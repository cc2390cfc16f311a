# SPDX-License-Identifier: BSD-2-Clause
noinst_PROGRAMS += tests/bench/load
tests_bench_load_SOURCES = \
	tests/bench/client.c tests/bench/client.h \
	tests/bench/histogram.c tests/bench/histogram.h \
	tests/bench/load.c \
	tests/bench/script.c tests/bench/script.h
tests_bench_load_LDADD = common/libcommon.a $(OPENSSL_LIBS)
EXTRA_DIST += tests/bench/directory tests/bench/directory_trouble.py \
	tests/bench/scripts

noinst_PROGRAMS += tests/bench/machine
tests_bench_machine_SOURCES = tests/bench/machine.c

noinst_PROGRAMS += tests/bench/directory_load
tests_bench_directory_load_SOURCES = \
	tests/bench/directory_ask.c tests/bench/directory_ask.h \
	tests/bench/directory_load.c \
	tests/bench/histogram.c tests/bench/histogram.h
tests_bench_directory_load_LDADD = tenants/libtenants.a common/libcommon.a \
	$(OPENSSL_LIBS)

check_PROGRAMS += tests/bench/instructions
tests_bench_instructions_SOURCES = tests/bench/instructions.c
tests_bench_instructions_LDADD = \
	smtpd/libsmtpd.a delivery/libdelivery.a pop3d/libpop3d.a \
	imapd/libimapd.a tenants/libtenants.a store/libstore.a \
	mime/libmime.a common/libcommon.a $(OPENSSL_LIBS) $(CONFUSE_LIBS) \
	$(SECCOMP_LIBS) $(BDB_LIBS) $(ICU_LIBS)
EXTRA_DIST += tests/bench/instructions.py tests/bench/instructions.limits

noinst_PROGRAMS += tests/bench/flush_batch
tests_bench_flush_batch_SOURCES = tests/bench/flush_batch.c
