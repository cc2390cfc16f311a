# SPDX-License-Identifier: BSD-2-Clause
#
# A filter on libmilter that does what a script tells it, for
# tests/integration/test_milter*.py.
check_PROGRAMS += tests/milter/script_filter
tests_milter_script_filter_SOURCES = tests/milter/script_filter.c
tests_milter_script_filter_LDADD = $(MILTER_LIBS)
EXTRA_DIST += tests/milter/README
