# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += tenants/libtenants.a
tenants_libtenants_a_SOURCES = \
	tenants/attrs.c tenants/attrs.h \
	tenants/client.c tenants/client.h tenants/client_private.h \
	tenants/client_settings.c \
	tenants/gate.c tenants/gate.h \
	tenants/generalized_time.c tenants/generalized_time.h \
	tenants/judge.c tenants/judge.h \
	tenants/login.c tenants/login.h \
	tenants/login_gate.c tenants/login_gate.h \
	tenants/login_link.c tenants/login_link.h \
	tenants/plain_text.c tenants/plain_text.h \
	tenants/protocol.c tenants/protocol.h \
	tenants/rule.c tenants/rule.h \
	tenants/rule_format.c tenants/rule_match.c tenants/rule_private.h \
	tenants/settings.c tenants/settings.h \
	tenants/settings_spec.c tenants/settings_spec.h

# tenantd's inside, apart from its main(), so that tests link it.
noinst_LIBRARIES += tenants/libdirectory.a
tenants_libdirectory_a_SOURCES = \
	tenants/act_as.c tenants/act_as.h \
	tenants/app_password.c tenants/app_password.h \
	tenants/answer.c tenants/answer.h \
	tenants/authenticate.c tenants/authenticate.h \
	tenants/cache.c tenants/cache.h \
	tenants/conf.c tenants/conf.h \
	tenants/directory.c tenants/directory.h \
	tenants/directory_private.h \
	tenants/effective.c tenants/effective.h \
	tenants/entry.c tenants/entry.h \
	tenants/exchange.c tenants/exchange.h \
	tenants/find.c \
	tenants/follow.c tenants/follow.h \
	tenants/hash.c tenants/hash.h \
	tenants/hashing.c tenants/hashing.h \
	tenants/info.c tenants/info.h \
	tenants/layers.c tenants/layers.h \
	tenants/login_name.c tenants/login_name.h \
	tenants/ldap_connect.c tenants/ldap_connect.h \
	tenants/ldap_link.c tenants/ldap_link.h \
	tenants/ldap_pool.c tenants/ldap_pool.h \
	tenants/password.c tenants/password.h \
	tenants/password_cost.c tenants/password_cost.h \
	tenants/penalty.c tenants/penalty.h \
	tenants/penalty_store.c tenants/penalty_store.h \
	tenants/recipients.c tenants/recipients.h \
	tenants/rehash.c tenants/rehash.h \
	tenants/remember.c tenants/remember.h \
	tenants/resolve.c \
	tenants/saslprep.c tenants/saslprep.h \
	tenants/server.c tenants/server.h \
	tenants/told.c tenants/told.h \
	tenants/verify.c tenants/verify.h

# Provisioning: what edits the directory instead of reading it.
noinst_LIBRARIES += tenants/libprovision.a
tenants_libprovision_a_SOURCES = \
	tenants/batch.c tenants/batch.h \
	tenants/csv.c tenants/csv.h \
	tenants/editor.c tenants/editor.h \
	tenants/field.c tenants/field.h \
	tenants/kind.c tenants/kind.h \
	tenants/naming.c tenants/naming.h \
	tenants/password_new.c tenants/password_new.h

daemon_PROGRAMS += tenants/tenantd
tenants_tenantd_SOURCES = tenants/tenantd.c
tenants_tenantd_LDADD = tenants/libdirectory.a tenants/libprovision.a \
	tenants/libdirectory.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(ICU_LIBS) $(LDAP_LIBS) $(BDB_LIBS) $(CRYPT_LIBS) \
	$(OPENSSL_LIBS) $(CONFUSE_LIBS) $(SECCOMP_LIBS)

daemon_PROGRAMS += tenants/hash-password
tenants_hash_password_SOURCES = tenants/hash_password.c
tenants_hash_password_LDADD = tenants/libprovision.a tenants/libdirectory.a \
	common/libcommon.a $(ICU_LIBS) $(OPENSSL_LIBS) $(CRYPT_LIBS)

