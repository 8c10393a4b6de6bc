"""What a keeper should send: final trees and the chain's state go in, the cheapest list of actions comes out. Pure."""

from settlement.planning.actions import Action, Kind
from settlement.planning.planner import Plan, plan
from settlement.planning.settings import PlanSettings
from settlement.planning.snapshot import Book, JobState, Snapshot, SwapRoute, TokenState

__all__ = ["Action", "Book", "JobState", "Kind", "Plan", "PlanSettings", "Snapshot", "SwapRoute", "TokenState", "plan"]
