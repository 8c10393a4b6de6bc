"""Entry point of the `epochal` command: its subcommands, and what each kind of error does to the exit status."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback

import click

from oracle.ground.errors import EpochalError, UserError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

_HELP = """Epochal pays compute nodes for the time they really served.

Oracles measure the uptime of nodes and agree on it epoch by epoch; contracts hold a customer's deposit and pay earned
seconds, withhold failed ones, and return what nobody could measure.

\b
Start here:
  epochal demo                      a whole network on this machine, in about two minutes
  epochal deploy ...                a network's contracts on any chain
  epochal network ...               five oracles that agree, and faults between them
  epochal replay trace.csv.xz ...   real availability data through the same code and contracts
  epochal node run ...              the agent that sends a node's heartbeats to the oracles
  epochal oracle intake ...         an oracle's intake, which receives them
  epochal explain NODE ...          a node's ticks, and why it lost those it lost
  epochal verify EPOCH ...          a report, recomputed from its evidence and the chain

\b
Exit status: 0 done; 1 it failed, the reason is told in one line; 2 an option or an input file is wrong, nothing was
written; 70 a bug of Epochal's; 130 stopped by Ctrl-C.
"""


# Command -> its one-line help; it lives in the module of the same name, which loads when it is needed: a node's agent
# starts without the chain's code.
_COMMANDS = {
    "csp": "A CSP's account, delegates and credentials.",
    "deeploy": "Jobs on a network that speaks Ratio1's Deeploy API.",
    "demo": "A whole network on this machine, in about two minutes.",
    "deploy": "Deploy a network's contracts, give the roles, check all.",
    "duty": "What oracles are paid for their duty; show and claim it.",
    "equivocation": "Oracles that signed two things; show and prove it, slash their bonds.",
    "explain": "Show a node's epoch: what was seen, agreed and paid, and why it lost what it lost.",
    "exposure": "The most that could be lost if all oracles lied.",
    "job": "Create, change, leave and account for jobs.",
    "keeper": "Settle, pay and close, for everybody; anyone may.",
    "licence": "A node operator's licences, their nodes and their pay.",
    "network": "Anvil, oracles and nodes as real processes, and faults.",
    "node": "Run a node's agent.",
    "notify": "Tell people of silent nodes, withheld money and more, by webhook and e-mail.",
    "oracle": "Run an oracle.",
    "orchestrator": "Run an orchestrator, or look at one.",
    "reallocation": "Requests for another node, and bringing them to orchestrators.",
    "replay": "Replay a trace of availability through committee and contracts.",
    "verify": "Recompute a report from its evidence and the chain.",
}


class _LazyGroup(click.Group):
    """A group whose commands live in modules of the same names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click.Group."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """See click.Group."""
        if name not in _COMMANDS:
            return None
        try:
            command: click.Command = getattr(importlib.import_module(f"cli.{name}"), name)
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"{name} needs the package {error.name}, which isn't installed here; `make setup` installs all"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click.Group; loads no module."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup, help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name=None, version="0.1.0", prog_name="epochal")
def epochal() -> None:
    """The group of all commands; its help is _HELP."""


def main() -> None:
    """Run the command line and exit with its status. SIGTERM ends a command as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = epochal.main(prog_name="epochal", standalone_mode=False)
    except click.exceptions.Abort:
        _say("stopped")
        status = EXIT_INTERRUPTED
    except KeyboardInterrupt:
        _say("stopped")
        status = EXIT_INTERRUPTED
    except click.ClickException as error:
        where = getattr(getattr(error, "ctx", None), "command_path", "epochal")
        _say(f"{' '.join(error.format_message().split())} (try `{where} --help`)")
        status = EXIT_USAGE
    except UserError as error:
        _say(str(error))
        status = EXIT_USAGE
    except EpochalError as error:
        _say(str(error))
        status = EXIT_FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_FAILED
    except OSError as error:
        _say(f"{error.filename or 'the operating system'}: {error.strerror or error}")
        status = EXIT_FAILED
    except Exception:
        traceback.print_exc()
        _say("this is a bug of Epochal's; please report what is above")
        status = EXIT_BUG
    sys.exit(status or 0)


def _say(text: str) -> None:
    click.echo(f"epochal: {text}", err=True)


if __name__ == "__main__":
    main()
