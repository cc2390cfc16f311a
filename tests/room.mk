# SPDX-License-Identifier: BSD-2-Clause
EXTRA_DIST += check quickstart README.md build-aux/install-packages \
	tests/packages.txt tests/run.py tests/corpus tests/integration \
	tests/lint tests/peers tests/support

dist-hook:
	find $(distdir) -name __pycache__ -prune -exec rm -rf {} +

# What tests/run.py asks for: builds without running.
.PHONY: check-programs fuzz-programs print-unit-tests
check-programs: $(check_PROGRAMS)
fuzz-programs: $(fuzz_targets)
print-unit-tests:
	@echo $(unit_tests)

include tests/bench/bench.mk
