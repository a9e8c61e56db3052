"""What is shown of arguments, and what isn't."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from actorq import App, EncodeError, Secret
from actorq.codec import (
    ALL_CODECS,
    Acceptance,
    decode_body,
    decode_failure,
    decode_result,
    encode_body,
    encode_failure,
    encode_result,
)
from actorq.codec.serializers import CODEC_NAMES
from actorq.tasks.masks import SHOWN_CHARS, show_arguments

ALL = Acceptance(ALL_CODECS)


@pytest.mark.parametrize("codec_id", range(len(CODEC_NAMES)))
def test_a_secret_travels_intact_and_arrives_as_one(codec_id):
    nested = Secret([1, {"a": Secret("b")}])
    args, kwargs = decode_body(codec_id, encode_body((nested, [Secret(None)]), {"k": Secret("v")}, codec_id), ALL)
    assert args[0].reveal()[1]["a"].reveal() == "b"
    assert (args[1][0].reveal(), kwargs["k"].reveal()) == (None, "v")
    assert decode_result(*encode_result({"x": Secret(5)}, codec_id), ALL) == {"x": Secret(5)}


@pytest.mark.parametrize("codec_id", [0, 1])
def test_what_wouldnt_travel_doesnt_as_a_secret_either(codec_id):
    with pytest.raises(EncodeError) as caught:
        encode_body((Secret([object, 12]),), {}, codec_id)
    assert "12" not in str(caught.value)


def test_a_secret_shows_nothing():
    secret = Secret("hunter2")
    for text in (repr(secret), str(secret), f"{secret:>5}", "%s" % secret, repr([secret]), repr(ValueError(secret))):  # noqa: UP031
        assert "hunter2" not in text
        assert "***" in text
    assert not hasattr(secret, "__dict__")


def test_secrets_are_equal_where_their_values_are():
    assert Secret(1) == Secret(1) != Secret(2)
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret(1) != 1
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")


def test_an_exception_keeps_a_secret_to_itself():
    error = ValueError("for", Secret("hunter2"), [Secret("hunter2")])
    error.__dict__["token"] = Secret("hunter2")
    payload = encode_failure(error, "")
    assert b"hunter2" not in payload
    assert decode_failure(payload)[0].args[1] == "***"


def test_a_secret_is_no_header(tmp_path):
    with pytest.raises(EncodeError, match="header"):
        App("shop", home=tmp_path).task(name="t")(print).apply_async(headers={"a": Secret(1)})


def body(user, password, *rest, pin=0):
    pass


@pytest.mark.parametrize(
    ("args", "kwargs", "redact", "shown"),
    [
        (("ann", "pw"), {}, (), ("('ann', 'pw')", "{}")),
        (("ann", "pw"), {}, ("password",), ("('ann', ***)", "{}")),
        (("ann",), {"password": "pw"}, ("password",), ("('ann',)", "{'password': ***}")),
        (("ann", "pw", 1, 2), {"pin": 5}, ("rest", "pin"), ("('ann', 'pw', ***, ***)", "{'pin': ***}")),
        (({"pin": 1, "in": [{"pin": 2}]},), {}, ("pin",), ("({'in': [{'pin': ***}], 'pin': ***},)", "{}")),
        (("ann", Secret("pw")), {"pin": Secret(1)}, (), ("('ann', ***)", "{'pin': ***}")),
    ],
)
def test_named_parameters_and_keys_are_masked_however_they_are_given(args, kwargs, redact, shown):
    assert show_arguments(args, kwargs, None, redact, body) == shown


def test_a_call_may_say_what_is_shown():
    assert show_arguments((1,), {"a": 2}, {"argsrepr": "(x)", "kwargsrepr": "{y}"}) == ("(x)", "{y}")
    assert show_arguments((1,), {}, {"argsrepr": 5})[0] == "(1,)"


class Hostile:
    def __repr__(self) -> str:
        raise SystemExit


def test_showing_neither_fails_nor_takes_long():
    endless: list[Any] = []
    endless.append(endless)
    for value in (Hostile(), endless, "x" * 10**6, [[[[[[1]]]]]] * 10**5):
        for redact in ((), ("password",)):
            for text in show_arguments((value,), {"a": value}, None, redact, print):
                assert len(text) <= SHOWN_CHARS
    assert len(show_arguments((), {}, {"argsrepr": "x" * 9999})[0]) == SHOWN_CHARS


@pytest.mark.parametrize("redact", [5, ("a", 5), ("",)])
def test_what_names_no_argument_is_refused(tmp_path, redact):
    with pytest.raises(ValueError, match="names of arguments"):
        App("shop", home=tmp_path).task(name="t", redact=redact)(print)


def test_a_text_to_show_must_be_one(tmp_path):
    with pytest.raises(TypeError, match="argsrepr to be a text"):
        App("shop", home=tmp_path).task(name="t")(print).apply_async(argsrepr=5)  # type: ignore[arg-type]
