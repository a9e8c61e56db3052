"""What workflows are made of: chain, group, chord, map, starmap, chunks. Values, like the signatures in them.

Invariant: a chain is in its *normal form* as soon as it is made. Nested chains are flat, empty members are gone, a group of one
is that one, what follows a group is the body of a chord, and tasks that follow a chord belong to its body. So a workflow is
written in one way, whatever way it was put together, and a pipeline of a thousand stages is no deeper than one of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, cycle, islice, takewhile
from typing import TYPE_CHECKING, Any, Self

from actorq.canvas.kinds import PREFIX, Primitive
from actorq.canvas.maps import xstarmap
from actorq.canvas.members import Members, read_members
from actorq.canvas.signature import Signature, as_signature

if TYPE_CHECKING:
    from actorq.canvas.signature import Sender

__all__ = ["chain", "chord", "chunks", "group", "signature"]


class chain(Primitive):  # noqa: N801  Celery's name
    """One after the other, each with the result of the one before: `chain(a, b)` is `a | b`."""

    __slots__ = ("_tasks",)
    _tasks: tuple[Signature, ...]

    def __new__(cls, *tasks: Any, **options: Any) -> Any:
        """Return the normal form: the member itself where there is one alone.

        Raises:
            TypeError: a member isn't a signature.
        """
        made = cls.of(read_members(tasks, "chain"))
        return made.set(**options) if options else made

    def __init__(self, *tasks: Any, **options: Any) -> None:
        """Nothing: `__new__` has done it."""

    @classmethod
    def of(cls, parts: Iterable[Signature]) -> Signature:
        """Return the normal form of these, one after the other."""
        tasks: list[Signature] = []
        for part in _flatten(parts):
            last = tasks[-1] if tasks else None
            if isinstance(last, group):
                tasks[-1] = chord.of(last, part)
            elif isinstance(last, chord) and (last.body is None or not isinstance(part, group | chord)):
                tasks[-1] = last.replace(body=part if last.body is None else cls.of((last.body, part)))
            else:
                tasks.append(part)
        return tasks[0] if len(tasks) == 1 else cls.make(tasks=tuple(tasks))

    @classmethod
    def read(cls, args: Any, kwargs: Any, options: Any) -> Self:
        """Return the one whose document has these fields."""
        rest = dict(kwargs or {})
        tasks = tuple(as_signature(each, "a member of a chain") for each in rest.pop("tasks", ()))
        return cls.make(options, tasks=tasks, args=tuple(args or ()), kwargs=rest)

    @property
    def tasks(self) -> tuple[Signature, ...]:
        """The members, in order."""
        return self._tasks

    @property
    def id(self) -> str | None:
        """The id of its result, which is its last task's."""
        return super().id or (self._tasks[-1].id if self._tasks else None)

    def freeze(self, id: str | None = None) -> Self:
        """Return it with ids for all of its tasks; this one is the last one's."""
        tasks = [each.freeze() for each in self._tasks]
        if tasks:
            tasks[-1] = tasks[-1].freeze(id or self.id)
        options = {name: value for name, value in self._options.items() if name != "task_id"}
        return self.replace(tasks=tuple(tasks), options=options)

    def parts(self) -> Iterable[Signature]:
        """Return its members."""
        return self.tasks

    def link(self, callback: Any) -> Self:
        """Return it with a callback for its last task."""
        return self._with_last(lambda last: last.link(callback))

    def link_error(self, errback: Any) -> Self:
        """Return it with an errback for whichever of its tasks fails."""
        return self.replace(tasks=tuple(each.link_error(errback) for each in self.tasks))

    def _with_last(self, change: Callable[[Signature], Signature]) -> Self:
        return self if not self.tasks else self.replace(tasks=(*self.tasks[:-1], change(self.tasks[-1])))

    def document_kwargs(self) -> dict[str, Any]:
        """Return its partial keyword arguments and its members' documents."""
        return {**self._kwargs, "tasks": [dict(each) for each in self.tasks]}

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.tasks)) or "chain()"


