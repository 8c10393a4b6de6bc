# SPDX-License-Identifier: Apache-2.0
"""What prints the figures and the baselines beside them."""
