# SPDX-License-Identifier: Apache-2.0
"""`ape run csp ...`: what `epochal csp ...` does, on the network and with the account that ape is told."""

from __future__ import annotations

from cli.csp import csp
from scripts.ape_signing import as_ape_group

cli = as_ape_group(csp)