class group(Primitive):  # noqa: N801  Celery's name
    """All at once; the result is the list of theirs, in order. Members may come from a generator, which is read when it is sent."""

    __slots__ = ("_members",)
    _members: Members

    def __init__(self, *tasks: Any, **options: Any) -> None:
        """Take signatures, or one iterable of them, or one group.

        Raises:
            TypeError: a member isn't a signature.
        """
        super().__init__(PREFIX + "group", options=options)
        if len(tasks) == 1 and isinstance(tasks[0], group):
            self._members = tasks[0]._members  # noqa: SLF001  of its own kind
        else:
            self._members = Members(read_members(tasks, "group"))

    @classmethod
    def read(cls, args: Any, kwargs: Any, options: Any) -> Self:
        """Return the one whose document has these fields."""
        rest = dict(kwargs or {})
        return cls.make(
            options,
            members=Members(read_members((rest.pop("tasks", ()),), "group")),
            args=tuple(args or ()),
            kwargs=rest,
        )

    @property
    def tasks(self) -> tuple[Signature, ...]:
        """The members, in order; a generator is read to its end and kept.

        Raises:
            ValueError: they came from a generator that was read when the group was sent.
        """
        return self._members.all()

    def iter_tasks(self) -> Iterator[Signature]:
        """Return the members one by one; those of a generator can be had once."""
        return self._members.take()

    def count_up_to(self, most: int) -> int:
        """Return how many members there are, or `most` if there are as many at least. Reads no more of a generator."""
        return self._members.count_up_to(most)

    @property
    def sender(self) -> Sender | None:
        """The application it sends itself by; the first member of a generator is read to find out."""
        if self._sender is None:
            self._members.count_up_to(1)
        return super().sender

    def parts(self) -> Iterable[Signature]:
        """Return its members, without those a generator hasn't made yet."""
        return self._members.known()

    def link(self, callback: Any) -> Self:
        """Return it with a callback for each member."""
        return self.replace(members=self._members.map(lambda each: each.link(callback)))

    def link_error(self, errback: Any) -> Self:
        """Return it with an errback for each member."""
        return self.replace(members=self._members.map(lambda each: each.link_error(errback)))

    def freeze(self, id: str | None = None) -> Self:
        """Return it with an id for the whole and for each member."""
        return super().freeze(id).replace(members=self._members.map(lambda each: each.freeze()))

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> Self:
        """Return it with a countdown for each member: `start`, `start + step`, … below `stop`, then again from `start`."""
        countdowns = _skewed(start, stop, step)
        return self.replace(members=self._members.map(lambda each: each.set(countdown=next(countdowns))))

    def document_kwargs(self) -> dict[str, Any]:
        """Return its partial keyword arguments and its members' documents."""
        return {**self._kwargs, "tasks": [dict(each) for each in self.tasks]}

    def __repr__(self) -> str:
        return f"group({self._members!r})"


class chord(Primitive):  # noqa: N801  Celery's name
    """A group, and a *body* that is called with the list of its results: `chord(header)(body)`, `chord(header, body)`, `group | body`."""

    __slots__ = ("_body", "_header")

    def __init__(self, header: Any, body: Any = None, **options: Any) -> None:
        """Take a group or an iterable of signatures, and the body.

        Raises:
            TypeError: a member or the body isn't a signature.
        """
        super().__init__(PREFIX + "chord", options=options)
        self._header = header if isinstance(header, group) else group(header)
        self._body = None if body is None else as_signature(body, "the body of a chord")

    @classmethod
    def of(cls, header: group, body: Signature) -> Self:
        """Return the chord of a group that has its own partial arguments and options."""
        return cls(header, body).replace(sender=header.sender)

    @classmethod
    def read(cls, args: Any, kwargs: Any, options: Any) -> Self:
        """Return the one whose document has these fields."""
        rest = dict(kwargs or {})
        header, body = as_signature(rest.pop("header", None), "the header of a chord"), rest.pop("body", None)
        made = cls(header if isinstance(header, group) else (header,), body, **(options or {}))
        return made.replace(args=tuple(args or ()), kwargs=rest)

    @property
    def header(self) -> group:
        """The group."""
        return self._header

    @property
    def id(self) -> str | None:
        """The id of its result, which is its body's."""
        return super().id or (None if self._body is None else self._body.id)

    def freeze(self, id: str | None = None) -> Self:
        """Return it with ids for header and body; this one is the body's."""
        options = {name: value for name, value in self._options.items() if name != "task_id"}
        return self.replace(header=self._header.freeze(), body=self._need_body().freeze(id or self.id), options=options)

    @property
    def tasks(self) -> tuple[Signature, ...]:
        """The members of the header."""
        return self._header.tasks

    @property
    def body(self) -> Signature | None:
        """What is called with their results; None as long as nobody has said."""
        return self._body

    def parts(self) -> Iterable[Signature]:
        """Return the header and the body."""
        return (self._header, self._body) if self._body is not None else (self._header,)

    def link(self, callback: Any) -> Self:
        """Return it with a callback for its body."""
        return self.replace(body=self._need_body().link(callback))

    def link_error(self, errback: Any) -> Self:
        """Return it with an errback for its body, which fails when a member does."""
        return self.replace(body=self._need_body().link_error(errback))

    def __call__(self, body: Any = None, **options: Any) -> Any:
        """Send it, with this body: `chord(header)(body)`."""
        made = self if body is None else self.replace(body=as_signature(body, "the body of a chord"))
        return made.apply_async(**options)

    def _need_body(self) -> Signature:
        if self._body is None:
            raise TypeError(
                f"expected {self!r} to have a body, got none; say chord(header, body) or chord(header)(body)"
            )
        return self._body

    def document_kwargs(self) -> dict[str, Any]:
        """Return its partial keyword arguments, the header's document and the body's."""
        body = None if self._body is None else dict(self._body)
        return {**self._kwargs, "header": dict(self._header), "body": body}

    def __repr__(self) -> str:
        return f"chord({self._header!r}, {self._body!r})"


