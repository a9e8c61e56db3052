"""A call of a task that hasn't been made: what to call, with what, and how. The atom of every workflow.

Signatures are values. Nothing changes one: `set`, `link`, `clone` and `|` return another, so a signature can be kept, shared
and sent as often as you like. (Celery's change themselves; there `sig.link(x)` is a statement, here it is an expression.)

`dict(sig)` is its document: plain data, as JSON or MessagePack can carry it, which `Signature.from_dict` turns back. Documents
look like Celery's. Names and meanings are Celery's too, see its "Canvas: Designing Work-flows".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actorq.canvas.primitives import chain
    from actorq.drawing import DrawingFormat

__all__ = ["KINDS", "VERSION", "Sender", "Signature"]

VERSION: Final = 1  # of documents; raised when a reader of the version before would misunderstand one
FIELDS: Final = ("task", "args", "kwargs", "options", "subtask_type", "immutable", "version")


class Sender(Protocol):
    """What a signature needs of an application."""

    def call_canvas(self, canvas: Signature) -> Any:
        """Run it here and now, like a call of the function, and return what it returns."""
        ...

    def send_canvas(self, canvas: Signature) -> Any:
        """Send it and return its result object."""
        ...

    def run_canvas(self, canvas: Signature) -> Any:
        """Run it here, through the codec like one that is sent, and return its result object."""
        ...


class Signature(Mapping[str, Any]):
    """A task's name with some of its arguments and options; `subtask_type` is None but for the primitives.

    `args` and `kwargs` are *partial*: what is given when it is called goes before them, and over them. An `immutable`
    one takes nothing more: as a callback it doesn't get the result of what it follows.
    """

    __slots__ = ("_args", "_immutable", "_kwargs", "_options", "_sender", "_task")

    subtask_type: ClassVar[str | None] = None

    def __init__(
        self,
        task: Any,
        args: Any = None,
        kwargs: Any = None,
        options: Any = None,
        *,
        immutable: bool = False,
        sender: Sender | None = None,
    ) -> None:
        """Keep copies; `sender` is the application that sends it, where it isn't sent as a part of another.

        Raises:
            TypeError: a name, arguments or options of the wrong type.
        """
        if not isinstance(task, str) or not task:
            raise TypeError(f"expected the name of a task, got {task!r}")
        if args is not None and isinstance(args, str | bytes | Mapping):
            raise TypeError(f"expected args of {task} to be a list or a tuple, got {args!r}; one argument is (x,)")
        for name, given in (("kwargs", kwargs), ("options", options)):
            if given is not None and not isinstance(given, Mapping):
                raise TypeError(f"expected {name} of {task} to be a mapping, got {given!r}")
        self._task = task
        self._args: tuple[Any, ...] = tuple(args or ())
        self._kwargs: dict[str, Any] = dict(kwargs or {})
        self._options = _read_links(options or {})
        self._immutable = bool(immutable)
        self._sender = sender

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def task(self) -> str:
        """The name of the task."""
        return self._task

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments it has so far."""
        return self._args

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments it has so far; a copy."""
        return dict(self._kwargs)

    @property
    def options(self) -> dict[str, Any]:
        """The options it is sent with; a copy. `link` and `link_error` hold signatures."""
        return dict(self._options)

    @property
    def immutable(self) -> bool:
        """Whether it takes no more arguments."""
        return self._immutable

    @property
    def id(self) -> str | None:
        """The id of its result, where it was frozen or given one, else None."""
        return self._options.get("task_id")

    @property
    def sender(self) -> Sender | None:
        """The application it sends itself by: its own, or that of one of its parts."""
        return self._sender or next((part.sender for part in self.parts() if part.sender is not None), None)

    def call_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return `(args, kwargs)` that its task is called with."""
        return self._args, dict(self._kwargs)

    def parts(self) -> Iterable[Signature]:
        """Return the signatures it is made of; a plain one is made of none. Doesn't read generators."""
        return ()

    # -- another one, like it ------------------------------------------------------------------------------------------

    def replace(self, **changes: Any) -> Self:
        """Return one like it with other fields: `args kwargs options immutable sender`, and those of its kind."""
        made = object.__new__(type(self))
        for name in _slots_of(type(self)):
            setattr(made, name, changes.pop(name[1:], getattr(self, name)))
        if changes:
            raise TypeError(f"{type(self).__name__} has no field {next(iter(changes))!r}")
        return made

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Self:
        """Return it with more: `args` go before its own, `kwargs` and options over its own. An immutable one takes options only."""
        merged = {**self._options, **_read_links(options)}
        if self._immutable or not (args or kwargs):
            return self.replace(options=merged)
        return self.replace(
            args=(*args, *self._args), kwargs={**self._kwargs, **kwargs} if kwargs else self._kwargs, options=merged
        )

    def set(self, immutable: bool | None = None, **options: Any) -> Self:
        """Return it with other options, as for `apply_async`."""
        made = self.clone(**options)
        return made if immutable is None else made.replace(immutable=bool(immutable))

    def freeze(self, id: str | None = None) -> Self:
        """Return it with ids for all of its results, before it is sent: this one (None: the one it has, or a fresh one) for its own.

        Callbacks and errbacks are left as they are.
        """
        return self.set(task_id=id or self.id or str(uuid.uuid4()))

    def bind(self, sender: Sender) -> Self:
        """Return it with this application to send it."""
        return self.replace(sender=sender)

    def link(self, callback: Any) -> Self:
        """Return it with one more callback: a signature that is called with the result of a success."""
        return self._with_link("link", callback)

    def link_error(self, errback: Any) -> Self:
        """Return it with one more errback: a signature that is called with what failed; see the guide."""
        return self._with_link("link_error", errback)

    def on_error(self, errback: Any) -> Self:
        """Return it with one more errback: the same as `link_error`."""
        return self.link_error(errback)

    def _with_link(self, name: str, linked: Any) -> Self:
        links = self._options.get(name, ())
        found = as_signature(linked, f"a {'callback' if name == 'link' else 'errback'}")
        return self if found in links else self.replace(options={**self._options, name: (*links, found)})

    @property
    def callbacks(self) -> tuple[Signature, ...]:
        """What is called with its result."""
        return tuple(self._options.get("link", ()))

    @property
    def errbacks(self) -> tuple[Signature, ...]:
        """What is called when it fails."""
        return tuple(self._options.get("link_error", ()))

    # -- composing -----------------------------------------------------------------------------------------------------

    def __or__(self, other: object) -> Signature:
        if not isinstance(other, Signature):
            return NotImplemented
        kind: type[chain] = KINDS["chain"]
        return kind.of((self, other))

    # -- sending: the application does it ------------------------------------------------------------------------------

    def apply_async(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send it and return its result.

        Raises:
            TypeError: it was read from a document, and nobody said which application sends it.
        """
        return self._find_sender().send_canvas(self.clone(args, kwargs, **options))

    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """Send it with these arguments before its own: `apply_async` without options."""
        return self.apply_async(args, kwargs)

    def apply(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run it here and return its result object."""
        return self._find_sender().run_canvas(self.clone(args, kwargs, **options))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it here, like the function."""
        return self._find_sender().call_canvas(self.clone(args, kwargs))

    def __invert__(self) -> Any:
        """Send it and wait for what it returns."""
        return self.apply_async().get()

    def _find_sender(self) -> Sender:
        sender = self.sender
        if sender is None:
            raise TypeError(
                f"expected {self!r} to belong to an application, got one made from plain data;"
                " say app.signature(...) instead of signature(...), or sig.bind(app)"
            )
        return sender

    # -- as a document -------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        match name:
            case "task":
                return self._task
            case "args":
                return list(self._args)
            case "kwargs":
                return self.document_kwargs()
            case "options":
                return {key: _write_option(value) for key, value in self._options.items()}
            case "subtask_type":
                return self.subtask_type
            case "immutable":
                return self._immutable
            case "version":
                return VERSION
            case _:
                raise KeyError(name)

    def document_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments as they stand in the document, those of its kind included."""
        return dict(self._kwargs)

    def __iter__(self) -> Iterator[str]:
        return iter(FIELDS)

    def __len__(self) -> int:
        return len(FIELDS)

    def __bool__(self) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # its arguments may be anything

    def __reduce__(self) -> tuple[Any, ...]:
        return Signature.from_dict, (dict(self),)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], sender: Sender | None = None) -> Signature:
        """Return the signature, of whichever kind, whose document this is.

        Raises:
            TypeError, ValueError: it isn't one, or a newer version wrote it.
        """
        return read_document(document, sender)

    # -- for people ----------------------------------------------------------------------------------------------------

    def draw(self, format: DrawingFormat = "text") -> str:
        """Return a drawing of it: "text" for people, "dot" for Graphviz, "mermaid". What generators in it make is read and kept.

        Raises:
            ValueError: no such format.
        """
        from actorq.canvas.drawing import draw_canvas  # noqa: PLC0415  only for whoever draws

        return draw_canvas(self, format)

    @property
    def name(self) -> str:
        """The same as `task`."""
        return self._task

    def __repr__(self) -> str:
        shown = [*map(repr, self._args), *(f"{key}={value!r}" for key, value in self._kwargs.items())]
        return f"{self._task}({', '.join(shown)})"


