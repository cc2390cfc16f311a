# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += mime/libmime.a
mime_libmime_a_SOURCES = \
	mime/address.h \
	mime/date.h \
	mime/header.c mime/header.h \
	mime/received.h \
	mime/xtext.h

unit_tests += tests/unit/test_header
tests_unit_test_header_SOURCES = tests/unit/test_header.c
tests_unit_test_header_LDADD = mime/libmime.a common/libcommon.a $(unit_ldadd)
