# SPDX-License-Identifier: Apache-2.0
"""Slither over the project's own contracts, as part of the standard run."""
