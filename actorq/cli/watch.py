"""`actorq status`, `tree`, `inspect …`, `report`, `health`: what goes on, asked of the hub."""

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

__all__ = ["health", "inspect", "report", "status", "tree"]

WATCH_S: Final = 1.0
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


def _active(task: dict[str, Any] | None) -> str:
    return "" if task is None else f"{task['task']} {task['running_s']:.1f} s"


@click.command()
@common_options
@click.option("-w", "--watch", is_flag=True, help="Redraw every second, until Ctrl-C.")
@with_errors
def tree(common: Common, /, *, watch: bool) -> None:
    """Show the live supervision tree of every node.

    PID is the process that a component looks after, RESTARTS how often the component itself came back.
    """
    while True:
        data = ask_hub(common, "tree")
        if watch and not common.as_json:
            click.clear()
        print_data(common, data, _print_trees)
        if not watch:
            return
        try:
            time.sleep(WATCH_S)
        except KeyboardInterrupt:
            return


def _print_trees(nodes: dict[str, Any]) -> None:
    rows: list[tuple[str, ...]] = []
    for name, root in nodes.items():
        if "error" in root and "id" not in root:
            rows.append((name, "silent", "", "", "", root["error"]))
            continue
        _add_branch(rows, root, "", "", label=name)
    print_table(("component", "state", "restarts", "mailbox", "pid", "facts"), rows)


def _add_branch(
    rows: list[tuple[str, ...]], node: dict[str, Any], stem: str, lead: str, label: str | None = None
) -> None:
    facts = dict(node.get("facts") or {})
    # `pid` of the node is the actor's number; only an actor that looks after a process tells one.
    pid = facts.pop("pid", None)
    rows.append(
        (
            f"{lead}{label or node['id']}",
            node["state"],
            str(node["restarts"]),
            str(node["mailbox"] or 0),
            "" if pid is None else str(pid),
            _tell(facts, node.get("last_error")),
        )
    )
    children = node.get("children") or []
    for place, child in enumerate(children):
        is_last = place == len(children) - 1
        _add_branch(rows, child, stem + ("   " if is_last else "│  "), stem + ("└─ " if is_last else "├─ "))


def _tell(facts: dict[str, Any], last_error: object) -> str:
    """Return what a component says of itself, its last error first: that is what somebody looks for."""
    told = []
    if last_error:
        told.append(f"last error: {str(last_error).splitlines()[0]}")
    if {"strategy", "intensity", "period_s", "incidents"} <= facts.keys():
        strategy, intensity, period_s, incidents = (
            facts.pop(name) for name in ("strategy", "intensity", "period_s", "incidents")
        )
        told.append(f"{strategy}, {incidents} of {intensity} restarts in {period_s:g} s")
    told += [f"{key}={value}" for key, value in facts.items() if value is not None]
    return " ".join(told)


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
    "stats": "Memory, processor time, slots.",
}.items():
    _inspector(_name, _text)


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
