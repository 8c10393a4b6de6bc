# SPDX-License-Identifier: Apache-2.0
"""Symbolic checks of the contracts with Halmos, and of their floors over the integers."""
