"""The arithmetic of the benchmark's tables; the measures themselves are `make bench`."""

from __future__ import annotations

import pytest

from benchmarks import run


def row(name, **values):
    return run.Row(
        run.Entry(f"benchmarks.{name}", name, "nothing"), {key: list(found) for key, found in values.items()}
    )


@pytest.mark.parametrize(
    ("value", "shown"), [(123_456, "123,000"), (1_234, "1,230"), (99.6, "99.6"), (5.25, "5.25"), (0.5, "0.50")]
)
def test_rates_have_three_figures(value, shown):
    assert run.show_rate(value) == shown


def test_a_ratio_above_one_means_that_actorq_is_better_whatever_is_measured():
    rows = [
        row("actorq_bench", drain_per_s=[100, 300, 200], call_p50_s=[0.001]),
        row("peer", drain_per_s=[100], call_p50_s=[0.004]),
    ]
    cells = dict(
        zip(
            *[[cell.strip() for cell in line.strip("|").split("|")] for line in run.ratios(rows).splitlines()[::2]],
            strict=True,
        )
    )
    assert cells["drain /s"] == "2"
    assert cells["call p50 ms"] == "4"
    assert cells["idle MiB"] == "–"


def test_without_actorq_there_are_no_ratios():
    assert "wasn't measured" in run.ratios([row("peer", drain_per_s=[1])])


def test_what_could_not_be_measured_says_why():
    entry = row("peer")
    entry.add("bulk", {"unavailable": "has none"})
    assert entry.missing == {"bulk": "has none"}
    assert "peer, bulk: has none" in run.notes([entry])
    assert entry.median("bulk_per_s") is None
