# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += mime/libmime.a
mime_libmime_a_SOURCES = \
	mime/addrlist.c mime/addrlist.h \
	mime/charset.c mime/charset.h \
	mime/content.c mime/content.h \
	mime/disposition.c mime/disposition.h \
	mime/encoded.c mime/encoded.h mime/encoded_format.c \
	mime/lex.c mime/lex.h \
	mime/structure.c mime/structure.h \
	mime/address.c mime/address.h \
	mime/downgrade.c mime/downgrade.h \
	mime/date.c mime/date.h mime/date_parse.c \
	mime/header.c mime/header.h \
	mime/msgid.c mime/msgid.h \
	mime/received.c mime/received.h \
	mime/subject.c mime/subject.h \
	mime/xtext.c mime/xtext.h

unit_tests += tests/unit/test_header
tests_unit_test_header_SOURCES = tests/unit/test_header.c
tests_unit_test_header_LDADD = mime/libmime.a common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_address
tests_unit_test_address_SOURCES = tests/unit/test_address.c
tests_unit_test_address_LDADD = mime/libmime.a common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_trace
tests_unit_test_trace_SOURCES = tests/unit/test_trace.c
tests_unit_test_trace_LDADD = mime/libmime.a common/libcommon.a $(unit_ldadd)

unit_tests += tests/unit/test_mime
tests_unit_test_mime_SOURCES = tests/unit/test_mime.c
tests_unit_test_mime_LDADD = mime/libmime.a common/libcommon.a \
	$(ICU_LIBS) $(unit_ldadd)

unit_tests += tests/unit/test_downgrade
tests_unit_test_downgrade_SOURCES = tests/unit/test_downgrade.c
tests_unit_test_downgrade_LDADD = mime/libmime.a common/libcommon.a \
	$(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_downgrade
tests_fuzz_fuzz_downgrade_SOURCES = tests/fuzz/fuzz_downgrade.c
tests_fuzz_fuzz_downgrade_LDADD = mime/libmime.a common/libcommon.a
tests_fuzz_fuzz_downgrade_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

unit_tests += tests/unit/test_disposition
tests_unit_test_disposition_SOURCES = tests/unit/test_disposition.c
tests_unit_test_disposition_LDADD = mime/libmime.a common/libcommon.a \
	$(unit_ldadd)

fuzz_targets += tests/fuzz/fuzz_dispositions
tests_fuzz_fuzz_dispositions_SOURCES = tests/fuzz/fuzz_dispositions.c
tests_fuzz_fuzz_dispositions_LDADD = mime/libmime.a common/libcommon.a
tests_fuzz_fuzz_dispositions_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
