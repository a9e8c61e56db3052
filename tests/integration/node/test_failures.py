"""What a task raises, seen by its caller in another process: through a real node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actorq import RemoteError, Secret
from actorq.testing.wait import wait_until
from tests.integration.node import task_classes as tasks
from tests.nodes import ROOT, NodeProcess, actorq, ask, home_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    home = tmp_path_factory.mktemp("failures") / "home"
    tasks.app.close()
    tasks.app.use_home(home_of(home))
    with NodeProcess(tasks.__name__, home, ROOT) as running:
        yield running
    tasks.app.close()


def fail(kind: str) -> BaseException:
    with pytest.raises(Exception) as caught:
        tasks.fail_as.delay(kind).get(timeout=10)
    return caught.value


def test_a_registered_class_comes_back_as_itself_with_what_it_held() -> None:
    error = fail("registered")
    assert isinstance(error, tasks.Travelled)
    assert (error.code, error.hint, str(error)) == (7, "turn back", "turn back (7)")


def test_another_class_comes_back_as_its_name_its_arguments_and_its_traceback() -> None:
    error = fail("stranger")
    assert isinstance(error, RemoteError)
    assert error.class_name == f"{tasks.__name__}.Stranger"
    assert error.arguments.startswith("('locked', '<unlocked _thread.lock object at ")
    assert 'raise Stranger("locked", threading.Lock())' in error.traceback
    assert "in fail_as" in error.traceback


def test_the_traceback_of_the_slot_is_shown_with_the_exception() -> None:
    error = fail("registered")
    assert any('raise Travelled(7, hint="turn back")' in note for note in error.__notes__)


def test_a_cause_and_notes_come_along() -> None:
    error = fail("chain")
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, KeyError)
    assert error.__notes__[0] == "while looking"


def test_a_group_comes_back_with_its_members() -> None:
    error = fail("group")
    assert isinstance(error, ExceptionGroup)
    assert [type(each) for each in error.exceptions] == [OSError, RemoteError]


@pytest.mark.parametrize(
    ("kind", "name"), [("forged", "os.system"), ("silent", f"{tasks.__name__}.Silent"), ("exit", "SystemExit")]
)
def test_what_is_not_on_the_list_is_never_rebuilt(kind: str, name: str) -> None:
    error = fail(kind)
    assert isinstance(error, RemoteError)
    assert error.class_name == name


def test_the_nodes_log_has_the_traceback_too(node: NodeProcess) -> None:
    fail("stranger")
    line = 'raise Stranger("locked", threading.Lock())'
    told = lambda: [each for each in node.logged("task_failed") if line in each.get("exception", "")]  # noqa: E731
    wait_until(told, 10, "the traceback in the log")


@pytest.mark.parametrize("serializer", ["msgpack", "json", "pickle"])
def test_a_secret_arrives_and_is_shown_nowhere(node: NodeProcess, serializer: str) -> None:
    call = ("ann", Secret("hunter2"), 4711)
    sent = tasks.login.apply_async(call, serializer=serializer)
    assert sent.get(timeout=10) == ["('ann', ***, ***)", "{}", "Secret", Secret("hunter2")]
    failed = tasks.login.apply_async(call, {"fail": True}, serializer=serializer)
    with pytest.raises(ValueError, match="ann") as caught:
        failed.get(timeout=10)
    wait_until(lambda: failed.id in node.output, 10, "the end of the task in the log")
    assert (
        next(each for each in node.logged("task_failed") if each["task_id"] == failed.id)["args"] == "('ann', ***, ***)"
    )
    for text in (repr(caught.value), failed.traceback, node.output):
        assert "hunter2" not in str(text)
        assert "4711" not in str(text)


def test_a_call_says_what_is_shown_of_it(node: NodeProcess) -> None:
    sent = tasks.fail_as.apply_async(("silent",), argsrepr="(quiet)", shadow="mute")
    wait_until(lambda: sent.ready() and sent.id in node.output, 10, "the end of the task in the log")
    logged = next(each for each in node.logged("task_failed") if each["task_id"] == sent.id)
    assert (logged["task"], logged["shadow"], logged["args"]) == ("fail_as", "mute", "(quiet)")


@pytest.mark.parametrize("serializer", ["msgpack", "json"])
def test_the_command_line_shows_no_more_of_it(node: NodeProcess, serializer: str) -> None:
    later: dict[str, Any] = {"countdown": 600, "serializer": serializer}
    hidden = tasks.login.apply_async(("ann", Secret("hunter2"), 4711), **later)
    secret = tasks.show.apply_async(([Secret("hunter2")],), {"x": 5}, **later)
    asked: Any = None
    for sent in (hidden, secret):
        sent.confirm(10)
        said = actorq("task", "show", sent.id, "--args", "--home", str(node.home), cwd=ROOT).stdout
        asked = ask(node.home, ROOT, "task", "show", sent.id, "--args")
        assert "***" in said
        assert not any(text in said + repr(asked) for text in ("hunter2", "4711"))
    assert asked["kwargs"] == {"x": 5}
