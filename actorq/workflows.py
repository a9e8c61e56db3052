"""What an application does with signatures: `sig()`, `sig.delay()` and `sig.apply()` end up here.

One task without links is sent as `task.apply_async` would. Anything else is a workflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actorq.canvas.maps import xmap
from actorq.canvas.plan import LINKS
from actorq.eager import find_here
from actorq.eager_workflow import EagerWorkflow, running
from actorq.errors import ActorqError
from actorq.tasks.built_in import add_built_in
from actorq.tasks.request import current

if TYPE_CHECKING:
    from actorq.app import App
    from actorq.canvas import Signature
    from actorq.tasks.request import Request

__all__ = ["add_to_chord", "call_canvas", "run_canvas", "run_replacement", "send_canvas"]


def call_canvas(app: App, canvas: Signature) -> Any:
    """Call the task of a signature, like a function.

    Raises:
        NotRegistered: there is no such task here.
    """
    add_built_in(app)
    args, kwargs = canvas.call_arguments()
    return find_here(app.tasks, canvas.task)(*args, **kwargs)


def send_canvas(app: App, canvas: Signature) -> Any:
    """Send a signature and return its result.

    Raises:
        ActorqError: it is a workflow, and none can be sent yet.
        TypeError, ValueError, EncodeError, QueueFull: see `Task.apply_async`.
    """
    if app.conf.task_always_eager:
        add_built_in(app)
    if _is_single(canvas):
        args, kwargs = canvas.call_arguments()
        options = {name: value for name, value in canvas.options.items() if name not in LINKS}  # there are none
        return app.send_task(canvas.task, args, kwargs, **options)
    if app.conf.task_always_eager:
        return run_canvas(app, canvas)
    raise ActorqError(
        f"expected one task without callbacks, got {canvas!r}: a node doesn't run workflows yet; run it here by apply(), or"
        " with the setting task_always_eager, or send its tasks one by one"
    )


def run_canvas(app: App, canvas: Signature) -> Any:
    """Run a signature here as a node would, with everything through the codec, and return its result.

    Raises:
        NotRegistered: one of its tasks isn't known here; then none has run.
        TypeError, ValueError: arguments or options of one don't fit; then none has run, unless the misfit came from a result.
    """
    add_built_in(app)
    options = canvas.options
    options.pop("confirm", None)
    result = EagerWorkflow(app, canvas.replace(options=options)).run()
    if app.conf.task_eager_propagates:
        result.get(disable_sync_subtasks=False)
    return result


def run_replacement(app: App, canvas: Signature, request: Request) -> Any:
    """Run a signature in the place of the task of `request`: under its id, in its line of calls; return its value, or raise.

    Raises:
        As `run_canvas`.
    """
    add_built_in(app)
    lineage = request.root_id, request.parent_id or ""
    workflow = EagerWorkflow(app, canvas.set(task_id=request.id), lineage, nesting=request.replaced_task_nesting + 1)
    return workflow.run().get(disable_sync_subtasks=False)


def add_to_chord(canvas: Signature) -> None:
    """Add a member to the header of the chord in which the running task is.

    Raises:
        ValueError: it is in none. NotRegistered, TypeError: as `run_canvas`.
    """
    request, place = current.get(), running.get()
    if request is None or place is None or place.task_id != request.id:
        raise ValueError("expected a task in the header of a chord to be running, got none")
    place.workflow.add_member(place.node, canvas)


def _is_single(canvas: Signature) -> bool:
    return (canvas.subtask_type is None or isinstance(canvas, xmap)) and not canvas.callbacks and not canvas.errbacks
