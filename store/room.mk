# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += store/libstore.a
store_libstore_a_SOURCES = \
	store/account.h \
	store/draft.h \
	store/list.h \
	store/mailbox.h \
	store/message.h \
	store/view.h
