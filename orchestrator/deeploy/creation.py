"""Deploying an app for a job once, and having the chain say so."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.deeploy.chain_reading import JobChain, NodeList
from orchestrator.deeploy.errors import NotConfirmed, OutcomeUnknown
from orchestrator.deeploy.move import Api
from orchestrator.deeploy.polling import Patience, poll
from orchestrator.deeploy.requests import CreatePipeline, GetApps
from orchestrator.deeploy.statuses import online_apps


@dataclass(frozen=True, slots=True)
class Created:
    """The app's id, whether this call deployed it, and the nodes that the chain lists."""

    app: str
    new: bool
    listed: NodeList


async def create(api: Api, chain: JobChain, request: CreatePipeline, patience: Patience, first_block: int) -> Created:
    """Deploy, unless an app of that job is online already, and wait until the chain lists its nodes.

    A call after one that failed or was killed deploys nothing twice, as far as the API shows what runs: an app may take
    a minute to show. `first_block` is before the job was made: older lists aren't asked for. NotConfirmed, and the
    errors of client.DeeployClient.
    """
    online = await _apps(api, request.job)
    new, told = not online, ""
    if new:
        try:
            told = (await api.ask(request)).or_refused(f"job {request.job}").app
        except OutcomeUnknown:
            told = ""  # it shows in a moment, or doesn't

    async def look() -> Created | None:
        shown = await _apps(api, request.job)
        listed = await chain.nodes_since(request.job, first_block)
        app = told or min(shown, default="")
        return Created(app, new, listed) if app in shown and listed is not None and listed.nodes else None

    found = await poll(look, patience)
    if found is None:
        raise NotConfirmed(
            f"job {request.job}: its app {told or request.alias} isn't online, or the chain doesn't list its nodes; "
            "look by get_apps, then run it again"
        )
    return found


async def _apps(api: Api, job: int) -> dict[str, frozenset[str]]:
    return online_apps((await api.ask(GetApps())).or_refused("get_apps"), job)
