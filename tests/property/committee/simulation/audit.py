# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever happens, and what must happen once nothing fails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from oracle.committee.agreement import Draft, Evidence, Proposal, arranged, draft, unbundle
from oracle.committee.effects import Outcome
from oracle.ground.ground import raw_address  # type: ignore[import-not-found]
from oracle.ground.median import measured_needs
from oracle.ground.typed_data import EpochReport
from oracle.ground.uptime import ZERO, Uptime
from tests.property.committee.simulation.chain import Mined
