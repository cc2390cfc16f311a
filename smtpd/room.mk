# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += smtpd/libsmtpd.a
smtpd_libsmtpd_a_SOURCES = \
	smtpd/lmtp_client.c smtpd/lmtp_client.h

unit_tests += tests/unit/test_lmtp_client
tests_unit_test_lmtp_client_SOURCES = tests/unit/test_lmtp_client.c
tests_unit_test_lmtp_client_LDADD = smtpd/libsmtpd.a common/libcommon.a \
	$(OPENSSL_LIBS) $(unit_ldadd)
