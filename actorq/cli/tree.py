"""`actorq tree`: the supervision tree of every node, once or redrawn.

A redrawn tree stays on the screen while nobody answers, with a line that says so and since when: a hub that restarts is the
moment at which one looks.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import Common, common_options, open_hub, with_errors
from actorq.cli.screen import Screen, paint, width_of_terminal
from actorq.cli.spans import tell_span
from actorq.cli.tree_view import Line, cut, draw_trees
from actorq.errors import BrokerUnavailable

if TYPE_CHECKING:
    from actorq.cli.common import Hub

__all__ = ["tree"]

INTERVAL_S: Final = 1.0
OUTAGE_ASK_S: Final = 1.0  # while nobody answers, the screen still tells the time
HEADLINE: Final = "{home}   {time}   every {interval}; Ctrl-C ends"


@click.command()
@common_options
@click.argument("node", required=False, metavar="[NODE]")
@click.option("-w", "--watch", is_flag=True, help="Redraw, until Ctrl-C; with --json: a line each time.")
@click.option(
    "-i",
    "--interval",
    "interval_s",
    type=click.FloatRange(0.1),
    default=INTERVAL_S,
    metavar="SECONDS",
    help="How often --watch redraws; default: 1.",
)
@with_errors
def tree(common: Common, /, node: str | None, *, watch: bool, interval_s: float) -> None:
    """Show the live supervision tree of every node, or of NODE.

    RESTARTS is how often a component came back, UP how long it has been there since, MAILBOX how many messages wait for it,
    PID the process it looks after. A supervisor's notes say how many restarts it has left before it gives up. What a
    component last failed of, and when, is on the line below it.
    """
    arguments = {} if node is None else {"node": node}
    with open_hub(common) as hub:
        data = hub.ask("tree", arguments)
        try:
            if not watch:
                _print(common, data)
            elif common.as_json or not sys.stdout.isatty():
                _repeat(common, hub, arguments, data, interval_s)
            else:
                _redraw(hub, arguments, data, interval_s)
        except KeyboardInterrupt:
            return


def _print(common: Common, data: dict[str, Any]) -> None:
    if common.as_json:
        click.echo(json.dumps(data, default=str))
        return
    for line in draw_trees(data, time.time(), width_of_terminal()):
        click.echo(paint(line))


def _repeat(common: Common, hub: Hub, arguments: dict[str, Any], data: dict[str, Any], interval_s: float) -> None:
    """Print one tree after the other; an outage is said on stderr, once."""
    is_out = False
    while True:
        if not is_out:
            _print(common, data)
            if not common.as_json:
                click.echo("")
            sys.stdout.flush()
        time.sleep(interval_s)
        try:
            data = hub.ask("tree", arguments)
            is_out = False
        except BrokerUnavailable as error:
            if not is_out:
                click.echo(f"actorq: {error}", err=True)
            is_out = True


def _redraw(hub: Hub, arguments: dict[str, Any], data: dict[str, Any], interval_s: float) -> None:
    heard_at = time.time()
    is_out = False
    with Screen() as screen:
        while True:
            width = width_of_terminal()
            lines = [_headline(hub, interval_s, heard_at, width, is_out=is_out), *draw_trees(data, heard_at, width)]
            screen.draw([paint(line) for line in lines])
            time.sleep(interval_s)
            try:
                data = hub.ask("tree", arguments, OUTAGE_ASK_S if is_out else None)
                heard_at, is_out = time.time(), False
            except BrokerUnavailable:
                is_out = True


def _headline(hub: Hub, interval_s: float, heard_at: float, width: int | None, *, is_out: bool) -> Line:
    now = time.time()
    if is_out:
        text = cut(f"no answer for {tell_span(now - heard_at)}: what follows is from then; waiting for a hub", width)
        return Line(text, ((0, len(text), "red"),))
    told = HEADLINE.format(
        home=hub.home, time=time.strftime("%H:%M:%S", time.localtime(now)), interval=f"{interval_s:g} s"
    )
    return Line(cut(told, width))
