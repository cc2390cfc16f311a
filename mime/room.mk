# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += mime/libmime.a
mime_libmime_a_SOURCES = \
	mime/addrlist.c mime/addrlist.h \
	mime/charset.c mime/charset.h \
	mime/content.c mime/content.h \
	mime/encoded.c mime/encoded.h \
	mime/lex.c mime/lex.h \
	mime/structure.c mime/structure.h \
	mime/address.h \
	mime/date.h \
	mime/header.c mime/header.h \
	mime/received.h \
	mime/xtext.h

unit_tests += tests/unit/test_header
tests_unit_test_header_SOURCES = tests/unit/test_header.c
tests_unit_test_header_LDADD = mime/libmime.a common/libcommon.a $(unit_ldadd)
