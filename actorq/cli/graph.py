"""`actorq graph`: draws what a node would be made of, without a node."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from actorq.cli.common import Common, common_options, load, print_data, with_errors
from actorq.drawing import FORMATS
from actorq.supervisor.drawing import draw_graph

if TYPE_CHECKING:
    from actorq.drawing import DrawingFormat
    from actorq.supervisor.graph import Graph

__all__ = ["graph"]

FACTS: Final = ("id", "origin", "replaces", "provides", "requires", "wants", "rebind", "restart", "exhausted")


@click.group()
@common_options
def graph(common: Common, /) -> None:
    """Draw what a node is made of."""


@graph.command()
@common_options
@click.option(
    "-f",
    "--format",
    type=click.Choice(FORMATS),
    default="text",
    help="For people, Graphviz or Mermaid pages.",
)
@with_errors
def components(common: Common, /, *, format: DrawingFormat) -> None:
    """Draw the components of a node and what they need of each other, in the order in which they start.

    With -A it is as the node of that application would be: with its settings and its plugins. No node is asked or started.
    """
    found = _resolve(common)
    print_data(common, _as_data(found), lambda _: click.echo(draw_graph(found, format), nl=False))


def _resolve(common: Common) -> Graph:
    """Return the graph.

    Raises:
        ConfigError: the application, a plugin or the graph can't be used.
    """
    from actorq.config import load_settings
    from actorq.node.components import list_components
    from actorq.plugins import load_plugins
    from actorq.supervisor import resolve_graph

    app = load(common) if common.app else None
    settings = load_settings() if app is None else app.conf
    return resolve_graph(list_components(None, load_plugins(app, common.plugins), settings), settings)


def _as_data(found: Graph) -> dict[str, Any]:
    return {
        "components": [{name: getattr(one, name) for name in FACTS} for one in found.components],
        "edges": [asdict(edge) for edge in found.edges],
        "dropped": found.dropped,
    }
