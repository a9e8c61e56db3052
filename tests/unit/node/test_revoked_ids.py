"""What is remembered of tasks that must not start: by ids and deliveries, bounded, until it expires."""

from __future__ import annotations

import pytest

from actorq.messages.ids import format_task_id, make_key
from actorq.messages.task import Delivery, TaskMessage
from actorq.node import revoked_ids as module
from actorq.node.revoke_orders import read_question
from actorq.node.revoked_ids import KEEP_S, RevokedIds

OUTBOX = 0xABC
NOW = 1_000.0


def delivery(number, alias=None, outbox_id=OUTBOX):
    return Delivery(make_key(3, number), 0, 0, outbox_id, TaskMessage(number, "shop.a", b"", alias=alias))


def test_a_delivery_is_known_by_its_own_id_and_by_the_one_its_caller_chose():
    known = RevokedIds({format_task_id(OUTBOX, 7): NOW, "order-1": NOW})
    assert known.covers(delivery(7))
    assert known.covers(delivery(8, alias="order-1"))
    assert not known.covers(delivery(8))
    assert not known.covers(delivery(7, outbox_id=OUTBOX + 1))


def test_an_id_is_remembered_in_the_form_in_which_the_store_forgets_it():
    known = RevokedIds({})
    sloppy = format_task_id(OUTBOX, 7).upper().replace("-7", "-007")
    assert known.add([sloppy, "mine"], NOW) == ({format_task_id(OUTBOX, 7): NOW + KEEP_S, "mine": NOW + KEEP_S}, [])
    assert known.forget(OUTBOX, 7, "mine") == [format_task_id(OUTBOX, 7), "mine"]
    assert known.forget(OUTBOX, 7, "mine") == []
    assert not known


def test_there_is_a_bound_and_what_has_expired_makes_room(monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    known = RevokedIds({})
    known.add(["a", "b"], NOW)
    added, refused = known.add(["b", "c", "d"], NOW + 10)
    assert (sorted(added), refused) == (["b", "c"], ["d"])
    assert (known.add(["e"], NOW + KEEP_S)[1], len(known)) == ([], 3)
    assert list(known.list()) == ["b", "c", "e"]


@pytest.mark.parametrize("bad", [{}, {"ids": "abc"}, {"ids": [1]}, {"ids": ["x" * 256]}, {"ids": [], "kill": 1}])
def test_a_question_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match=r"xpected|missing|unknown"):
        read_question(bad)
