# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += milters/libmilters.a
milters_libmilters_a_SOURCES = \
	milters/filter.c milters/filter.h \
	milters/facts.c milters/facts.h \
	milters/message.c milters/message.h \
	milters/suppress.c milters/suppress.h \
	milters/target.c milters/target.h \
	milters/words.c milters/words.h

noinst_LIBRARIES += milters/libscan.a
milters_libscan_a_SOURCES = milters/scan.h \
	milters/scan_clamd.c milters/scan_engine.c milters/scan_packet.c \
	milters/scan_pool.c milters/scan_worker.c

daemon_PROGRAMS += milters/antivirus
milters_antivirus_SOURCES = milters/antivirus.c \
	milters/antivirus_conf.c milters/antivirus_conf.h
milters_antivirus_LDADD = milters/libmilters.a milters/libscan.a \
	tenants/libtenants.a mime/libmime.a common/libcommon.a \
	$(CLAMAV_LIBS) $(MILTER_LIBS) $(ICU_LIBS) $(OPENSSL_LIBS) \
	$(CONFUSE_LIBS) $(SECCOMP_LIBS)

unit_tests += tests/unit/test_scan
tests_unit_test_scan_SOURCES = tests/unit/test_scan.c
tests_unit_test_scan_LDADD = milters/libscan.a common/libcommon.a \
	$(CLAMAV_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) $(unit_ldadd)

daemon_PROGRAMS += milters/quarantine
milters_quarantine_SOURCES = milters/quarantine.c \
	milters/quarantine_conf.c milters/quarantine_conf.h
milters_quarantine_LDADD = milters/libmilters.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(MILTER_LIBS) $(ICU_LIBS) \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

unit_tests += tests/unit/test_facts
tests_unit_test_facts_SOURCES = tests/unit/test_facts.c
tests_unit_test_facts_LDADD = milters/libmilters.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(ICU_LIBS) $(unit_ldadd)

daemon_PROGRAMS += milters/forward
milters_forward_SOURCES = milters/forward.c \
	milters/forward_conf.c milters/forward_conf.h
milters_forward_LDADD = milters/libmilters.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(MILTER_LIBS) $(ICU_LIBS) \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

daemon_PROGRAMS += milters/autoreply
milters_autoreply_SOURCES = milters/autoreply.c \
	milters/answered.c milters/answered.h \
	milters/automatic.c milters/automatic.h \
	milters/autoreply_conf.c milters/autoreply_conf.h
milters_autoreply_LDADD = milters/libmilters.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(BDB_LIBS) $(MILTER_LIBS) \
	$(ICU_LIBS) $(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

unit_tests += tests/unit/test_suppress
tests_unit_test_suppress_SOURCES = tests/unit/test_suppress.c
tests_unit_test_suppress_LDADD = milters/libmilters.a mime/libmime.a \
	common/libcommon.a $(unit_ldadd)
