"""What a user asks of nodes and orders them to do: `app.control`. Names are Celery's.

Invariant: whatever is asked goes to the hub and comes back under one deadline, and no slot is involved: it is answered while
every slot is busy. Nothing is kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

from actorq.client.commands import AppCommands
from actorq.client.revoking import Revoker
from actorq.errors import ActorqError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Unpack

    from actorq.plugins.collection import Plugins

__all__ = ["Control", "Inspect"]

ANSWER_SHARE: Final = 0.8  # nodes get this part of the time-out, so that what they answered arrives
LONGEST_NAME_LIST: Final = 1_000
HOLDERS: Final = {"STARTED": "active", "RECEIVED": "reserved"}  # Celery's words for where a task is


class OrderOptions(TypedDict, total=False):
    """What goes with every order; see `Control.broadcast`."""

    destination: Iterable[str] | str | None
    reply: bool
    timeout: float


class Inspect:
    """Questions to nodes; each is answered with `{node: payload}`.

    A node that doesn't answer in time has `{"error": …}` as its payload. Every method raises `BrokerUnavailable` where
    nobody answers at all, and `ActorqError` where a node is meant that isn't there.
    """

    def __init__(
        self, ask: Callable[..., Any], destination: Iterable[str] | str | None = None, timeout: float = 1.0
    ) -> None:
        self._ask, self._timeout_s = ask, check_timeout(timeout)
        self._destination = read_destination(destination)

    def ping(self) -> dict[str, Any]:
        """Return who answers: `{node: {"ok": "pong"}}`."""
        return self.ask("ping")

    def active(self) -> dict[str, Any]:
        """Return the tasks that run now: id, task, queue, running_s, slot and more of each."""
        return self.ask("active")

    def reserved(self) -> dict[str, Any]:
        """Return the tasks that slots hold and haven't started."""
        return self.ask("reserved")

    def scheduled(self) -> dict[str, Any]:
        """Return the tasks that wait for an eta or a retry, the first 1,000; they are the home's, under its hub's name."""
        return self.ask("scheduled")

    def revoked(self) -> dict[str, Any]:
        """Return the ids that must not start (again), and `until` when that is remembered; under the hub's name."""
        return self.ask("revoked")

    def registered(self) -> dict[str, Any]:
        """Return the names of the tasks that the nodes know."""
        return self.ask("registered")

    def stats(self) -> dict[str, Any]:
        """Return process id, memory, processor time, slots and more."""
        return self.ask("stats")

    def active_queues(self) -> dict[str, Any]:
        """Return the queues that nodes take tasks from, each with its `name` and how many tasks are `waiting`."""
        return self.ask("active_queues")

    def conf(self) -> dict[str, Any]:
        """Return the settings."""
        return self.ask("conf")

    def report(self) -> dict[str, Any]:
        """Return versions, paths and settings, for bug reports."""
        return self.ask("report")

    def clock(self) -> dict[str, Any]:
        """Return what the nodes' clocks say: `clock` in Unix seconds, `monotonic_s`."""
        return self.ask("clock")

    def tree(self) -> dict[str, Any]:
        """Return the live supervision trees."""
        return self.ask("tree")

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Run a command of the application's own, or of a plugin, and return the answers."""
        return self.ask("command", name=name, arguments=arguments)

    def query_task(self, *ids: str | Iterable[str]) -> dict[str, Any]:
        """Return, of these tasks, those that a slot runs or holds: `{node: {id: [where, facts]}}`.

        `where` is "active" or "reserved". Tasks that wait, have ended or were never sent are in no slot, so they aren't
        in the answer either; `AsyncResult(id).state` tells those apart.
        """
        wanted = [str(id) for each in ids for id in ([each] if isinstance(each, str) else each)]
        if not wanted or len(wanted) > LONGEST_NAME_LIST:
            raise ValueError(f"expected 1 to {LONGEST_NAME_LIST} ids of tasks, got {len(wanted)}")
        found: dict[str, Any] = {}
        states = self._ask("task_state", {"ids": wanted}, self._timeout_s, repeat=True)
        for id, facts in states.items():
            where = HOLDERS.get(facts["state"])
            if where is not None and (self._destination is None or facts["node"] in self._destination):
                found.setdefault(facts["node"], {})[id] = [where, facts]
        return found

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Ask any question by its name."""
        arguments["within_s"] = self._timeout_s * ANSWER_SHARE
        if self._destination is not None:
            arguments["destination"] = self._destination
        answer: dict[str, Any] = self._ask(command, arguments, self._timeout_s, repeat=True)
        return answer


class Control(Revoker):
    """The nodes of an application's home: what they do (`inspect`), and orders for them."""

    def __init__(self, ask: Callable[..., Any], plugins: Plugins | None = None) -> None:
        self._ask, self._plugins = ask, plugins
        self._commands: AppCommands | None = None

    # -- commands of the application's own -----------------------------------------------------------------------------

    def control_command(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        args: Sequence[tuple[str, Callable[[Any], Any]]] = (),
    ) -> Any:
        """Make a function a command of every node: `broadcast(name, arguments)`, `actorq control NAME key=value`.

        It gets the node's state (`actorq.plugins.NodeCommand`) and the arguments by name, read as `args` say (`[("n", int)]`), and
        returns plain data. It runs in the node, where nothing else is answered meanwhile: so it mustn't wait.

        Raises:
            TypeError, ValueError: it is no function that takes these, or the name is another's.
        """
        if function is None:
            return lambda function: self.control_command(function, name=name, args=args)
        if self._plugins is None:
            raise TypeError("expected an application to bring the command, got none; use app.control")
        if self._commands is None:
            self._commands = AppCommands()
            self._plugins.add(self._commands)
        self._commands.add(function, name, args)
        return function

    command = inspect_command = control_command

    def inspect(self, destination: Iterable[str] | str | None = None, timeout: float = 1.0) -> Inspect:
        """Return what asks nodes: those of `destination` (names), by default all; they have `timeout` seconds."""
        return Inspect(self._ask, destination, timeout)

    def ping(self, destination: Iterable[str] | str | None = None, timeout: float = 1.0) -> list[dict[str, Any]]:
        """Return who answers, in Celery's form: `[{node: {"ok": "pong"}}, …]`."""
        return [{node: answer} for node, answer in self.inspect(destination, timeout).ping().items()]

    def broadcast(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        destination: Iterable[str] | str | None = None,
        reply: bool = False,
        timeout: float = 1.0,
    ) -> list[dict[str, Any]] | None:
        """Give an order by its name, of a plugin or of the application, too; wait until every node has answered.

        With `reply`, return the answers in Celery's form: `[{node: answer}, …]`, where `{"error": …}` is the answer of a node
        that refused it. Without, that is raised.

        Raises:
            BrokerUnavailable: nobody answered; whether the order was carried out isn't known.
            ActorqError: a node is meant that isn't there, or one refused it and `reply` is False.
        """
        answers = self.order(command, arguments or {}, destination, timeout)
        if reply:
            return [{node: answer} for node, answer in answers.items()]
        refused = [
            f"{node}: {answer['error']}"
            for node, answer in answers.items()
            if isinstance(answer, dict) and set(answer) == {"error"}
        ]
        if refused:
            raise ActorqError("; ".join(refused))
        return None

    def order(
        self,
        command: str,
        arguments: Mapping[str, Any],
        destination: Iterable[str] | str | None = None,
        timeout: float = 1.0,
    ) -> dict[str, Any]:
        """Give an order by its name and return `{node: answer}`; refused ones are `{"error": …}`."""
        limit_s, names = check_timeout(timeout), read_destination(destination)
        asked = {"name": command, "arguments": dict(arguments), "within_s": limit_s * ANSWER_SHARE}
        answers: dict[str, Any] = self._ask(
            "command", asked if names is None else {**asked, "destination": names}, limit_s
        )
        return answers

    # Each takes `destination`, `reply` and `timeout`, as `broadcast`.

    def time_limit(
        self, task_name: str, soft: float | None = None, hard: float | None = None, **options: Unpack[OrderOptions]
    ) -> list[dict[str, Any]] | None:
        """Give a task other time limits, in seconds (None: none), from its next run on, whatever it or its call says."""
        return self.broadcast("time_limit", {"task": task_name, "soft": soft, "hard": hard}, **options)

    def rate_limit(
        self, task_name: str, rate_limit: str | float | None, **options: Unpack[OrderOptions]
    ) -> list[dict[str, Any]] | None:
        """Keep another rate limit for a task. It is checked and kept; it isn't enforced yet."""
        return self.broadcast("rate_limit", {"task": task_name, "rate": rate_limit}, **options)

    def pool_grow(self, n: int = 1, **options: Unpack[OrderOptions]) -> list[dict[str, Any]] | None:
        """Have `n` slots more on each node."""
        return self.broadcast("pool_grow", {"n": n}, **options)

    def pool_shrink(self, n: int = 1, **options: Unpack[OrderOptions]) -> list[dict[str, Any]] | None:
        """Have `n` slots fewer on each node; idle ones go first, the others finish their task."""
        return self.broadcast("pool_shrink", {"n": n}, **options)

    def pool_restart(self, **options: Unpack[OrderOptions]) -> list[dict[str, Any]] | None:
        """Import the application anew and replace the slots, each after its task; what can't be imported changes nothing."""
        return self.broadcast("pool_restart", {}, **options)

    def add_consumer(self, queue: str, **options: Unpack[OrderOptions]) -> list[dict[str, Any]] | None:
        """Have nodes take tasks of a queue, too."""
        return self.broadcast("add_consumer", {"queue": queue}, **options)

    def cancel_consumer(self, queue: str, **options: Unpack[OrderOptions]) -> list[dict[str, Any]] | None:
        """Have nodes take no more tasks of a queue; what their slots hold of it already is still run."""
        return self.broadcast("cancel_consumer", {"queue": queue}, **options)

    def shutdown(self, **options: Unpack[OrderOptions]) -> list[dict[str, Any]] | None:
        """End nodes in order, as SIGTERM does."""
        return self.broadcast("shutdown", {}, **options)


def read_destination(destination: Iterable[str] | str | None) -> list[str] | None:
    """Return names of nodes as a list; None: all.

    Raises:
        TypeError, ValueError: these are no names, or too many.
    """
    if destination is None:
        return None
    names = [destination] if isinstance(destination, str) else list(destination)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"expected destination to be names of nodes, got {destination!r}")
    if not 0 < len(names) <= LONGEST_NAME_LIST:
        raise ValueError(f"expected destination to name 1 to {LONGEST_NAME_LIST} nodes, got {len(names)}")
    return names


def check_timeout(timeout: object) -> float:
    """Return it if it is one.

    Raises:
        ValueError: it isn't above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        raise ValueError(f"expected timeout to be seconds above 0, got {timeout!r}")
    return float(timeout)
