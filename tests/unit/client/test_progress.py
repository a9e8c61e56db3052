"""The bar of `progress()`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorq.client.progress import draw_bar


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((0, 0, 4, 0.0, 60), "[................] 0/4    0 %  0.0 s"),
        ((1, 0, 4, 1.26, 60), "[####............] 1/4   25 %  1.3 s"),
        ((4, 2, 4, 9.0, 60), "[################] 4/4  100 %  2 failed  9.0 s"),
        ((0, 0, 0, 0.0, 60), "[################] 0/0  100 %  0.0 s"),
        ((3, 0, 4, 0.0, 30), "3/4   75 %  0.0 s"),
    ],
)
def test_a_bar_says_how_far_it_is(arguments, line):
    assert draw_bar(*arguments) == line


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 300))
def test_a_bar_fits_its_terminal(done, more, columns):
    assert len(draw_bar(done, done, done + more, 1.0, columns)) < max(2, columns)
