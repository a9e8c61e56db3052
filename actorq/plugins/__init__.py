"""What others add to actorq: the interface of a plugin, how plugins are found, and how their parts are collected."""

from actorq.plugins.collection import Plugins
from actorq.plugins.finding import FoundPlugin, find_plugins, load_plugins
from actorq.plugins.parts import (
    collect_commands,
    collect_components,
    collect_options,
    collect_verbs,
    configure_plugin,
    has_node_parts,
)
from actorq.plugins.plugin import Plugin
from actorq.plugins.values import AskComponent, NodeCommand, NodePart, Running, Sending

__all__ = [
    "AskComponent",
    "FoundPlugin",
    "NodeCommand",
    "NodePart",
    "Plugin",
    "Plugins",
    "Running",
    "Sending",
    "collect_commands",
    "collect_components",
    "collect_options",
    "collect_verbs",
    "configure_plugin",
    "find_plugins",
    "has_node_parts",
    "load_plugins",
]
