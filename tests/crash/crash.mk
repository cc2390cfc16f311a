# SPDX-License-Identifier: BSD-2-Clause
#
# The file system whose power can be cut, for tests/crash/run and
# tests/integration/test_power_cut.py.
EXTRA_DIST += tests/crash/__init__.py tests/crash/cuts.py \
	tests/crash/power.py tests/crash/run tests/crash/spoil.py \
	tests/crash/traffic.py

# How the daemons are built, for tests/crash/spoil.py.
.PHONY: print-flags
print-flags:
	@echo $(CC) $(DEFS) $(AM_CPPFLAGS) $(CPPFLAGS) $(AM_CFLAGS) $(CFLAGS)
	@echo $(AM_LDFLAGS) $(LDFLAGS)
	@echo $(ICU_LIBS) $(BDB_LIBS) $(OPENSSL_LIBS) $(CONFUSE_LIBS) \
		$(SECCOMP_LIBS) $(LIBS)

if HAVE_FUSE
check_PROGRAMS += tests/crash/crashfs
endif
tests_crash_crashfs_SOURCES = tests/crash/calls.c \
	tests/crash/crashfs.c tests/crash/crashfs.h \
	tests/crash/model.c tests/crash/model.h
tests_crash_crashfs_CFLAGS = $(AM_CFLAGS) $(FUSE_CFLAGS)
tests_crash_crashfs_LDADD = $(FUSE_LIBS)
