"""The options of `epochal node run` that have it run workloads for an orchestrator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from node.errors import SettingsError
from node.running.settings import SCHEMES, RunningSettings

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--orchestrator", metavar="URL", help="Run workloads for it; the options below say how."),
    click.option("--licence", type=int, metavar="N", help="Licence that this node is linked to."),
    click.option("--placements", metavar="ADDRESS", help="The network's Placements contract."),
    click.option(
        "--capacity", metavar="CAPACITY", help="For all workloads together: cpu=MILLICORES,memory=MB,storage=MB."
    ),
    click.option("--runs", type=_FILE, metavar="DIR", help="Folder for running workloads and what is known of them."),
    click.option("--images", type=_FILE, metavar="DIR", help="Folder of images; without it, none is run from here."),
    click.option("--host", metavar="HOST", help="Name or address at which workloads of this node are reached."),
    click.option(
        "--least-price",
        "least_prices",
        multiple=True,
        metavar="0xTOKEN=AMOUNT",
        help="Least price of a slot for one epoch, in the token's smallest unit; repeat it for each token taken.",
    ),
    click.option("--any-price", is_flag=True, help="Take placements in any token at any price."),
    click.option("--policy", "policies", multiple=True, metavar="HASH", help="Take no other policies.  [default: any]"),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="What intents may ask for; repeat it for each."),
    click.option("--ports", metavar="LOW-HIGH", help="Ports for workloads.  [default: 31000-31999]"),
    click.option(
        "--git-scheme",
        "git_schemes",
        multiple=True,
        type=click.Choice(SCHEMES),
        help="Ways to repositories; repeat it for each.  [default: https]",
    ),
    click.option("--offers", type=_FILE, metavar="FILE", help="JSON file of standing offers to orchestrators."),
    click.option("--cgroup", type=_FILE, metavar="DIR", help="Delegated folder of cgroup v2: the kernel sets limits."),
    click.option("--run-as", metavar="USER", help="User that workloads run as, if the agent is root's."),
)
_NEEDED = ("licence", "placements", "capacity", "runs", "host")
_NAMES = ("orchestrator", *_NEEDED, "images", "least_prices", "any_price", "policies", "tags", "ports", "git_schemes")
_ALL = (*_NAMES, "offers", "cgroup", "run_as")


def running_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_running(given: dict[str, Any]) -> RunningSettings | None:
    """Takes these options out of all that a command was given. None without --orchestrator. SettingsError."""
    own = {name: value for name in _ALL if (value := given.pop(name)) not in (None, (), False)}
    if "orchestrator" not in own:
        if own:
            raise SettingsError(f"{_option(next(iter(own)))} is for --orchestrator: give both or neither")
        return None
    for name in _NEEDED:
        if name not in own:
            raise SettingsError(f"--orchestrator needs {_option(name)} too: give it")
    return RunningSettings(**own)


def _option(name: str) -> str:
    return {
        "least_prices": "--least-price",
        "policies": "--policy",
        "tags": "--tag",
        "git_schemes": "--git-scheme",
    }.get(name, "--" + name.replace("_", "-"))
