"""Nothing that was accepted is lost or runs twice without cause, whatever is killed.

`ACTORQ_CHAOS=long` runs the long form: 100,000 tasks; the short form is for every run of the tests.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from actorq import App
from actorq.messages.states import FAILURE, SUCCESS
from actorq.testing.wait import wait_until
from tests.chaos.campaign import Campaign
from tests.chaos.evidence import check_attempts, read_attempts
from tests.nodes import hub_pid

if TYPE_CHECKING:
    from pathlib import Path

LONG = os.environ.get("ACTORQ_CHAOS") == "long"
SEED = int(os.environ.get("ACTORQ_CHAOS_SEED", "1"))

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800 if LONG else 240)]


def settle(campaign: Campaign, timeout_s: float) -> None:
    """Wait for the end of all tasks and check what the evidence says."""
    for sender in campaign.senders:
        sender.wait(600)
    states = campaign.wait_finished(timeout_s)
    assert len(states) == len(campaign.sent)
    attempts = read_attempts(campaign.evidence)
    counts = check_attempts(attempts, campaign.killed)
    missing = [task_id for task_id, state in states.items() if state == SUCCESS and task_id not in attempts]
    assert not missing, f"{len(missing)} tasks succeeded without ever having run"
    ends = Counter(states.values())
    assert set(ends) <= {SUCCESS, FAILURE}, ends
    print(f"{len(states)} tasks, {dict(ends)}, {dict(counts)}, kills {campaign.kills}")


def test_every_accepted_task_ends_though_slots_and_nodes_are_killed(tmp_path: Path) -> None:
    tasks, kills = (100_000, 40) if LONG else (4_000, 8)
    with Campaign(tmp_path, SEED) as campaign:
        node = campaign.start_node()
        senders = 4
        seconds = 0.0005 if LONG else 0.001  # long enough that work is left for the last kill
        for place in range(senders):
            campaign.start_sender(tasks // senders, 1 + place * (tasks // senders), seconds)
        for kill in range(kills):
            before = campaign.progress()
            wait_until(lambda before=before: campaign.progress() > before, 30, "some work between two kills")  # type: ignore[misc]
            time.sleep(campaign.rng.uniform(0.0, 0.2))
            if kill % 3 == 2:
                campaign.kill_node(node)
                node = campaign.start_node()
            else:
                campaign.kill_slot(node)
        settle(campaign, 600 if LONG else 90)
        assert node.stop() == 0, node.output


def test_a_node_takes_over_when_the_hub_is_killed_and_the_first_joins_again(tmp_path: Path) -> None:
    tasks, rounds = (40_000, 10) if LONG else (3_000, 2)
    with Campaign(tmp_path, SEED) as campaign:
        first, second = campaign.start_node(), campaign.start_node()
        for place in range(2):
            campaign.start_sender(tasks // 2, 1 + place * (tasks // 2), 0.001)
        for _ in range(rounds):
            before = campaign.progress()
            wait_until(lambda before=before: campaign.progress() > before, 30, "some work")  # type: ignore[misc]
            assert hub_pid(campaign.home) == first.pid
            campaign.kill_node(first)
            killed_at = time.monotonic()
            wait_until(lambda second=second: hub_pid(campaign.home) == second.pid, 10, "the other to be the hub")  # type: ignore[misc]
            assert time.monotonic() - killed_at < 2.0
            first, second = second, campaign.start_node()
            assert "worker" in second.output
        settle(campaign, 300 if LONG else 90)


def test_a_caller_killed_in_the_middle_of_a_loop_loses_nothing(tmp_path: Path) -> None:
    rounds = 50 if LONG else 8
    with Campaign(tmp_path, SEED) as campaign:
        campaign.start_node()
        for place in range(rounds):
            sender = campaign.start_sender(10**6, 1 + place * 10**6)
            log = tmp_path / f"sent-{1 + place * 10**6}.log"
            wait_until(lambda log=log: log.stat().st_size > 1_000, 30, "the caller to send")  # type: ignore[misc]
            time.sleep(campaign.rng.uniform(0.0, 0.02))
            sender.kill()
            sender.wait(10)
            campaign.kills["sender"] += 1
        settle(campaign, 300)
        wait_until(lambda: not list((campaign.home / "outbox").iterdir()), 30, "the outboxes to be emptied")
        settle(campaign, 60)
        attempts = read_attempts(campaign.evidence)
        assert all(len(found) == 1 for found in attempts.values()), "nothing died while it ran: nothing runs twice"
        # A record may be complete though its caller died before it could write down the id; never the other way.
        assert set(campaign.sent) <= set(attempts)
        assert len(attempts) - len(campaign.sent) <= rounds


def test_tasks_sent_while_no_node_runs_wait_also_if_their_sender_was_killed(tmp_path: Path) -> None:
    with Campaign(tmp_path, SEED) as campaign:
        sender = campaign.start_sender(10**6, 1)
        wait_until(lambda: (tmp_path / "sent-1.log").stat().st_size > 20_000, 30, "the caller to send")
        sender.kill()
        sender.wait(10)
        assert campaign.progress() == 0
        campaign.start_node()
        settle(campaign, 120)


def test_a_poisonous_task_becomes_a_dead_letter_while_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOS_EVIDENCE", str(tmp_path / "evidence"))
    with Campaign(tmp_path, SEED) as campaign:
        campaign.start_node()
        from tests.chaos import chaos_tasks

        with App("chaos", home=campaign.home) as app:
            poisoned = app.send_task(chaos_tasks.poison.name, [1])
            others = [app.send_task(chaos_tasks.add.name, [number, 1]) for number in range(500)]
            assert [each.get(timeout=60) for each in others] == list(range(1, 501))
            error = poisoned.get(timeout=60, propagate=False)
            assert type(error).__name__ == "SlotLost"
            assert "SIGKILL" in str(error)
        attempts = read_attempts(campaign.evidence)[poisoned.id]
        assert len(attempts) == 3


def test_others_keep_most_of_their_throughput_while_poison_kills_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAOS_EVIDENCE", str(tmp_path / "evidence"))
    with Campaign(tmp_path, SEED) as campaign:
        campaign.start_node()
        with App("chaos", home=campaign.home) as app:

            def rate(poisons: int) -> float:
                """Return tasks/s of 2 ms each, with that many tasks among them which kill their slot every time."""
                count = 1_500
                started_at = time.monotonic()
                sent = []
                for number in range(count):
                    if poisons and number % (count // poisons) == 0:
                        app.send_task("tests.chaos.chaos_tasks.poison", [number])
                    sent.append(app.send_task("tests.chaos.chaos_tasks.work", [number, 0.002]))
                for each in sent:
                    each.get(timeout=120)
                return count / (time.monotonic() - started_at)

            rate(0)
            ratios = sorted(rate(5) / rate(0) for _ in range(3))
    print(f"throughput with poison / without: {ratios}")
    assert ratios[1] > 0.7
