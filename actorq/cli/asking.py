"""`actorq inspect …`: what nodes do, asked of the hub; no slot is involved, so it answers while all of them are busy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import (
    EXIT_CRASH,
    EXIT_UNAVAILABLE,
    Common,
    common_options,
    echo_line,
    open_hub,
    print_data,
    print_facts,
    print_table,
    say_error,
    with_errors,
)
from actorq.cli.spans import tell_ago, tell_span
from actorq.cli.steps import tell_failure
from actorq.cli.tree_view import draw_trees
from actorq.client.control import Inspect
from actorq.config import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["destination_option", "fail_where_refused", "inspect", "is_failure", "print_nodes", "read_names"]

NOT_CONNECTED: Final = "? (slots in the middle of a task, not connected to this hub yet)"
SILENT: Final = "no answer within"


def read_names(_context: click.Context, _option: click.Parameter, value: str | None) -> list[str] | None:
    """Return names with commas between them as a list."""
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")]
    if not all(names):
        raise click.BadParameter(f"expected names with commas between them, got {value!r}")
    return names


destination_option = click.option(
    "-d", "--destination", metavar="NAMES", callback=read_names, help="Only these nodes: a,b; default: all."
)


class Questions(click.Group):
    """Suggests the nearest question for a wrong one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest question for one that doesn't exist."""
        known = self.list_commands(ctx)
        if args and args[0] not in known:
            ctx.fail(f"expected a question ({', '.join(known)}), got {args[0]!r}{suggest(args[0], known)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Questions)
@common_options
def inspect(common: Common, /) -> None:
    """Ask every node what it does; with --json {node: answer}."""


def _inspector(name: str, text: str, show: Callable[[dict[str, Any]], None] | None = None) -> None:
    @inspect.command(name, help=text)
    @common_options
    @destination_option
    @with_errors
    def ask(common: Common, /, destination: list[str] | None) -> None:
        tell(common, destination, lambda questions: questions.ask(name), show or print_nodes)


def tell(
    common: Common,
    destination: list[str] | None,
    ask: Callable[[Inspect], dict[str, Any]],
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Ask, print the answers, and end with 69 where no node gave one."""
    with open_hub(common) as hub:
        answers = ask(Inspect(hub.ask, destination, common.timeout_s))
    print_data(common, answers, show)
    fail_where_refused(answers)


def is_failure(answer: object) -> bool:
    """Return whether a node couldn't answer, or didn't."""
    return isinstance(answer, dict) and set(answer) == {"error"}


def fail_where_refused(answers: Mapping[str, Any], *, all_must: bool = False) -> None:
    """End with 69 where every node was silent; with 1 where every node, or one (`all_must`), says that it can't."""
    failed = {node: answer for node, answer in answers.items() if is_failure(answer)}
    if not failed or (len(failed) < len(answers) and not all_must):
        return
    say_error("; ".join(tell_failure(node, answer) for node, answer in failed.items()))
    silent = all(str(answer["error"]).startswith(SILENT) for answer in failed.values())
    raise SystemExit(EXIT_UNAVAILABLE if silent and len(failed) == len(answers) else EXIT_CRASH)


def print_nodes(nodes: Mapping[str, Any]) -> None:
    """Print what each node answered."""
    for name, answer in nodes.items():
        click.echo(name or NOT_CONNECTED)
        if isinstance(answer, dict):
            print_facts(answer.items(), "  ")
            continue
        for item in answer:
            echo_line(f"  {_line(item)}")
        if not answer:
            click.echo("  none")


def _line(item: object) -> str:
    """Return a task that runs or waits, or anything else, as one line."""
    if not isinstance(item, dict):
        return str(item)
    if "until" in item:
        return f"{item['id']}  remembered for {tell_span(item['until'] - time.time())}"
    if item.get("eta") is not None:
        return f"{item['id']}  {item['task']}  in {tell_span(item['eta'] - time.time())}  queue {item['queue']}"
    running_s = item.get("running_s")
    since = "" if running_s is None else f"{running_s:.1f} s  "
    return f"{item['id']}  {item['task']}  {since}queue {item['queue']}  slot {item['slot']}"


def _print_queues(nodes: dict[str, Any]) -> None:
    rows = [
        (each["waiting"], node, each["name"])
        for node, queues in nodes.items()
        if not is_failure(queues)
        for each in queues
    ]
    print_table(("waiting", "node", "queue"), rows)


def _print_dead_letters(nodes: dict[str, Any]) -> None:
    now = time.time()
    for name, answer in nodes.items():
        click.echo(name)
        if isinstance(answer, dict):
            print_facts(answer.items(), "  ")
            continue
        for letter in answer:
            ago = tell_ago(letter["lost_at"], now)
            echo_line(f"  {ago:>10}  {letter['message_type']} to {letter['target']}: {letter['reason']}")
        if not answer:
            click.echo("  none")


def _print_trees(nodes: dict[str, Any]) -> None:
    for line in draw_trees(nodes, time.time()):
        click.echo(line.text)


def _print_held(nodes: dict[str, Any]) -> None:
    rows = [
        (id, where, facts["task"], node, facts["slot"])
        for node, tasks in nodes.items()
        for id, (where, facts) in tasks.items()
    ]
    print_table(("id", "where", "task", "node", "slot"), rows)


for _name, _text in {
    "ping": "Which nodes answer.",
    "active": "Tasks that run now.",
    "reserved": "Tasks that slots hold and haven't started.",
    "scheduled": "Tasks that wait for an eta or a retry.",
    "revoked": "Ids that were cancelled while they ran, or before they arrived.",
    "registered": "Tasks that the nodes know.",
    "stats": "Memory, processor time, slots, lost messages.",
    "conf": "The settings.",
    "report": "Versions, paths and settings.",
    "clock": "What the nodes' clocks say.",
}.items():
    _inspector(_name, _text)
_inspector("active_queues", "Queues that the nodes take tasks from.", _print_queues)
_inspector("tree", "The live supervision trees; 'actorq tree' redraws them.", _print_trees)
_inspector(
    "dead-letters",
    "Messages between components that found nobody, the last ones of each node. Tasks are never among them: what was lost "
    "here is asked again, or its sender was told.",
    _print_dead_letters,
)


@inspect.command("query_task")
@common_options
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@destination_option
@with_errors
def query_task(common: Common, /, ids: tuple[str, ...], destination: list[str] | None) -> None:
    """Which slots run or hold these tasks. One that waits, has ended or is unknown isn't listed: see 'actorq result'."""
    tell(common, destination, lambda questions: questions.query_task(*ids), _print_held)
