"""Keeping actors up: child specs, strategies, restart intensity, back-off, supervisors, the component graph."""

from actorq.supervisor.administration import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    ChildTemporary,
    ChildWaiting,
    CountChildren,
    DeleteChild,
    ProviderDown,
    ProviderUp,
    Recycle,
    RestartChild,
    StartChild,
    TerminateChild,
    TooManyChildren,
    Tree,
    WhichChildren,
)
from actorq.supervisor.backoff import NO_BACKOFF, Backoff
from actorq.supervisor.children import ChildCounts, ChildInfo
from actorq.supervisor.component import Component, Named
from actorq.supervisor.dynamic import DynamicSupervisor
from actorq.supervisor.graph import Edge, Graph, plan_graph, resolve_graph
from actorq.supervisor.graph_errors import BadReplacement, Cycle, GraphError, MissingRequirement, TwoProviders
from actorq.supervisor.spec import ChildSpec, SpecError
from actorq.supervisor.supervisor import Supervisor

__all__ = [
    "NO_BACKOFF",
    "Backoff",
    "BadReplacement",
    "ChildAlreadyPresent",
    "ChildAlreadyStarted",
    "ChildCounts",
    "ChildInfo",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildStartFailed",
    "ChildTemporary",
    "ChildWaiting",
    "Component",
    "CountChildren",
    "Cycle",
    "DeleteChild",
    "DynamicSupervisor",
    "Edge",
    "Graph",
    "GraphError",
    "MissingRequirement",
    "Named",
    "ProviderDown",
    "ProviderUp",
    "Recycle",
    "RestartChild",
    "SpecError",
    "StartChild",
    "Supervisor",
    "TerminateChild",
    "TooManyChildren",
    "Tree",
    "TwoProviders",
    "WhichChildren",
    "plan_graph",
    "resolve_graph",
]
