"""`actorq call`, `actorq result`: one task at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import EXIT_CRASH, Common, common_options, hint_start, open_app, print_data, with_errors
from actorq.errors import BrokerUnavailable, ResultTimeout, TaskIgnored

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.results import AsyncResult

__all__ = ["call", "result"]

ANSWER_S: Final = 0.5  # a broker that is there answers a question within milliseconds


@click.command()
@common_options
@click.argument("task", metavar="NAME")
@click.option("-a", "--args", "args_json", default="[]", metavar="JSON", help="Positional arguments: '[2, 3]'.")
@click.option("-k", "--kwargs", "kwargs_json", default="{}", metavar="JSON", help="Keyword arguments: '{\"x\": 2}'.")
@click.option("-q", "--queue", metavar="QUEUE", help="Where it waits.")
@click.option("--priority", type=click.IntRange(0, 9), metavar="0..9", help="9 goes first.")
@click.option("--countdown", type=float, metavar="SECONDS", help="Start it no sooner than in so many seconds.")
@click.option("--no-wait", is_flag=True, help="Print its id once it is committed; don't wait for its result.")
@with_errors
def call(common: Common, /, task: str, args_json: str, kwargs_json: str, *, no_wait: bool, **options: Any) -> None:
    """Send the task NAME and print its result.

    With -A its arguments are checked here; without, a running node says where to send it and finds out itself.
    """
    args, kwargs = _parse("--args", args_json, list), _parse("--kwargs", kwargs_json, dict)
    given = {name: value for name, value in options.items() if value is not None}
    with open_app(common) as app:
        try:
            sent = app.send_task(task, args, kwargs, **given)
        except (TypeError, ValueError) as error:  # the arguments or an option don't fit
            raise click.UsageError(str(error)) from None
        if no_wait:
            _confirm(common, app, sent)
            print_data(common, {"id": sent.id}, lambda data: click.echo(data["id"]))
        else:
            _print_result(common, app, sent)


@click.command()
@common_options
@click.argument("task_id")
@with_errors
def result(common: Common, /, task_id: str) -> None:
    """Print the result of the task TASK_ID; waits --timeout seconds for it."""
    with open_app(common) as app:
        _print_result(common, app, app.AsyncResult(task_id))


def _confirm(common: Common, app: App, sent: AsyncResult[Any]) -> None:
    """Wait until the task is committed.

    Raises:
        BrokerUnavailable: nobody answers; says that it is kept, and how to start a node.
    """
    try:
        sent.confirm(common.timeout_s)
    except BrokerUnavailable as error:
        hint = f"task {sent.id} is kept in the outbox; {hint_start(common, app.home.path)}"
        raise BrokerUnavailable(error.address, error.waited_s, hint) from None


def _print_result(common: Common, app: App, sent: AsyncResult[Any]) -> None:
    try:
        value = sent.get(timeout=common.timeout_s, propagate=False)
    except ResultTimeout:
        _raise_if_unanswered(common, app, sent)
        if common.as_json:
            data = {"id": sent.id, "state": sent.state, "result": None, "info": sent.info}
            click.echo(json.dumps(data, default=str))
        raise
    is_failure = isinstance(value, BaseException)
    data = {"id": sent.id, "state": sent.state, "result": None if is_failure else value}
    if is_failure:
        data |= {"error": f"{type(value).__name__}: {value}", "traceback": sent.traceback}
        if isinstance(value, TaskIgnored):
            data["info"] = value.meta
    print_data(common, data, _print_value)
    if is_failure:
        raise SystemExit(EXIT_CRASH)


def _raise_if_unanswered(common: Common, app: App, sent: AsyncResult[Any]) -> None:
    """Tell a node that isn't there from a task that takes long: they end with different exit codes.

    Raises:
        BrokerUnavailable: nobody answers.
    """
    try:
        app.ask("status", timeout=ANSWER_S)
    except BrokerUnavailable as error:
        hint = f"task {sent.id} has no result here; {hint_start(common, app.home.path)}"
        raise BrokerUnavailable(error.address, common.timeout_s, hint) from None


def _print_value(data: dict[str, Any]) -> None:
    if "error" not in data:
        value = data["result"]
        click.echo(value if isinstance(value, str) else json.dumps(value, default=repr))
        return
    click.echo(f"{data['state']}: {data['error']}", err=True)
    text = (data["traceback"] or "").rstrip()
    if "\n" in text:  # one line is the error once more: the task's own code was never reached
        click.echo(text, err=True)


def _parse(option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"expected {option} to be JSON, got {text!r}: {error}") from None
    if not isinstance(value, kind):
        wanted = "array" if kind is list else "object"
        raise click.UsageError(f"expected {option} to be a JSON {wanted}, got {text!r}")
    return value