class chunks(Primitive):  # noqa: N801  Celery's name
    """Many calls in tasks of `n` each: `task.chunks([(1, 2), (3, 4), …], n)`; its result is that of `.group()`."""

    __slots__ = ("_inner", "_items", "_size")

    def __init__(self, task: Any, it: Iterable[Any], n: Any, **options: Any) -> None:
        """Take the signature of the task to call, its argument lists, which are read when it is sent, and how many to a task.

        Raises:
            ValueError: less than one to a task.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"expected chunks of 1 at least, got {n!r}")
        super().__init__(PREFIX + "chunks", options=options)
        self._inner, self._items, self._size = as_signature(task, "the task of chunks"), it, n
        self._sender = self._inner.sender

    @classmethod
    def read(cls, args: Any, kwargs: Any, options: Any) -> Self:
        """Return the one whose document has these fields."""
        return cls(kwargs.get("task"), kwargs.get("it", ()), kwargs.get("n", 1), **(options or {}))

    def group(self) -> group:
        """Return a group with a starmap for each chunk."""
        made = group(xstarmap(self._inner, part) for part in _split(self._items, self._size))
        return made.replace(options=self._options, sender=self.sender)

    def document_kwargs(self) -> dict[str, Any]:
        """Return the inner signature's document, the argument lists, and how many go to a task."""
        if not isinstance(self._items, Sequence):
            self._items = tuple(self._items)
        return {"task": dict(self._inner), "it": [list(each) for each in self._items], "n": self._size}

    def __repr__(self) -> str:
        return f"chunks({self._inner.task}, {self._size} to a task)"


def signature(
    varies: Any,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    immutable: bool = False,
    sender: Sender | None = None,
) -> Signature:
    """Return a signature: of a task's name, or the one that a document describes, or the one given, with more arguments and options.

    Raises:
        TypeError, ValueError: it is none of these; see `Signature.from_dict`.
    """
    if isinstance(varies, str):
        return Signature(varies, args, kwargs, options, immutable=immutable, sender=sender)
    found = as_signature(varies, "what a signature is made of")
    found = found if sender is None else found.bind(sender)
    found = found.clone(args or (), kwargs, **(options or {}))
    return found.set(immutable=True) if immutable else found


def _flatten(parts: Iterable[Signature]) -> Iterator[Signature]:
    """Yield what these come to, one after the other: no chains, no groups of one, nothing empty."""
    for part in parts:
        if isinstance(part, chain):
            yield from _flatten(_spread(part))
        elif isinstance(part, chunks):
            yield from _flatten((part.group(),))
        elif isinstance(part, group) and part.count_up_to(2) < 2:
            yield from _flatten(each.clone(part.args, part.kwargs, **part.options) for each in part.tasks)
        else:
            yield part


def _spread(whole: chain) -> Iterable[Signature]:
    """Return the members of a chain with what was said of it as a whole."""
    tasks = list(whole.tasks)
    if not tasks:
        return ()
    options = whole.options
    first = {name: options.pop(name) for name in ("countdown", "eta") if name in options}
    last = {name: options.pop(name) for name in ("task_id", "link") if name in options}
    tasks = [each.set(**options) for each in tasks] if options else tasks
    tasks[0] = tasks[0].clone(() if whole.immutable else whole.args, whole.kwargs, **first)
    tasks[-1] = tasks[-1].set(**last) if last else tasks[-1]
    return tasks


def _split(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _skewed(start: float, stop: float | None, step: float) -> Iterator[float]:
    if stop is None:
        return count(start, step)
    if step <= 0:
        raise ValueError(f"expected step to be more than 0 where there is a stop, got {step!r}")
    return cycle(list(takewhile(lambda at: at < stop, count(start, step))) or [start])
