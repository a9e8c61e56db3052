"""Keeping actors up: child specs, strategies, restart intensity, back-off, supervisors, the component graph."""

from actorq.supervisor.administration import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    CountChildren,
    DeleteChild,
    ProviderDown,
    ProviderUp,
    RestartChild,
    StartChild,
    TerminateChild,
    TooManyChildren,
    Tree,
    WhichChildren,
)
from actorq.supervisor.backoff import NO_BACKOFF, Backoff
from actorq.supervisor.children import ChildCounts, ChildInfo
from actorq.supervisor.dynamic import DynamicSupervisor
from actorq.supervisor.graph import Component, Cycle, GraphError, MissingRequirement, Named, TwoProviders, plan_graph
from actorq.supervisor.spec import ChildSpec, SpecError
from actorq.supervisor.supervisor import Supervisor

__all__ = [
    "NO_BACKOFF",
    "Backoff",
    "ChildAlreadyPresent",
    "ChildAlreadyStarted",
    "ChildCounts",
    "ChildInfo",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildStartFailed",
    "Component",
    "CountChildren",
    "Cycle",
    "DeleteChild",
    "DynamicSupervisor",
    "GraphError",
    "MissingRequirement",
    "Named",
    "ProviderDown",
    "ProviderUp",
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
]
