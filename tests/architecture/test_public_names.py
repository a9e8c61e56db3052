"""What users may import is written down twice, here and in the reference, so that no name comes or goes unnoticed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import actorq
import actorq.actors
import actorq.supervisor

REFERENCE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference"
NAME = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)

TASKS = """
    App AsyncResult GroupResult Node Plugin Request ResultSet Secret Task current_request current_task register_exception
    result_from_tuple
"""
WORKFLOWS = "Signature chain chord chunks group signature"
ACTORS = "Actor ActorRef NameRef Outcome Refusal Reply System Exit"
SUPERVISORS = "Backoff ChildSpec Component DynamicSupervisor Supervisor"
ERRORS = """
    ActorDead ActorError ActorqError AlreadyStarted AskTimeout BrokerUnavailable ChordError ConfigError ContentDisallowed DecodeError EncodeError Ignore
    MessageTooLarge MailboxFull MaxRetriesExceeded NotRegistered PluginError QueueFull Reject RemoteError ResultTimeout ResultUnknown Retry SettingError SlotLost
    SoftTimeLimitExceeded SpecError StoreDamaged StoreError StoreFull StoreLocked TaskError TaskIgnored TaskRevoked TimeLimitExceeded WouldBlock
"""


def test_these_are_the_public_names_of_actorq():
    expected = f"{TASKS} {WORKFLOWS} {ACTORS} {SUPERVISORS} {ERRORS} __version__".split()
    assert sorted(actorq.__all__) == sorted(expected)
    assert [name for name in expected if not hasattr(actorq, name)] == []


def test_a_name_that_is_looked_up_late_is_the_thing_itself_and_a_misspelt_one_is_an_error():
    assert actorq.Actor is actorq.actors.Actor
    assert actorq.ChildSpec is actorq.supervisor.ChildSpec
    assert {"Actor", "ChildSpec"} <= set(dir(actorq))
    with pytest.raises(AttributeError, match="'actorq' has no attribute 'Acter'"):
        getattr(actorq, "Acter")  # noqa: B009  a type checker would refuse it


def test_the_reference_lists_exactly_the_public_names():
    section = (REFERENCE / "api.md").read_text().split("\n## `actorq`\n")[1].split("\n## ")[0]
    assert sorted(NAME.findall(section)) == sorted(name for name in actorq.__all__ if not name.startswith("__"))


@pytest.mark.parametrize("module", [actorq.actors, actorq.supervisor])
def test_every_public_name_of_a_room_for_users_is_in_the_reference(module):
    page = "".join((REFERENCE / name).read_text() for name in ("actors.md", "supervisors.md"))
    assert [name for name in module.__all__ if not re.search(rf"`[^`\n]*\b{name}\b", page)] == []
