"""What `actorq control` concludes from the answers of nodes. Pure.

An order is three steps: look which component is meant on which nodes, give the order, look until it is as wanted. The looks
and the order may all be repeated, so a hub that restarts in between, which may be what was ordered, costs only time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["choose_targets", "is_there", "parse_pairs", "tell_failure"]


def choose_targets(answers: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    """Return the answers of the nodes that the order is for: those that have the component, and have a use for it.

    Raises:
        click.UsageError: no node has it, or its name is ambiguous; nothing is to be done anywhere.
    """
    for answer in answers.values():
        if "ambiguous" in answer:
            paths = ", ".join(answer["ambiguous"])
            raise click.UsageError(f"expected one component, got {wanted!r}, which may be any of {paths}; say which")
    known = {name: answer for name, answer in answers.items() if "unknown" not in answer}
    if not any("component" in answer for answer in known.values()):
        silent = [f"{name}: {answer['error']}" for name, answer in known.items()]
        if silent:
            raise click.UsageError(f"no node that answers has {wanted!r}; {'; '.join(silent)}")
        near = list(dict.fromkeys(path for answer in answers.values() for path in answer.get("near", ())))
        hint = f"; did you mean {' or '.join(repr(path) for path in near)}?" if near else "; 'actorq tree' shows them"
        raise click.UsageError(f"expected a component of the tree, got {wanted!r}{hint}")
    used = {name: answer for name, answer in known.items() if answer.get("state") != "ignored"}
    return used or known


def is_there(verb: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether the component is as `verb` wants it; `before` is what was seen when the order was given."""
    if verb == "stop":
        return now.get("state") == "down"
    if now.get("state") != "up":
        return False
    return verb == "start" or now.get("pid") != before.get("pid")


def tell_failure(node: str, answer: Mapping[str, Any]) -> str:
    """Return one line about an order that wasn't carried out."""
    return f"{node}: {answer['error']}"


def parse_pairs(pairs: tuple[str, ...], parse: Any) -> dict[str, Any]:
    """Return `{key: value}` of `key=value` words; a value that `parse` refuses with ValueError stays text.

    Raises:
        click.UsageError: a word without `=`, or a key twice.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"expected key=value, got {pair!r}")
        if key in found:
            raise click.UsageError(f"expected {key!r} once, got it twice")
        try:
            found[key] = parse(text)
        except ValueError:
            found[key] = text
    return found
