"""Why a task waits: a table from facts to sentences."""

from __future__ import annotations

import pytest

from actorq.client.why import explain

NOW = 1_000.0
QUEUED = {
    "state": "PENDING", "where": "window", "queue": "mail", "priority": 4, "ahead": 0, "paused": False, "slots": 2,
    "leaving": 0, "takers": 2, "free": 2, "longest": None,
}  # fmt: skip
LONG = {"slot": "s1", "node": "n", "running_s": 12.0, "id": "abc-1", "task": "shop.crunch"}
ENDED = {"where": "ended", "state": "FAILURE", "finished_at": NOW - 5}
NOWHERE = {"where": "nowhere", "state": "UNKNOWN", "is_chosen": False, "taken": None, "number": 4}

TABLE = [
    (QUEUED, ["it is queued in 'mail' with priority 4, next"]),
    (QUEUED | {"ahead": 7}, ["it is queued in 'mail' with priority 4 behind 7 others"]),
    (
        QUEUED | {"free": 0, "longest": LONG},
        [
            "it is queued in 'mail' with priority 4, next",
            "all 2 slots that take its queue are busy, the longest for 12.0 s with shop.crunch (abc-1)",
        ],
    ),
    (
        QUEUED | {"free": 0, "takers": 1, "longest": LONG | {"running_s": 0.2}},
        ["it is queued in 'mail' with priority 4, next", "the slot that takes its queue is busy"],
    ),
    (QUEUED | {"takers": 0}, ["it is queued in 'mail', and no slot takes that queue: start a node with -Q mail"]),
    (
        QUEUED | {"takers": 0, "leaving": 2},
        ["it is queued in 'mail', and the only slots there are about to go: their node is draining"],
    ),
    (
        QUEUED | {"takers": 0, "slots": 0},
        ["it is queued in 'mail', and no slot is there to run it; is a node starting, or are its slots?"],
    ),
    (QUEUED | {"paused": True}, ["its queue 'mail' is paused; resume it with: actorq queue resume mail"]),
    (QUEUED | {"where": "store", "eta": NOW + 30.0, "takers": 0}, ["it is due in 30.0 s"]),
    (
        QUEUED | {"where": "store", "state": "RETRY", "eta": NOW + 30.0, "retries": 2, "expires": NOW + 60.0},
        ["retry 2 of it is due in 30.0 s", "it expires in 60.0 s"],
    ),
    (
        QUEUED | {"where": "store", "ahead": None, "waiting": 70_000},
        ["it is queued in 'mail' with priority 4, one of 70000 that are ready"],
    ),
    (
        QUEUED | {"where": "slot", "slot": "s1", "behind": LONG},
        ["slot s1 holds it behind shop.crunch (abc-1), which has been running for 12.0 s"],
    ),
    (
        QUEUED | {"where": "slot", "slot": "s1", "behind": {"running_s": 0.0}, "is_leaving": True},
        ["slot s1 holds it and starts it next; that slot is about to go, and gives it back then"],
    ),
    (
        QUEUED | {"where": "slot", "slot": "s1", "running_s": 2.0, "deliveries": 1, "max_deliveries": 3},
        ["it has been running for 2.0 s in slot s1", "it has ended its process 1 times of 3"],
    ),
    (ENDED, ["it ended as FAILURE 5.0 s ago"]),
    (
        ENDED | {"where": "dead"},
        ["it ended as FAILURE 5.0 s ago and is a dead letter; run it again with: actorq task retry"],
    ),
    (NOWHERE, ["the node doesn't know it: no task of that process was ever accepted here"]),
    (
        NOWHERE | {"taken": 3},
        ["the node doesn't know it: that process has sent 3 tasks here, and this isn't one of them"],
    ),
    (NOWHERE | {"taken": 9}, ["it was accepted and has ended; its result was forgotten or has expired"]),
    (
        NOWHERE | {"is_chosen": True, "is_revoked": True},
        [
            (
                "no task with this id is known: it was never accepted here, or its result was forgotten or has expired; "
                "it was cancelled, and ends should it arrive"
            )
        ],
    ),
    (NOWHERE | {"outbox": {"pid": 77}}, ["it is still in the outbox of process 77, no node has confirmed it"]),
    (
        NOWHERE | {"outbox": {"pid": None}},
        ["it is in the outbox of a process that is gone; a node takes it over within seconds"],
    ),
    ({"state": "REJECTED"}, ["its state is REJECTED"]),
]


@pytest.mark.parametrize(("facts", "said"), TABLE, ids=[said[0] for _, said in TABLE])
def test_facts_become_sentences_the_main_reason_first(facts, said):
    assert list(explain(facts, NOW)) == said
