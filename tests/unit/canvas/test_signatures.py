"""Signatures are values: what they are made of, and what others are made of them."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from actorq.canvas import Signature, chain, chord, chunks, group, signature, xmap, xstarmap


def s(name: str, *args: Any, **kwargs: Any) -> Any:
    return Signature(name, args, kwargs)


A, B, C, D = s("a"), s("b"), s("c"), s("d")


class Recorder:
    """A sender that keeps what it was to send."""

    def __init__(self):
        self.sent = []

    def send_canvas(self, canvas):
        self.sent.append(canvas)
        return "result"

    run_canvas = call_canvas = send_canvas


# -- one -------------------------------------------------------------------------------------------------------------------


def test_new_arguments_go_before_its_own_and_new_names_over_them():
    sig = Signature("add", (3,), {"x": 1, "y": 1}, {"queue": "a", "priority": 1})
    made = sig.clone((1, 2), {"y": 2}, queue="b")
    assert (made.args, made.kwargs, made.options) == ((1, 2, 3), {"x": 1, "y": 2}, {"queue": "b", "priority": 1})
    assert (sig.args, sig.options["queue"]) == ((3,), "a"), "signatures don't change"


def test_an_immutable_one_takes_options_only():
    sig = Signature("add", (3,), immutable=True)
    assert sig.clone((1,), {"y": 2}, queue="b") == Signature("add", (3,), options={"queue": "b"}, immutable=True)
    assert s("add").set(immutable=True).immutable


def test_callbacks_are_added_once():
    sig = A.link(B).link(B).link_error(C).on_error(D)
    assert sig.callbacks == (B,)
    assert sig.errbacks == (C, D)
    assert A.callbacks == ()


def test_a_document_is_plain_data_and_comes_back_the_same():
    sig = s("add", 1, y=[2]).set(queue="a", link=B.link_error(C), immutable=True)
    document = json.loads(json.dumps(dict(sig)))
    assert signature(document) == sig
    assert signature(document).callbacks[0].errbacks == (C,)
    assert document["task"] == "add"
    assert pickle.loads(pickle.dumps(sig)) == sig


def test_frozen_ids_are_kept_in_documents():
    assert signature(dict(A.set(task_id="mine"))).id == "mine"


def test_freezing_gives_every_result_an_id_once():
    frozen = (A | group(B, C | D) | s("e")).freeze("mine")
    first, rest = frozen.tasks
    members = rest.header.tasks
    ids = [first.id, rest.header.id, members[0].id, *(each.id for each in members[1].tasks), rest.body.id]
    assert None not in ids
    assert len({*ids}) == 6
    assert (frozen.id, rest.id, rest.body.id) == ("mine", "mine", "mine")
    assert members[1].id == members[1].tasks[-1].id
    assert frozen.freeze() == frozen
    assert signature(dict(frozen)) == frozen
    assert A.id is None
    assert chain().freeze() == chain()


def test_it_is_sent_by_the_application_of_one_of_its_parts():
    recorder = Recorder()
    assert A.bind(recorder).delay(1, x=2) == "result"
    assert recorder.sent == [s("a", 1, x=2)]
    (A | B.bind(recorder)).apply_async((1,), queue="q")
    assert recorder.sent[1] == (A | B).clone((1,), queue="q")


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (lambda: Signature(""), TypeError, "expected the name of a task"),
        (lambda: Signature("a", "xy"), TypeError, "expected args of a to be a list or a tuple, got 'xy'"),
        (lambda: Signature("a", (), 3), TypeError, "expected kwargs of a to be a mapping, got 3"),
        (lambda: A.link(print), TypeError, "say task.s"),
        (lambda: A | 3, TypeError, "unsupported operand"),
        (lambda: chain(A, 3), TypeError, "expected a member of a chain to be a signature, got 3"),
        (lambda: group([A, None]), TypeError, "expected a member of a group to be a signature, got None"),
        (lambda: chord([A], 5), TypeError, "expected the body of a chord to be a signature, got 5"),
        (lambda: chord([A]).link(B), TypeError, "to have a body, got none"),
        (lambda: chunks(A, [], 0), ValueError, "expected chunks of 1 at least, got 0"),
        (A.delay, TypeError, "to belong to an application"),
        (lambda: signature(3), TypeError, "expected what a signature is made of to be a signature, got 3"),
        (lambda: signature({"args": []}), TypeError, "a mapping with the name of a 'task'"),
        (lambda: signature({"task": "a", "version": 9}), ValueError, "a newer actorq wrote it"),
        (lambda: signature({"task": "a", "subtask_type": "knot"}), ValueError, "got 'knot'"),
        (lambda: A.replace(colour="red"), TypeError, "no field 'colour'"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_made(wrong, error, told):
    with pytest.raises(error, match=told):
        wrong()


# -- many ------------------------------------------------------------------------------------------------------------------


def test_chains_are_flat_however_they_were_made():
    assert A | B | C == chain(A, B, C) == chain(A, chain(B, C)) == chain(chain(A, B), C) == chain([A, B, C])
    assert (A | B | C).tasks == (A, B, C)


def test_one_alone_is_itself_and_nothing_is_a_chain_of_none():
    assert chain(A) == A
    assert chain().tasks == chain(chain(), group()).tasks == ()
    assert chain() | A == A | chain() == A


def test_what_follows_a_group_is_the_body_of_a_chord():
    both = group(A, B)
    assert both | C == chord(both, C)
    assert (A | both | C) == chain(A, chord(both, C))
    assert (both | C | D) == chord(both, C | D)
    assert chain(A, both) | C | D == chain(A, chord(both, chain(C, D)))
    assert (both | group(C, D)) == chord(both, group(C, D))


def test_what_follows_a_chord_goes_on_from_its_body():
    assert chord([A, B], C) | D == chord([A, B], C | D)
    assert A | chord([A, B], C) | D == chain(A, chord([A, B], C | D))
    assert A | (chord([A, B]) | D) == chain(A, chord([A, B], D))
    assert chord([A, B], C) | group(A, D) | B == chain(chord([A, B], C), chord([A, D], B)), "no deeper than before"


def test_a_group_of_one_is_that_one_and_an_empty_one_nothing_once_chained():
    assert A | group(B) == A | B
    assert group(B) | C == B | C
    assert A | group([]) | C == A | C
    assert group(A).tasks == (A,), "as long as it stands alone"


def test_what_was_said_of_a_chain_as_a_whole_is_kept_when_it_becomes_part_of_another():
    inner = (A | B).set(queue="q", countdown=3, task_id="last").clone((1,))
    assert (inner | C).tasks == (s("a", 1).set(queue="q", countdown=3), B.set(queue="q", task_id="last"), C)


def test_links_of_primitives_go_to_those_they_are_for():
    assert (A | B).link(C) == A | B.link(C)
    assert (A | B).link_error(C) == A.link_error(C) | B.link_error(C)
    assert group(A, B).link(C) == group(A.link(C), B.link(C))
    assert chord([A], B).link(C) == chord([A], B.link(C))
    assert chord([A], B).link_error(C) == chord([A], B.link_error(C))


def test_a_group_reads_its_generator_when_it_is_sent_and_once():
    read = []

    def members():
        for number in range(5):
            read.append(number)
            yield s("a", number)

    lazy = group(members()).link(B)
    assert read == []
    assert (lazy | C).header.count_up_to(2) == 2
    assert read == [0, 1]
    assert [each.args for each in lazy.iter_tasks()] == [(0,), (1,), (2,), (3,), (4,)]
    with pytest.raises(ValueError, match="a generator that was read already"):
        lazy.tasks  # noqa: B018
    assert len(group(members()).tasks) == 5


def test_maps_and_chunks():
    assert repr(xmap(A, [1, 2])) == "[a(x) for x in [1, 2]]"
    assert xstarmap(A, [(1, 2)])["kwargs"]["it"] == [[1, 2]]
    parts: Any = chunks(A, ((number,) for number in range(5)), 2).group().tasks
    assert [part.items_ for part in parts] == [((0,), (1,)), ((2,), (3,)), ((4,),)]
    assert (chunks(A, [(1,), (2,)], 1) | C).subtask_type == "chord"


def test_skew_sets_countdowns():
    assert [each.options["countdown"] for each in group([A] * 5).skew(1, 4).tasks] == [1, 2, 3, 1, 2]
    assert [each.options["countdown"] for each in group([A] * 3).skew(0, step=0.5).tasks] == [0, 0.5, 1]
    assert [each.options["countdown"] for each in group([A] * 2).skew(3, 1).tasks] == [3, 3]


@pytest.mark.parametrize(
    "canvas",
    [
        A | B | C,
        (A | B).clone((1,), {"x": 2}),
        group(A, B | C),
        chord([A, group(B, C)], D).set(task_id="x"),
        chain(A, chord([B, C], D.link(A))),
        xmap(A, [1, 2]),
        xstarmap(A, [[1, 2], [3, 4]]),
        chunks(A, [[1], [2], [3]], 2),
        chain(),
        group(),
    ],
    ids=repr,
)
def test_every_kind_comes_back_from_its_document(canvas):
    again = signature(json.loads(json.dumps(dict(canvas))))
    assert again == canvas
    assert type(again) is type(canvas)
    assert repr(again) == repr(canvas)
