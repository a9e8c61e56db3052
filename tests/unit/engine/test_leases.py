"""The book of leases: deadlines, extensions, bounded memory."""

from __future__ import annotations

from actorq.engine.leases import HEAP_SLACK, Lease, LeaseBook


def test_settled_leases_do_not_fill_the_memory():
    book = LeaseBook()
    book.add(1, Lease(1, 5.0))
    for token in range(2, 4 * HEAP_SLACK):
        book.add(2, Lease(token, 1e9 + token))
        book.end([2])
    assert len(book._heap) <= HEAP_SLACK + 10
    assert book.find_expired(5.0, 10) == [1]


def test_what_expired_is_found_until_it_is_ended():
    book = LeaseBook()
    book.add(1, Lease(1, 5.0))
    book.add(2, Lease(2, 4.0))
    assert book.find_expired(10.0, 1) == [2]
    assert book.find_expired(10.0, 5) == [2, 1]
    book.end([2, 3])
    assert book.find_expired(10.0, 5) == [1]


def test_a_key_leased_again_is_not_ended_by_its_old_deadline():
    book = LeaseBook()
    book.add(1, Lease(1, 5.0))
    book.end([1])
    book.add(1, Lease(2, 50.0))
    assert book.find_expired(10.0, 5) == []
    assert book.find_expired(50.0, 5) == [1]


def test_extensions_in_both_directions_count_once():
    book = LeaseBook()
    book.add(1, Lease(1, 5.0))
    assert book.extend([(1, 1)], 20.0) == []
    assert book.extend([(1, 1)], 3.0) == []
    assert book.find_expired(4.0, 5) == [1]
    assert book.extend([(1, 1)], 30.0) == []
    assert book.find_expired(29.0, 5) == []
    assert book.find_expired(30.0, 5) == [1]
