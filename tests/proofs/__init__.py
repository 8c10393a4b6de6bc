# SPDX-License-Identifier: Apache-2.0
"""The long campaigns, and the page that tells what they decided."""
