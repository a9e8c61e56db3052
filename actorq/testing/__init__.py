"""What users and we test with. Nothing that ships to production imports it."""

from actorq.testing.clock import FakeClock
from actorq.testing.wait import wait_until

__all__ = ["FakeClock", "wait_until"]
