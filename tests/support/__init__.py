# SPDX-License-Identifier: BSD-2-Clause
"""A whole platform in one directory, for the demo and for the tests."""
