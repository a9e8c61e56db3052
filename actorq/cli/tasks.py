"""`actorq call`, `actorq result`: one task at a time."""

from __future__ import annotations

import json
from typing import Any

import click

from actorq.cli.common import Common, common_options, load, locate, print_data, with_errors
from actorq.errors import ConfigError, ResultTimeout

__all__ = ["call", "result"]


@click.command()
@common_options
@click.argument("task")
@click.option("-a", "--args", "args_json", default="[]", metavar="JSON", help='Positional arguments, e.g. "[2, 3]".')
@click.option(
    "-k", "--kwargs", "kwargs_json", default="{}", metavar="JSON", help="Keyword arguments, e.g. '{\"x\": 2}'."
)
@click.option("-q", "--queue", metavar="NAME", help="Where it waits.")
@click.option("--priority", type=click.IntRange(0, 9), help="9 goes first.")
@click.option("--countdown", type=float, metavar="SECONDS", help="Run it not before.")
@click.option("--no-wait", is_flag=True, help="Print the id and don't wait for the result.")
@with_errors
def call(common: Common, /, task: str, args_json: str, kwargs_json: str, *, no_wait: bool, **options: Any) -> None:
    """Send TASK (its name) and print its result."""
    app = load(common)
    args, kwargs = _parse("--args", args_json, list), _parse("--kwargs", kwargs_json, dict)
    given = {name: value for name, value in options.items() if value is not None}
    sent = app.send_task(task, args, kwargs, **given)
    with app:
        if no_wait:
            sent.confirm(common.timeout_s)
            click.echo(sent.id)
            return
        _print_result(common, sent)


@click.command()
@common_options
@click.argument("task_id")
@with_errors
def result(common: Common, /, task_id: str) -> None:
    """Print the result of the task TASK_ID, waiting for it if need be."""
    from actorq.app import App

    with load(common) if common.app else App("default", home=locate(common).path) as app:
        _print_result(common, app.AsyncResult(task_id))


def _print_result(common: Common, sent: Any) -> None:
    try:
        value = sent.get(timeout=common.timeout_s, propagate=False)
    except ResultTimeout as error:
        if not sent.ready():
            raise error from None
        value = sent.get(timeout=common.timeout_s, propagate=False)
    is_failure = isinstance(value, BaseException)
    data = {"id": sent.id, "state": sent.state, "result": None if is_failure else value}
    if is_failure:
        data |= {"error": f"{type(value).__name__}: {value}", "traceback": sent.traceback}
    print_data(common, data, _print_value)
    if is_failure:
        raise SystemExit(1)


def _print_value(data: dict[str, Any]) -> None:
    if "error" not in data:
        value = data["result"]
        click.echo(value if isinstance(value, str) else json.dumps(value, default=repr))
    else:
        click.echo(f"{data['state']}: {data['error']}", err=True)
        if data["traceback"]:
            click.echo(data["traceback"].rstrip(), err=True)


def _parse(option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"expected {option} to be JSON, got {text!r}: {error}") from None
    if not isinstance(value, kind):
        wanted = "array" if kind is list else "object"
        raise click.UsageError(f"expected {option} to be a JSON {wanted}, got {text!r}")
    return value
