from __future__ import annotations

import pytest

from actorq import App, errors
from actorq.codec import decode_failure, encode_failure, failures, register_exception
from actorq.codec.failures import is_retryable
from actorq.errors import DecodeError, RemoteError, ResultTimeout, SlotLost


class OwnError(Exception):
    """Its constructor takes other things than its args."""

    def __init__(self, code, *, reason):
        super().__init__(f"{reason} ({code})")
        self.code, self.reason = code, reason


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")

    __repr__ = __str__


def there_and_back(error, text="traceback"):
    return decode_failure(encode_failure(error, text))


@pytest.mark.parametrize(
    "error",
    [ValueError("x", 1), KeyError("k"), ZeroDivisionError(), FileNotFoundError(2, "no such file", "name"),
     UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), StopIteration(3), TimeoutError("late"), RecursionError("deep")],
)  # fmt: skip
def test_pythons_own_exceptions_come_back_as_they_were(error):
    found, text = there_and_back(error)
    assert type(found) is type(error)
    assert found.args == error.args
    assert str(found) == str(error)
    assert text == "traceback"


@pytest.mark.parametrize(
    "error", [ResultTimeout("id", 1.5, "nobody"), SlotLost("t", "SIGKILL", 3), errors.Reject("why", True)]
)
def test_actorqs_exceptions_come_back_with_their_fields(error):
    found, _ = there_and_back(error)
    assert type(found) is type(error)
    assert vars(found) == vars(error)
    assert str(found) == str(error)


def test_an_unknown_class_comes_back_as_remote_error_with_its_name_and_text():
    found, _ = there_and_back(OwnError(3, reason="broken"), "the text")
    assert isinstance(found, RemoteError)
    assert found.class_name == f"{__name__}.OwnError"
    assert (found.message, found.traceback) == ("broken (3)", "the text")


def test_a_registered_class_comes_back_as_itself_without_its_constructor(monkeypatch):
    monkeypatch.setattr(failures, "_registered", dict(failures._registered))
    assert register_exception(OwnError) is OwnError
    found, _ = there_and_back(OwnError(3, reason="broken"))
    assert type(found) is OwnError
    assert (found.code, found.reason, str(found)) == (3, "broken", "broken (3)")


def test_only_exception_classes_can_be_registered():
    for wrong in (int, "ValueError", ValueError("x"), KeyboardInterrupt):
        with pytest.raises(TypeError):
            register_exception(wrong)  # type: ignore[type-var]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_the_caller_comes_back_as_remote_error(error):
    found, _ = there_and_back(error)
    assert isinstance(found, RemoteError)
    assert found.class_name == type(error).__name__


def test_a_name_in_bytes_is_never_looked_up():
    for module, name in (
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "exit"),
        ("subprocess", "CalledProcessError"),
    ):
        payload = failures._encode(failures._Failure(module, name, ["true"], {}, "message"))
        assert isinstance(decode_failure(payload)[0], RemoteError)


def test_arguments_that_cant_travel_become_their_reprs():
    found, _ = there_and_back(ValueError("x", {1, 2}))
    assert found.args == ("x", "{1, 2}")


def test_one_cause_travels_along():
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as outer:
        found, _ = there_and_back(outer)
    assert isinstance(found.__cause__, KeyError)


def test_hostile_endless_and_unencodable_exceptions_still_travel():
    assert "whose str raised RuntimeError" in there_and_back(HostileError())[0].message
    assert isinstance(there_and_back(ValueError("\ud800"), "\ud800")[0], ValueError)
    endless = ValueError("x")
    endless.__dict__["me"] = endless
    assert type(there_and_back(endless)[0]) is ValueError
    odd = ValueError("x")
    odd.__dict__["__notes__"] = 5
    assert not hasattr(there_and_back(odd)[0], "__notes__")
    found, text = there_and_back(ValueError("x" * 100_000), "y" * 1_000_000)
    assert len(text) <= failures.TRACEBACK_CHARS
    assert isinstance(found, ValueError)


def test_whether_another_run_may_help_travels_along():
    assert is_retryable(encode_failure(ValueError(), "", retryable=True))
    assert not is_retryable(encode_failure(ValueError(), ""))


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x91", b"\x98\x01\x01\x01\x01\x01\x01\x01\x01"])
def test_bytes_that_arent_a_failure_are_a_decode_error(data):
    with pytest.raises(DecodeError):
        decode_failure(data)


def test_an_unknown_class_brings_the_repr_of_its_arguments():
    found, _ = there_and_back(OwnError(3, reason="broken"))
    assert isinstance(found, RemoteError)
    assert found.arguments == "('broken (3)',)"
    again, _ = there_and_back(found)
    assert isinstance(again, RemoteError)
    assert (again.class_name, again.arguments) == (found.class_name, found.arguments)


def test_notes_come_along():
    error = ValueError("x")
    error.add_note("while looking")
    assert there_and_back(error)[0].__notes__ == ["while looking"]


def test_causes_come_along_one_behind_the_other_and_not_for_ever():
    first = error = ValueError(0)
    for number in range(1, 50):
        error.__cause__ = ValueError(number)
        error = error.__cause__
    error.__cause__ = first
    found = there_and_back(first)[0]
    numbers = []
    while found is not None:
        numbers.append(found.args[0])
        found = found.__cause__
    assert numbers == list(range(failures.MAX_CAUSES + 1))


def test_what_was_being_handled_is_a_context_and_no_cause():
    try:
        try:
            raise KeyError("a")
        except KeyError:
            raise ValueError("b")  # noqa: B904
    except ValueError as error:
        found = there_and_back(error)[0]
    assert isinstance(found.__context__, KeyError)
    assert found.__cause__ is None


def test_a_group_brings_its_members():
    nested = ExceptionGroup("inner", [OwnError(1, reason="r")])
    found = there_and_back(ExceptionGroup("many", [ValueError("v"), nested]))[0]
    assert isinstance(found, ExceptionGroup)
    assert found.message == "many"
    assert [type(each) for each in found.exceptions] == [ValueError, ExceptionGroup]
    assert isinstance(found.exceptions[1].exceptions[0], RemoteError)
    exits = there_and_back(BaseExceptionGroup("exits", [SystemExit(1)]))[0]
    assert isinstance(exits, RemoteError)


def test_a_name_is_no_key_to_anything_but_the_list():
    wrong = type("system", (Exception,), {"__module__": "os"})
    found = there_and_back(wrong("true"))[0]
    assert isinstance(found, RemoteError)
    assert found.class_name == "os.system"


def test_what_a_task_is_expected_to_raise_is_on_the_list(tmp_path, monkeypatch):
    monkeypatch.setattr(failures, "_registered", dict(failures._registered))
    App("shop", home=tmp_path).task(name="t", throws=(OwnError, SystemExit))(print)
    found = there_and_back(OwnError(3, reason="broken"))[0]
    assert isinstance(found, OwnError)
    assert found.code == 3


def test_an_exception_that_holds_too_much_comes_without_what_it_holds():
    enormous = ValueError("too much", bytes(failures.FAILURE_BYTES))
    enormous.__cause__ = KeyError("x" * failures.FAILURE_BYTES, bytes(failures.FAILURE_BYTES))
    payload = failures.encode_failure(enormous, "the traceback")
    assert len(payload) < failures.FAILURE_BYTES
    found, text = failures.decode_failure(payload)
    assert isinstance(found, ValueError)
    assert str(found).startswith("('too much', b'")
    assert "left out" in found.__notes__[0]
    assert text == "the traceback"
