"""What survives: the Engine protocol and its implementations.

`Engine` is the seam, `SqliteEngine` the embedded store, `MemoryEngine` the obvious slow version for tests. Everything
above talks to the protocol only; the conformance suite in `actorq.testing.engine_contract` runs over each engine.
"""

from actorq.engine.memory import MemoryEngine, MemoryStorage
from actorq.engine.protocol import (
    Change,
    DeadLetter,
    DeadTask,
    Engine,
    EngineStats,
    NewTask,
    Opened,
    QueueStats,
    Receipt,
    Settlement,
    StoredTask,
    Transaction,
)
from actorq.engine.sqlite import SqliteEngine

__all__ = [
    "Change",
    "DeadLetter",
    "DeadTask",
    "Engine",
    "EngineStats",
    "MemoryEngine",
    "MemoryStorage",
    "NewTask",
    "Opened",
    "QueueStats",
    "Receipt",
    "Settlement",
    "SqliteEngine",
    "StoredTask",
    "Transaction",
]
