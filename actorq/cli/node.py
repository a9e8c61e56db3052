"""`actorq node`: starts a node in this process."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import Common, common_options, with_errors
from actorq.config import DURABILITIES, POOLS
from actorq.errors import ConfigError
from actorq.log import tell_slots
from actorq.pools import read_pools

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["node"]

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


def _read_names(_context: click.Context, _option: click.Parameter, value: str | None) -> list[str] | None:
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")]
    if not all(names):
        raise click.BadParameter(f"expected names of queues with commas between them, got {value!r}")
    return names


def _read_pools(_context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return read_pools(value)
    except ValueError as error:
        raise click.BadParameter(f"expected {error}, got {' '.join(value)!r}") from None


@click.command()
@functools.partial(common_options, without=("timeout_s",))
@click.option(
    "-c",
    "--concurrency",
    type=click.IntRange(0),
    metavar="N",
    help="Tasks at once in each pool that doesn't say; default: one a processor; 0: take tasks, run none.",
)
@click.option(
    "-P",
    "--pool",
    "pools",
    multiple=True,
    callback=_read_pools,
    metavar="KIND[:N][@QUEUES]",
    help=f"How tasks run: {', '.join(POOLS)}; N at once, of these queues only. Repeat it for several pools.",
)
@click.option(
    "-Q",
    "--queues",
    callback=_read_names,
    metavar="NAMES",
    help="Take tasks of these queues only: a,b; default: of all.",
)
@click.option(
    "-X", "--exclude-queues", callback=_read_names, metavar="NAMES", help="Take no tasks of these queues: a,b."
)
@click.option(
    "-n",
    "--name",
    metavar="NAME",
    help="The node's name; %h host, %n its first part, %d domain; default: node<pid>@%h.",
)
@click.option(
    "-l",
    "--loglevel",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    default="info",
    metavar="LEVEL",
    help="debug, info (default), warning, error, critical.",
)
@click.option(
    "--durability",
    type=click.Choice(DURABILITIES),
    help="What a confirmed task survives: loss of power (default), death of processes, or nothing.",
)
@click.option(
    "--drain-timeout",
    "drain_timeout_s",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="How long a stopping node lets running tasks finish; default: 30.",
)
@click.option(
    "--lifeline",
    type=click.IntRange(0),
    metavar="FD",
    help="A socket: gets a line when the node is up; the node ends when the other end is closed.",
)
@click.option(
    "--time-limit",
    "task_time_limit",
    type=click.FloatRange(0.001),
    metavar="SECONDS",
    help="After which a task's process is killed, where the task says nothing; default: never.",
)
@click.option(
    "--soft-time-limit",
    "task_soft_time_limit",
    type=click.FloatRange(0.001),
    metavar="SECONDS",
    help="After which SoftTimeLimitExceeded is raised in a task that says nothing; default: never.",
)
@click.option(
    "--max-tasks-per-child",
    type=click.IntRange(1),
    metavar="N",
    help="A slot's process is replaced after so many tasks; default: never.",
)
@click.option(
    "--max-memory-per-child",
    metavar="SIZE",
    help="A slot's process that has grown beyond this, bytes or like 200M, is replaced after its task; default: never.",
)
@with_errors
def node(common: Common, /, name: str | None, loglevel: str, lifeline: int | None, **settings: Any) -> None:
    """Start a node: it runs the tasks of an application.

    The first node of a home owns the store and is its hub; others join it, and one takes over when it ends.
    """
    from actorq.slot.zygote_process import ZygoteProcess

    if not common.app:
        raise ConfigError("expected an application, got none; say which with -A MODULE or ACTORQ_APP")
    tell_slots(loglevel, as_json=common.as_json)
    # First of all: it imports the application in a process of its own while this one imports what a node needs.
    zygote = ZygoteProcess(common.app, plugins=common.plugins, values=common.plugin_values)
    zygote.start()
    from actorq.cli.logs import configure_logs

    configure_logs(loglevel, as_json=common.as_json)
    from actorq.node.launch import NodeOptions, run_node

    given: Mapping[str, Any] = {key: value for key, value in settings.items() if value not in (None, ())}
    options = NodeOptions(name, common.home, common.broker, given, common.plugins, lifeline)
    code = run_node(options, zygote, lambda text: click.echo(text, err=True))
    sys.stdout.flush()
    sys.exit(code)
