# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += common/libcommon.a
common_libcommon_a_SOURCES = \
	common/ascii.c common/ascii.h \
	common/buf.c common/buf.h \
	common/cleanup.h \
	common/conn.h \
	common/err.c common/err.h \
	common/log.h \
	common/reactor.h \
	common/span.c common/span.h
