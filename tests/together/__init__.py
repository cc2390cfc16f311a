# SPDX-License-Identifier: BSD-2-Clause
"""Dovecot and Hikyaku at work on one tree: run, and
integration/test_together."""
