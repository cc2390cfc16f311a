# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += delivery/libdelivery.a
delivery_libdelivery_a_SOURCES = \
	delivery/command.c delivery/command.h \
	delivery/conf.c delivery/conf.h \
	delivery/data.c \
	delivery/lmtp.c delivery/lmtp.h delivery/lmtp_private.h \
	delivery/place.c delivery/place.h \
	delivery/rcpt.c \
	delivery/trace.c delivery/trace.h
