"""See `wire.budget`: the gateway goes by it too."""

from oracle.telemetry.wire.budget import Budget as Budget
from oracle.telemetry.wire.budget import sender as sender
