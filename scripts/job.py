# SPDX-License-Identifier: Apache-2.0
"""`ape run job ...`: what `epochal job ...` does, on the network and with the account that ape is told."""

from __future__ import annotations

from cli.job import job
from scripts.ape_signing import as_ape_group

cli = as_ape_group(job)
