"""`actorq control time_limit|pool_grow|…`: orders for nodes as a whole. Names and arguments are Celery's.

Invariant: an order that a node refused, or that it didn't answer, is an error of the command: nothing is taken for done.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.asking import destination_option, fail_where_refused, is_failure
from actorq.cli.common import Common, common_options, open_hub, print_data, print_facts, print_table, with_errors
from actorq.client.control import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ORDERS", "give", "print_answers"]

_count = click.argument("n", type=click.IntRange(1), default=1, metavar="[N]")
_queue = click.argument("queue")
_task = click.argument("task")


def give(common: Common, name: str, arguments: Mapping[str, Any], destination: list[str] | None) -> None:
    """Give an order, print what each node answered, and end with 1 where one refused or 69 where all were silent."""
    with open_hub(common) as hub:
        answers = Control(hub.ask).order(name, arguments, destination, common.timeout_s)
    print_data(common, answers, print_answers)
    fail_where_refused(answers, all_must=True)


def print_answers(answers: Mapping[str, Any]) -> None:
    """Print what nodes answered, but for failures."""
    told = {node: answer for node, answer in answers.items() if not is_failure(answer)}
    if told and all(isinstance(answer, dict) and set(answer) == {"ok"} for answer in told.values()):
        print_table(("node", "answer"), [(node, answer["ok"]) for node, answer in told.items()])
        return
    for node, answer in told.items():
        if isinstance(answer, dict):
            click.echo(node)
            print_facts(answer.items(), "  ")
        else:
            click.echo(f"{node}  {answer if isinstance(answer, str) else json.dumps(answer, default=str)}")


def _order(name: str, text: str, *arguments: Callable[[Any], Any]) -> click.Command:
    def run(common: Common, /, destination: list[str] | None, **given: Any) -> None:
        give(common, name, {key: value for key, value in given.items() if value is not None}, destination)

    run.__name__ = name
    command: Any = destination_option(with_errors(run))
    for argument in reversed(arguments):
        command = argument(command)
    made: click.Command = click.command(name, help=text)(common_options(command))
    return made


def _seconds(name: str, text: str) -> Callable[[Any], Any]:
    return click.argument(name, type=click.FloatRange(0, min_open=True), required=False, metavar=text)


ORDERS: Final[Iterable[click.Command]] = (
    _order(
        "time_limit",
        "Give a task other time limits, in seconds; without any, none.",
        _task,
        _seconds("soft", "[SOFT]"),
        _seconds("hard", "[HARD]"),
    ),
    _order(
        "rate_limit",
        "Keep another rate limit for a task: 10/s, 10/m, 10/h, 0. Not enforced yet.",
        _task,
        click.argument("rate"),
    ),
    _order("pool_grow", "Have N slots more.", _count),
    _order("pool_shrink", "Have N slots fewer; idle ones go first, the others finish their task.", _count),
    _order("pool_restart", "Import the application anew and replace the slots, each after its task."),
    _order("add_consumer", "Take tasks of a queue, too.", _queue),
    _order("cancel_consumer", "Take no more tasks of a queue.", _queue),
    _order("shutdown", "End nodes in order, as SIGTERM does."),
)
