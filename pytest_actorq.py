"""Fixtures for tests of applications: `actorq_app`, `actorq_node`, `actorq_clock`, and the marker `actorq`.

pytest loads this into every run of an environment that has actorq, so it is no part of the package, whose import costs a
tenth of a second: it imports actorq where a fixture is used. What the fixtures do is in `actorq.testing.pytest_plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from actorq import App, Node
    from actorq.testing import FakeClock

__all__ = ["actorq_app", "actorq_application", "actorq_clock", "actorq_node"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        'actorq(app="module:attribute", **settings): the application of actorq_app and actorq_node, and its settings.',
    )


@pytest.fixture
def actorq_application() -> App | str | None:
    """Return the application to be tested, or where it is: override this, or use the marker, which wins."""
    return None


@pytest.fixture
def actorq_app(
    request: pytest.FixtureRequest, actorq_application: App | str | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    """Lend the application with a home of this test's own."""
    from actorq.testing.pytest_plugin import borrow_app, read_markers  # noqa: PLC0415  see above

    source, settings = read_markers(request.node.iter_markers("actorq"))
    with borrow_app(source or actorq_application, settings, tmp_path_factory.mktemp("actorq") / "home") as app:
        yield app


@pytest.fixture
def actorq_node(
    request: pytest.FixtureRequest, actorq_app: App, actorq_application: App | str | None
) -> Iterator[Node]:
    """Run a node of `actorq_app` during the test."""
    from actorq.testing.pytest_plugin import plan_node, read_markers  # noqa: PLC0415  see above

    source, settings = read_markers(request.node.iter_markers("actorq"))
    with actorq_app.node(**plan_node(source or actorq_application, settings)) as node:
        yield node


@pytest.fixture
def actorq_clock() -> FakeClock:
    """Return a clock that stands still until it is told otherwise."""
    from actorq.testing import FakeClock  # noqa: PLC0415  see above

    return FakeClock()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Show what the node said where its test failed."""
    report = yield
    node = getattr(item, "funcargs", {}).get("actorq_node")
    if report.failed and node is not None and node.output:
        report.sections.append(("actorq node", node.output))
    return report
