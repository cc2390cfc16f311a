# SPDX-License-Identifier: BSD-2-Clause
#
# Dovecot and Hikyaku at work on one tree, for tests/together/run and
# tests/integration/test_together.py.
EXTRA_DIST += tests/together/__init__.py tests/together/clients.py \
	tests/together/ledger.py tests/together/play.py tests/together/run \
	tests/together/sides.py