KINDS: Final[dict[str, type[Any]]] = {}  # by `subtask_type`; `actorq.canvas.primitives` fills it


def as_signature(value: Any, what: str) -> Signature:
    """Return a signature that was given as such or as a document.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, Signature):
        return value
    if isinstance(value, Mapping):
        return read_document(value)
    hint = "; say task.s(...) instead of task" if callable(value) else ""
    raise TypeError(f"expected {what} to be a signature, got {value!r}{hint}")


def read_document(document: Any, sender: Sender | None = None) -> Signature:
    """Return the signature of a document; see `Signature.from_dict`."""
    if isinstance(document, Signature):
        return document if sender is None else document.bind(sender)
    if not isinstance(document, Mapping) or not isinstance(document.get("task"), str):
        raise TypeError(f"expected the document of a signature, a mapping with the name of a 'task', got {document!r}")
    version = document.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise ValueError(
            f"expected a signature of version {VERSION} at most, got version {version!r} of {document['task']};"
            " a newer actorq wrote it: update this one"
        )
    kind = document.get("subtask_type")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"expected subtask_type to be one of {', '.join(map(repr, KINDS))} or None, got {kind!r}")
    fields = {name: document.get(name) for name in ("args", "kwargs", "options")}
    immutable = bool(document.get("immutable"))
    if kind is None:
        return Signature(document["task"], **fields, immutable=immutable, sender=sender)
    made: Signature = KINDS[kind].read(**fields)
    return made.replace(immutable=immutable, sender=sender)


def _read_links(options: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(options)
    for name in ("link", "link_error"):
        if name in read:
            given = read[name]
            # Celery takes one, too.
            several = () if given is None else (given,) if isinstance(given, Mapping) else given
            read[name] = tuple(as_signature(each, f"each of {name}") for each in several)
    return read


def _write_option(value: Any) -> Any:
    if isinstance(value, tuple) and value and isinstance(value[0], Signature):
        return [dict(each) for each in value]
    return value


def _slots_of(kind: type[Any]) -> list[str]:
    return [name for each in reversed(kind.__mro__) for name in each.__dict__.get("__slots__", ()) if name[:1] == "_"]
