"""`actorq task`: what becomes of single tasks.

Whatever changes something says what it did with each id, and ends with 1 where one of them wasn't done, after the others were.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import (
    EXIT_CRASH,
    Common,
    common_options,
    open_hub,
    print_data,
    print_facts,
    print_table,
    say_error,
    with_errors,
)
from actorq.cli.spans import tell_ago, tell_span
from actorq.client.dead_letters import DeadLetters
from actorq.client.revoking import revoke
from actorq.client.tasks import describe_task
from actorq.client.why import explain
from actorq.messages.states import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["task"]

# What is in the sentences already, or in a form for programs.
HIDDEN: Final = {
    *("where", "why", "traceback", "hidden", "args", "kwargs", "paused", "slots", "takers", "free", "leaving"),
    *("ahead", "waiting", "is_chosen", "is_revoked", "is_leaving", "taken", "number", "terminating", "running_s"),
}
LISTED: Final = 20  # ids of one listing; more are counted
MEANINGS: Final = {
    "revoked": "it waited; it has ended as REVOKED",
    "terminating": "it runs; its process is being ended for it",
    "running": "it runs and goes on; a retry of it won't start",
    "ended": "it had ended before",
    "expected": "not here: it ends as REVOKED if it comes within a day",
    "refused": "not here, and too many such are remembered; cancel it again when it is",
}


@click.group()
@common_options
def task(common: Common, /) -> None:
    """Show single tasks, say why they wait, cancel them, run them again."""


@task.command("show")
@common_options
@click.argument("task_id", metavar="ID")
@click.option("--args", "arguments", is_flag=True, help="Its arguments, too, where they are plain data.")
@with_errors
def show(common: Common, /, task_id: str, *, arguments: bool) -> None:
    """Show the whole life of a task, by its ID."""
    facts = _ask_facts(common, task_id, arguments=arguments)
    facts["why"] = list(explain(facts, time.time()))
    print_data(common, facts, _print_task)
    if facts["state"] == UNKNOWN:
        raise SystemExit(EXIT_CRASH)


@task.command("why")
@common_options
@click.argument("task_id", metavar="ID")
@with_errors
def why(common: Common, /, task_id: str) -> None:
    """Say why a task waits, by its ID; or what else has become of it."""
    facts = _ask_facts(common, task_id)
    said = list(explain(facts, time.time()))
    print_data(common, {"id": task_id, "state": facts["state"], "why": said}, lambda _: click.echo("\n".join(said)))
    if facts["state"] == UNKNOWN:
        raise SystemExit(EXIT_CRASH)


def _ask_facts(common: Common, task_id: str, *, arguments: bool = False) -> dict[str, Any]:
    with open_hub(common) as hub:
        try:
            return describe_task(hub.ask, hub.app.home, task_id, arguments=arguments)
        except ValueError as error:
            raise click.UsageError(str(error)) from None


def _print_task(facts: Mapping[str, Any]) -> None:
    now = time.time()
    shown: dict[str, object] = {}
    for name, value in facts.items():
        if name in HIDDEN or value is None or value in ({}, [], "") or isinstance(value, dict | list):
            continue
        shown[name.removesuffix("_at").removesuffix("_s")] = _tell(name, value, now)
    headers = facts.get("headers")
    if headers:
        shown["headers"] = json.dumps(headers, default=str)
    for name in ("args", "kwargs"):
        if name in facts:
            shown[name] = facts[name] if isinstance(facts[name], str) else json.dumps(facts[name], default=repr)
    if "hidden" in facts:
        shown["arguments"] = f"not shown: {facts['hidden']}"
    print_facts(shown.items())
    click.echo()
    click.echo("\n".join(facts["why"]))
    if facts.get("traceback"):
        click.echo(f"\n{str(facts['traceback']).rstrip()}")


def _tell(name: str, value: Any, now: float) -> object:
    if name.endswith("_at") or name in ("eta", "expires"):
        return tell_ago(value, now) if value <= now else f"in {tell_span(value - now)}"
    return tell_span(value) if name.endswith("_s") else value


@task.command("cancel")
@common_options
@click.argument("ids", nargs=-1, metavar="ID...")
@click.option("--terminate", is_flag=True, help="End the processes that run one of them, too.")
@click.option("--signal", default="SIGTERM", metavar="NAME", help="By this signal; SIGKILL follows. Default: SIGTERM.")
@with_errors
def cancel(common: Common, /, ids: tuple[str, ...], signal: str, *, terminate: bool) -> None:
    """End tasks that haven't started as REVOKED, by ID; '-' reads ids from standard input, one a line."""
    wanted = _read_ids(ids)
    with open_hub(common) as hub:
        try:
            done = revoke(hub.ask, wanted, common.timeout_s, terminate=terminate, signal=signal)
        except (TypeError, ValueError) as error:
            raise click.UsageError(str(error)) from None
    print_data(common, done.fates, _print_fates)
    refused = done.list("refused")
    if refused:
        say_error(f"{len(refused)} not cancelled: {MEANINGS['refused']}")
        raise SystemExit(EXIT_CRASH)


@task.command("retry")
@common_options
@click.argument("ids", nargs=-1, metavar="ID...")
@with_errors
def retry(common: Common, /, ids: tuple[str, ...]) -> None:
    """Run tasks again that ended as dead letters, by ID; of the others it says why they can't be."""
    wanted = _read_ids(ids)
    with open_hub(common) as hub:
        try:
            done = DeadLetters(hub.ask).requeue(wanted, timeout=common.timeout_s)
            refused = {
                each: _tell_refusal(describe_task(hub.ask, hub.app.home, each)) for each in done.unknown[:LISTED]
            }
        except (TypeError, ValueError) as error:
            raise click.UsageError(str(error)) from None
    print_data(common, {"retried": done.count, "refused": refused}, lambda _: click.echo(f"{done.count} retried"))
    for task_id, reason in refused.items():
        say_error(f"{task_id} isn't run again: {reason}")
    if done.unknown:
        raise SystemExit(EXIT_CRASH)


def _tell_refusal(facts: Mapping[str, Any]) -> str:
    if facts["where"] == "ended":
        return f"it ended as {facts['state']}, and a result is kept without the arguments; send the task again"
    if facts["state"] == UNKNOWN:
        return "; ".join(explain(facts, time.time()))
    return f"it hasn't ended: {'; '.join(explain(facts, time.time()))}"


def _read_ids(ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for each in ids:
        found += [line.strip() for line in sys.stdin if line.strip()] if each == "-" else [each]
    if not found:
        raise click.UsageError(
            "expected the ids of tasks, got none; see: actorq inspect active, or - to read them from a pipe"
        )
    return found


def _print_fates(fates: Mapping[str, str]) -> None:
    if len(fates) <= LISTED:
        print_table(("fate", "id", ""), [(fate, task_id, MEANINGS[fate]) for task_id, fate in fates.items()])
        return
    counts = {fate: sum(found == fate for found in fates.values()) for fate in MEANINGS}
    print_table(("fate", "tasks", ""), [(fate, count, MEANINGS[fate]) for fate, count in counts.items() if count])
