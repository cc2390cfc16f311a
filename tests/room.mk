# SPDX-License-Identifier: BSD-2-Clause
EXTRA_DIST += check quickstart README.md build-aux/install-packages \
	tests/packages.txt tests/run.py tests/corpus tests/integration \
	tests/keep tests/lint tests/peers tests/support

# Folders that are distributed whole hold built files in a build tree.
dist-hook:
	for p in $(noinst_PROGRAMS) $(check_PROGRAMS); do \
		rm -f $(distdir)/$$p $(distdir)/$$p.o; \
	done
	find $(distdir)/tests \( -name '*.o' -o -name .dirstamp \
		-o -name '*.trs' -o -name '*.log' \) -delete
	find $(distdir) \( -name __pycache__ -o -name .deps \) -prune \
		-exec rm -rf {} +

# What tests/run.py asks for: builds without running.
.PHONY: check-programs fuzz-programs print-unit-tests
check-programs: $(check_PROGRAMS)
fuzz-programs: $(fuzz_targets)
print-unit-tests:
	@echo $(unit_tests)

include tests/bench/bench.mk
include tests/crash/crash.mk
include tests/milter/milter.mk
include tests/together/together.mk
