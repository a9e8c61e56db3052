"""`actorq status`, `inspect …`, `report`, `health`: what goes on, asked of the hub."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from actorq.cli.common import (
    EXIT_UNAVAILABLE,
    Common,
    ask_hub,
    common_options,
    echo_line,
    print_data,
    print_facts,
    print_table,
    with_errors,
)
from actorq.cli.spans import tell_ago
from actorq.messages.queues import QueueChoice

__all__ = ["health", "inspect", "report", "status"]

NOT_CONNECTED: Final = "? (slots in the middle of a task, not connected to this hub yet)"


@click.command()
@common_options
@with_errors
def status(common: Common, /) -> None:
    """Show the hub, the nodes, their slots and the queues."""
    print_data(common, ask_hub(common, "status"), _print_status)


def _print_status(data: dict[str, Any]) -> None:
    slots = sorted(data["slots"], key=lambda each: (each["node"], each["slot"]))
    deaths = f", {data['slot_deaths']} died" if data["slot_deaths"] else ""
    print_facts(
        {
            "home": data["home"],
            "hub": f"{data['hub']}, epoch {data['epoch']}",
            "nodes": ", ".join(data["nodes"]) or "none",
            "slots": f"{len(slots)}{deaths}",
            "tasks": f"{data['unfinished']} unfinished; this epoch {data['accepted']} accepted, {data['finished']} finished",
        }.items()
    )
    for component, why in data["degraded"].items():
        click.echo(f"DEGRADED: {component} is {why}")
    if data["full"]:
        click.echo("the disk is FULL: new tasks are refused until there is room")
    _print_choices(slots, data["queues"])
    if data["queues"]:
        click.echo("")
        print_table(("queue", "waiting"), sorted(data["queues"].items()))
    if slots:
        click.echo("")
        # What varies in width comes last: a narrow terminal cuts names, never numbers.
        rows = [
            (each["pid"], each["done"], each["held"], _active(each["active"]), each["node"] or "?", each["slot"])
            for each in slots
        ]
        print_table(("pid", "done", "held", "running", "node", "slot"), rows)


def _print_choices(slots: list[dict[str, Any]], queues: dict[str, int]) -> None:
    """Say which nodes take some queues only, and where tasks wait that nobody takes."""
    choices = {each["node"] or "?": each["takes"] and QueueChoice(**each["takes"]) for each in slots}
    for node, choice in sorted(choices.items()):
        if choice:
            click.echo(f"{node} takes {choice}")
    unclaimed = [
        name
        for name, waiting in sorted(queues.items())
        if waiting and choices and not any(choice is None or choice.takes(name) for choice in choices.values())
    ]
    if unclaimed:
        click.echo(f"NO SLOT takes tasks of {', '.join(unclaimed)}")


def _active(task: dict[str, Any] | None) -> str:
    return "" if task is None else f"{task['task']} {task['running_s']:.1f} s"


@click.group()
@common_options
def inspect(common: Common, /) -> None:
    """Ask every node what it does; with --json {node: answer}."""


def _inspector(name: str, text: str) -> None:
    @inspect.command(name, help=text)
    @common_options
    @with_errors
    def ask(common: Common, /) -> None:
        print_data(common, ask_hub(common, name), _print_nodes)


for _name, _text in {
    "ping": "Which nodes answer.",
    "active": "Tasks that run now.",
    "reserved": "Tasks that slots hold and haven't started.",
    "registered": "Tasks that the nodes know.",
    "stats": "Memory, processor time, slots, lost messages.",
}.items():
    _inspector(_name, _text)


@inspect.command("dead-letters")
@common_options
@with_errors
def dead_letters(common: Common, /) -> None:
    """Messages between components that found nobody, the last ones of each node.

    Tasks are never among them: what was lost here is asked again, or its sender was told.
    """
    print_data(common, ask_hub(common, "dead-letters"), _print_dead_letters)


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


def _print_nodes(nodes: dict[str, Any]) -> None:
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
    running_s = item.get("running_s")
    since = "" if running_s is None else f"{running_s:.1f} s  "
    return f"{item['id']}  {item['task']}  {since}queue {item['queue']}  slot {item['slot']}"


@click.command()
@common_options
@with_errors
def report(common: Common, /) -> None:
    """Print versions, paths and settings of every node, for a bug report."""
    print_data(common, ask_hub(common, "report"), _print_nodes)


@click.command()
@common_options
@with_errors
def health(common: Common, /) -> None:
    """Exit with 0 if every node of the home answers, else with 69; for probes.

    It imports no application where --home or a running node says where to ask.
    """
    nodes = ask_hub(common, "ping")
    silent = [name for name, answer in nodes.items() if "error" in answer]
    print_data(
        common,
        {"ok": not silent and bool(nodes), "nodes": nodes},
        lambda data: click.echo("ok" if data["ok"] else f"no answer from: {', '.join(silent) or 'any node'}"),
    )
    if silent or not nodes:
        raise SystemExit(EXIT_UNAVAILABLE)
