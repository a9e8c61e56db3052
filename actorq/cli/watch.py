"""`actorq status`, `report`, `health`: what goes on, asked of the hub."""

from __future__ import annotations

from typing import Any

import click

from actorq.cli.asking import print_nodes
from actorq.cli.common import (
    EXIT_UNAVAILABLE,
    Common,
    ask_hub,
    common_options,
    print_data,
    print_facts,
    print_table,
    with_errors,
)
from actorq.messages.queues import QueueChoice, takes_queue

__all__ = ["health", "report", "status"]


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
            (each["pid"], each["done"], each["held"], _pool(each), _running(each), each["node"] or "?", each["slot"])
            for each in slots
        ]
        print_table(("pid", "done", "held", "pool", "running", "node", "slot"), rows)


def _print_choices(slots: list[dict[str, Any]], queues: dict[str, int]) -> None:
    """Say which nodes take some queues only, and where tasks wait that nobody takes."""
    choices: dict[str, list[QueueChoice | None]] = {}
    for each in slots:
        known = choices.setdefault(each["node"] or "?", [])
        choice = QueueChoice(**each["takes"]) if each["takes"] else None
        if choice not in known:
            known.append(choice)
    for node, several in sorted(choices.items()):
        if several != [None]:
            click.echo(f"{node} takes {'; '.join('all' if each is None else str(each) for each in several)}")
    unclaimed = [
        name
        for name, waiting in sorted(queues.items())
        if waiting and choices and not any(takes_queue(several, name) for several in choices.values())
    ]
    if unclaimed:
        click.echo(f"NO SLOT takes tasks of {', '.join(unclaimed)}")


def _pool(slot: dict[str, Any]) -> str:
    """Return the kind of a slot's pool, and how many it runs at once where that isn't one."""
    places = slot.get("places", 1)
    return slot.get("pool", "?") if places == 1 else f"{slot['pool']}:{places}"


def _running(slot: dict[str, Any]) -> str:
    return f"{slot['running']} tasks" if slot.get("running", 0) > 1 else _active(slot["active"])


def _active(task: dict[str, Any] | None) -> str:
    return "" if task is None else f"{task['task']} {task['running_s']:.1f} s"


@click.command()
@common_options
@with_errors
def report(common: Common, /) -> None:
    """Print versions, paths and settings of every node, for a bug report."""
    print_data(common, ask_hub(common, "report"), print_nodes)


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
