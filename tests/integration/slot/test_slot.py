"""A slot and its broker, as long as both live."""

from __future__ import annotations

from actorq.codec import decode_result
from tests.integration.slot.harness import make


def test_a_slot_runs_what_it_is_given_in_order(node, broker):
    name = node.start_slot(broker)
    sent = [make("add", number, 1) for number in range(200)]
    broker.send(name, sent)
    reports = broker.wait_for(name, 200)
    assert [report.token for report in reports] == [delivery.token for delivery in sent]
    assert [decode_result(report.codec_id, report.payload) for report in reports] == list(range(1, 201))
