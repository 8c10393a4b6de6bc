# SPDX-License-Identifier: Apache-2.0
"""Mutation test of the money contracts, always on a copy of the tree."""
