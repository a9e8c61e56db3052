"""`actorq status`, `tree`, `inspect …`, `report`, `health`: what goes on, asked of the hub."""

from __future__ import annotations

import json
import time
from typing import Any, Final

import click

from actorq.cli.common import Common, ask_hub, common_options, print_data, print_table, with_errors

__all__ = ["health", "inspect", "report", "status", "tree"]

WATCH_S: Final = 1.0


@click.command()
@common_options
@with_errors
def status(common: Common, /) -> None:
    """Show the hub, the nodes, their slots and the queues."""
    print_data(common, ask_hub(common, "status"), _print_status)


def _print_status(data: dict[str, Any]) -> None:
    click.echo(f"home {data['home']}")
    click.echo(f"hub {data['hub']}, epoch {data['epoch']}; nodes: {', '.join(data['nodes']) or 'none'}")
    click.echo(
        f"tasks: {data['accepted']} accepted and {data['finished']} finished in this epoch, "
        f"{data['unfinished']} unfinished{', the disk is FULL' if data['full'] else ''}"
    )
    if data["queues"]:
        click.echo("")
        print_table(("queue", "waiting"), sorted(data["queues"].items()))
    if data["slots"]:
        click.echo("")
        rows = [
            (each["slot"], each["node"], each["pid"], each["done"], each["held"], _active(each["active"]))
            for each in sorted(data["slots"], key=lambda each: (each["node"], each["slot"]))
        ]
        print_table(("slot", "node", "pid", "done", "held", "running"), rows)


def _active(task: dict[str, Any] | None) -> str:
    return "" if task is None else f"{task['task']} {task['running_s']:.1f} s"


@click.command()
@common_options
@click.option("-w", "--watch", is_flag=True, help="Redraw every second until Ctrl-C.")
@with_errors
def tree(common: Common, /, *, watch: bool) -> None:
    """Show the live supervision tree of every node."""
    while True:
        data = ask_hub(common, "tree")
        if watch:
            click.clear()
        print_data(common, data, _print_trees)
        if not watch:
            return
        time.sleep(WATCH_S)


def _print_trees(nodes: dict[str, Any]) -> None:
    rows: list[tuple[str, ...]] = []
    for name, root in nodes.items():
        if "error" in root and "id" not in root:
            rows.append((f"{name}: {root['error']}", "", "", "", "", ""))
            continue
        _add_branch(rows, root, "", "", label=name)
    print_table(("component", "state", "restarts", "mailbox", "pid", "facts"), rows)


def _add_branch(
    rows: list[tuple[str, ...]], node: dict[str, Any], stem: str, lead: str, label: str | None = None
) -> None:
    facts = dict(node.get("facts") or {})
    pid = facts.pop("pid", node.get("pid") or "")
    told = " ".join(f"{key}={value}" for key, value in facts.items() if value is not None)
    if node.get("last_error"):
        told = f"{told} last_error={str(node['last_error']).splitlines()[0][:80]!r}".strip()
    rows.append(
        (
            f"{lead}{label or node['id']}",
            node["state"],
            str(node["restarts"]),
            str(node["mailbox"] or 0),
            str(pid),
            told,
        )
    )
    children = node.get("children") or []
    for place, child in enumerate(children):
        is_last = place == len(children) - 1
        _add_branch(rows, child, stem + ("   " if is_last else "│  "), stem + ("└─ " if is_last else "├─ "))


@click.group()
@common_options
def inspect(common: Common, /) -> None:
    """Ask every node what it does; prints {node: answer}."""


def _inspector(name: str, text: str) -> None:
    @inspect.command(name, help=text)
    @common_options
    @with_errors
    def ask(common: Common, /) -> None:
        print_data(common, ask_hub(common, name), _print_nodes)


for _name, _text in {
    "ping": "Which nodes answer.",
    "active": "What runs now.",
    "reserved": "What slots hold and haven't started.",
    "registered": "Which tasks the nodes know.",
    "stats": "Processes, memory, processor time.",
}.items():
    _inspector(_name, _text)


def _print_nodes(nodes: dict[str, Any]) -> None:
    for name, answer in nodes.items():
        click.echo(f"{name}:")
        if isinstance(answer, dict):
            for key, value in answer.items():
                click.echo(f"    {key}: {value}")
        elif isinstance(answer, list):
            for item in answer:
                click.echo(f"    {item if isinstance(item, str) else json.dumps(item)}")
            if not answer:
                click.echo("    nothing")
        else:
            click.echo(f"    {answer}")


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
    """Exit with 0 if every node of the home answers, else 69. Imports no application if --home or one running node says where."""
    nodes = ask_hub(common, "ping")
    silent = [name for name, answer in nodes.items() if "error" in answer]
    print_data(
        common,
        {"ok": not silent and bool(nodes), "nodes": nodes},
        lambda data: click.echo("ok" if data["ok"] else f"no answer from: {', '.join(silent) or 'any node'}"),
    )
    if silent or not nodes:
        raise SystemExit(69)
