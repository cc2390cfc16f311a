# SPDX-License-Identifier: BSD-2-Clause
"""Power cuts and kills under traffic: run, and integration/test_power_cut."""
