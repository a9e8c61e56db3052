from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorq.tasks.backoff import plan_retry_delay
from actorq.tasks.options import parse_rate


@given(st.integers(0, 10_000), st.floats(0, 1e6), st.floats(0, 1e9))
def test_the_delay_doubles_up_to_its_maximum(retries, factor, maximum_s):
    delay_s = plan_retry_delay(retries, factor=factor, maximum_s=maximum_s, jitter=False)
    assert 0 <= delay_s <= maximum_s
    assert delay_s == min(maximum_s, factor * 2 ** min(retries, 62))


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_jitter_is_full(retries, chance):
    whole = plan_retry_delay(retries, factor=1, maximum_s=600, jitter=False)
    assert plan_retry_delay(retries, factor=1, maximum_s=600, rand=lambda: chance) == whole * chance


def test_rates_read_as_documented():
    assert [parse_rate(rate) for rate in ("10/s", "30/m", "36/h", 5, "5", None, 0)] == [10, 0.5, 0.01, 5, 5, None, None]