dist_daemon_SCRIPTS += tenants/ldap/hikyaku-slapd
dist_schema_DATA += tenants/ldap/schema.ldif tenants/ldap/config.ldif.in \
	tenants/ldap/base.ldif.in

unit_tests += tests/unit/test_password
tests_unit_test_password_SOURCES = tests/unit/test_password.c
tests_unit_test_password_LDADD = tenants/libdirectory.a common/libcommon.a \
	$(ICU_LIBS) $(OPENSSL_LIBS) $(CRYPT_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_tenants_client
tests_unit_test_tenants_client_SOURCES = tests/unit/test_tenants_client.c
tests_unit_test_tenants_client_LDADD = tenants/libtenants.a mime/libmime.a \
	common/libcommon.a $(ICU_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_login
tests_unit_test_login_SOURCES = tests/unit/test_login.c
tests_unit_test_login_LDADD = tenants/libtenants.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_remember
tests_unit_test_remember_SOURCES = tests/unit/test_remember.c
tests_unit_test_remember_LDADD = tenants/libdirectory.a common/libcommon.a \
	$(OPENSSL_LIBS) $(CRYPT_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_hashing
tests_unit_test_hashing_SOURCES = tests/unit/test_hashing.c
tests_unit_test_hashing_LDADD = tenants/libdirectory.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_penalty
tests_unit_test_penalty_SOURCES = tests/unit/test_penalty.c
tests_unit_test_penalty_LDADD = tenants/libdirectory.a common/libcommon.a \
	$(BDB_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_tenants
tests_fuzz_fuzz_tenants_SOURCES = tests/fuzz/fuzz_tenants.c
tests_fuzz_fuzz_tenants_LDADD = tenants/libdirectory.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(ICU_LIBS) $(LDAP_LIBS) $(BDB_LIBS) $(CRYPT_LIBS) \
	$(OPENSSL_LIBS)
tests_fuzz_fuzz_tenants_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_directory_parts
tests_unit_test_directory_parts_SOURCES = tests/unit/test_directory_parts.c
tests_unit_test_directory_parts_LDADD = tenants/libdirectory.a \
	tenants/libtenants.a common/libcommon.a $(LDAP_LIBS) $(BDB_LIBS) \
	$(ICU_LIBS) $(CRYPT_LIBS) $(OPENSSL_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_settings
tests_unit_test_settings_SOURCES = tests/unit/test_settings.c
tests_unit_test_settings_LDADD = tenants/libdirectory.a tenants/libtenants.a \
	mime/libmime.a common/libcommon.a $(ICU_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_rule
tests_unit_test_rule_SOURCES = tests/unit/test_rule.c tests/unit/rule_rig.h
tests_unit_test_rule_LDADD = tenants/libtenants.a mime/libmime.a \
	common/libcommon.a $(ICU_LIBS) $(unit_ldadd)

EXTRA_DIST += tests/fuzz/corpus/fuzz_rule tests/fuzz/corpus/fuzz_tenants
fuzz_targets += tests/fuzz/fuzz_rule
tests_fuzz_fuzz_rule_SOURCES = tests/fuzz/fuzz_rule.c tests/unit/rule_rig.h
tests_fuzz_fuzz_rule_LDADD = tenants/libtenants.a mime/libmime.a \
	common/libcommon.a $(ICU_LIBS)
tests_fuzz_fuzz_rule_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_provision
tests_unit_test_provision_SOURCES = tests/unit/test_provision.c
tests_unit_test_provision_LDADD = tenants/libprovision.a mime/libmime.a \
	common/libcommon.a $(LDAP_LIBS) $(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_csv
tests_fuzz_fuzz_csv_SOURCES = tests/fuzz/fuzz_csv.c
tests_fuzz_fuzz_csv_LDADD = tenants/libprovision.a mime/libmime.a \
	common/libcommon.a $(LDAP_LIBS)
tests_fuzz_fuzz_csv_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
