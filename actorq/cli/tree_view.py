"""Draws supervision trees as lines of text with colours apart from them. Pure: the width and the time are arguments.

What somebody looks for stands first: which component, in what state, restarted how often. A last error has the line below
its component to itself, so a narrow terminal shows it, too. Lines are never wider than the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actorq.cli.spans import tell_ago, tell_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Line", "cut", "draw_trees"]

HEADERS: Final = ("component", "state", "restarts", "up", "mailbox", "pid", "notes")
STATE: Final = HEADERS.index("state")
RIGHT: Final = tuple(HEADERS.index(name) for name in ("restarts", "mailbox", "pid"))
COLOURS: Final = {
    "down": "red",
    "parked": "red",
    "no answer": "red",
    "restarting": "yellow",
    "starting": "yellow",
    "stopping": "yellow",
    "ignored": "bright_black",
}
WAITING: Final = "yellow"
NARROWEST_NAME: Final = 16
QUOTA_FACTS: Final = {"strategy", "intensity", "period_s", "incidents", "max_children"}  # told as the quota


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `colours` are (from, to, colour) places in it."""

    text: str
    colours: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    cells: tuple[str, ...]
    state: str
    below: str = ""  # what stands before the error's line
    error: str = ""


def draw_trees(nodes: Mapping[str, Any], now: float, width: int | None = None) -> list[Line]:
    """Return the lines for `{node: tree}`; `now` in Unix seconds, `width` in columns (None: as wide as it takes)."""
    rows: list[_Row] = []
    for name, root in nodes.items():
        if "id" not in root:
            rows.append(_Row((name, "no answer"), "no answer", "  ", str(root.get("error", ""))))
        else:
            _add_branch(rows, {**root, "id": name}, now)
    return list(_lay_out(rows, width))


def cut(text: str, width: int | None) -> str:
    """Return `text`, ended with an ellipsis where it is wider than `width`."""
    return text if width is None or len(text) <= width else f"{text[: max(0, width - 1)]}…"


def _lay_out(rows: Sequence[_Row], width: int | None) -> Iterable[Line]:
    """Align columns; a name that is too wide for a third of the terminal is cut, or every number would be."""
    name_width = None if width is None else max(NARROWEST_NAME, width // 3)
    table = [tuple(header.upper() for header in HEADERS)]
    table += [(cut(row.cells[0], name_width), *row.cells[1:]) for row in rows]
    widths = [max(len(cells[place]) for cells in table if place < len(cells)) for place in range(len(HEADERS))]
    yield Line(cut(_join(table[0], widths), width))
    state_at = widths[0] + 2
    for row, cells in zip(rows, table[1:], strict=True):
        text = cut(_join(cells, widths), width)
        colour = WAITING if row.state.startswith("waiting") else COLOURS.get(row.state)
        span = (min(state_at, len(text)), min(state_at + len(row.state), len(text)))
        yield Line(text, ((*span, colour),) if colour else ())
        if row.error:
            text = cut(row.below + row.error, width)
            yield Line(text, ((min(len(row.below), len(text)), len(text), "red"),))


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(widths[place]) if place in RIGHT else cell.ljust(widths[place]) for place, cell in enumerate(cells)
    ]
    return "  ".join(aligned).rstrip()


def _add_branch(rows: list[_Row], entry: Mapping[str, Any], now: float, stem: str = "", lead: str = "") -> None:
    children = entry.get("children") or []
    rows.append(
        _Row(
            (f"{lead}{entry['id']}", *_cells(entry, now)),
            entry["state"],
            f"{stem}{'│ ' if children else '  '}",
            _tell_error(entry, now),
        )
    )
    for place, child in enumerate(children):
        is_last = place == len(children) - 1
        _add_branch(rows, child, now, stem + ("   " if is_last else "│  "), stem + ("└─ " if is_last else "├─ "))


def _cells(entry: Mapping[str, Any], now: float) -> tuple[str, ...]:
    facts = entry.get("facts") or {}
    up_since = entry.get("up_since")
    # `pid` of an entry is the actor's number; a component that looks after a process tells that one among its facts.
    process = facts.get("pid")
    return (
        entry["state"],
        str(entry["restarts"]),
        "" if up_since is None else tell_span(now - up_since, 1),
        str(entry.get("mailbox") or 0),
        "" if process is None else str(process),
        _tell_notes(entry, facts),
    )


def _tell_notes(entry: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    told = []
    quota = entry.get("quota")
    if quota:
        told.append(f"{quota['left']} of {quota['intensity']} left in {quota['period_s']:g} s")
    told += [
        _tell_fact(key, value)
        for key, value in facts.items()
        if value is not None and key != "pid" and key not in QUOTA_FACTS
    ]
    return ", ".join(told)


def _tell_fact(key: str, value: object) -> str:
    if isinstance(value, bool):
        return key if value else f"not {key}"
    return f"{key} {value}"


def _tell_error(entry: Mapping[str, Any], now: float) -> str:
    if not entry.get("last_error"):
        return ""
    at = entry.get("last_error_at")
    said = " ".join(str(entry["last_error"]).split())
    return f"! {said}" if at is None else f"! {tell_ago(at, now)}: {said}"
