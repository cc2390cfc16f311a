# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += tenants/libtenants.a
tenants_libtenants_a_SOURCES = \
	tenants/client.h \
	tenants/login.c tenants/login.h \
	tenants/login_gate.c tenants/login_gate.h \
	tenants/login_link.c tenants/login_link.h
