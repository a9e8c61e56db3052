"""`actorq control`: restart, stop and start components of nodes; run the commands that plugins bring. Orders: `ordering`.

Nodes are taken one after the other, and a failure ends the round: an order that breaks the first node doesn't reach the next.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.asking import destination_option
from actorq.cli.common import (
    EXIT_CRASH,
    Common,
    common_options,
    open_hub,
    print_data,
    print_table,
    say_error,
    with_errors,
)
from actorq.cli.ordering import ORDERS, give
from actorq.cli.spans import tell_span
from actorq.cli.steps import choose_targets, is_there, parse_pairs, tell_failure
from actorq.errors import ActorqError, BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorq.cli.common import Hub

__all__ = ["control"]

LOOK_S: Final = (0.02, 0.2)  # between two looks: at first, at most
SILENCE_S: Final = 1.0  # after which a hub that was told to stop counts as stopped

_node_option = click.option("--node", metavar="NAME", help="On this node only; default: on every node that has it.")


class Controls(click.Group):
    """Takes a word that is none of its own for a command of a plugin: only the nodes know those."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of ours, or one that asks the nodes."""
        return super().get_command(ctx, cmd_name) or _plugin_command(cmd_name)


@click.group(
    cls=Controls, subcommand_metavar="restart|stop|start COMPONENT | ORDER [ARGUMENT]... | NAME [KEY=VALUE]..."
)
@common_options
def control(common: Common, /) -> None:
    """Restart, stop or start a component of the nodes; give them an ORDER; or run the command NAME of a plugin.

    A COMPONENT is named by its id, or by its path as 'actorq tree' draws it: pool/slots/slot-0. No task is lost by any of
    these: what was running goes on or is run again.
    """


def _verb(name: str, short: str, text: str, *, with_force: bool = False) -> None:
    @common_options
    @click.argument("component")
    @_node_option
    @with_errors
    def give(common: Common, /, component: str, node: str | None, *, force: bool = False) -> None:
        _give(common, name, component, node, force=force)

    command = control.command(name, short_help=short, help=text)(give)
    if with_force:
        force_option = click.Option(
            ["--force"], is_flag=True, help="Also what the answers come through: broker, store."
        )
        command.params.insert(0, force_option)


_verb(
    "restart",
    "Stop a component and start it again.",
    "Stop a component in order and start it again, with what depends on it. Uses no restart quota.",
)
_verb(
    "stop",
    "Stop a component until it is started.",
    "Stop a component, with what depends on it, until it is started again.",
    with_force=True,
)
_verb(
    "start",
    "Start a component that is down or parked.",
    "Start a component that is down or parked, and what waits for it.",
)


def _give(common: Common, verb: str, component: str, node: str | None, *, force: bool) -> None:
    only = {} if node is None else {"node": node}
    with open_hub(common) as hub:
        seen = hub.ask("component", {"component": component, **only}, repeat=True)
        answers: dict[str, Any] = {}
        for name, before in choose_targets(seen, component).items():
            answers[name] = before if "error" in before else _steer(hub, verb, name, before, force=force)
            if "error" in answers[name]:
                break
    print_data(common, answers, _print_answers)
    failures = [tell_failure(name, answer) for name, answer in answers.items() if "error" in answer]
    if failures:
        say_error("; ".join(failures))
        raise SystemExit(EXIT_CRASH)


def _steer(hub: Hub, verb: str, node: str, before: dict[str, Any], *, force: bool) -> dict[str, Any]:
    """Give one order to one node and return how its component is afterwards; `error` if not as wanted."""
    started_at = time.monotonic()
    path = before["component"]
    order = {"id": uuid.uuid4().hex, "verb": verb, "path": path, "incarnation": before["pid"], "force": force}
    given = hub.ask("order", {"node": node, **order}, repeat=True)[node]
    why = given.get("refused") or given.get("error")
    if why:
        return {"component": path, "error": f"can't {verb} {path!r}: {why}"}
    look = {"node": node, "component": path if "/" in path else f"/{path}", "order": order["id"]}
    found = _watch(hub, verb, before, look, started_at + hub.common.timeout_s)
    facts = {key: found.get(key) for key in ("state", "restarts", "pid", "last_error")}
    answer = {"component": path, **facts, "took_s": round(time.monotonic() - started_at, 3)}
    return {**answer, "error": found["error"]} if "error" in found else answer


def _watch(hub: Hub, verb: str, before: Mapping[str, Any], look: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Look until the component is as wanted; `error` says that it isn't, or isn't yet."""
    path, pause_s = before["component"], LOOK_S[0]
    found: dict[str, Any] = {}
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            state = found.get("state", "unknown")
            return {
                **found,
                "error": f"{path!r} is {state} after {hub.common.timeout_s:g} s; the order stands, see: actorq tree",
            }
        try:
            found = _look(hub, verb, look, left_s)
        except BrokerUnavailable:
            if verb == "stop":  # of the broker, or of what it needs: its silence is the answer
                return {"state": "down", "restarts": before["restarts"]}
            raise
        order = found.get("order")
        if order is not None and order["error"]:
            return {**found, "error": f"can't {verb} {path!r}: {order['error']}"}
        if (order is None or order["done"]) and is_there(verb, before, found):
            return found
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, LOOK_S[1])


def _look(hub: Hub, verb: str, look: dict[str, Any], left_s: float) -> dict[str, Any]:
    """Return the component as it is now; {} while its node is on its way back."""
    try:
        limit_s = min(left_s, SILENCE_S) if verb == "stop" else left_s
        answer: dict[str, Any] = hub.ask("component", look, limit_s, repeat=True)[look["node"]]
    except BrokerUnavailable:
        raise
    except (ActorqError, click.UsageError):  # the node hasn't found the new hub yet
        return {}
    return {} if "component" not in answer else answer


def _print_answers(answers: Mapping[str, Any]) -> None:
    rows = [
        (name, answer["component"], answer["state"], answer["restarts"], tell_span(answer["took_s"]))
        for name, answer in answers.items()
        if answer.get("state")
    ]
    if rows:
        print_table(("node", "component", "state", "restarts", "took"), rows)


def _plugin_command(name: str) -> click.Command:
    @click.command(name, help=f"Run the command {name!r} of a plugin on every node.")
    @common_options
    @click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
    @destination_option
    @_node_option
    @with_errors
    def run(common: Common, /, pairs: tuple[str, ...], destination: list[str] | None, node: str | None) -> None:
        give(common, name, parse_pairs(pairs, json.loads), destination if node is None else [node])

    return run


for _order in ORDERS:
    control.add_command(_order)
