"""What is remembered of visits, when two processes hear of the same one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from connectors.visits.known import MOST_TOLD, Known, Visits
from connectors.visits.memory import Memory
from schemas.sealing import Keyring
from store.database import connect
from tests.gateway import NOW


def known(minutes: int = 0, **more: Any) -> Known:
    return Known("R1H12", "V77", ("k",), NOW + timedelta(minutes=minutes), **more)


def found(visits: Visits) -> Known:
    one = visits.find("k")
    assert one is not None
    return one


def test_what_an_older_word_of_another_process_says_beside_ours_is_learnt_and_written() -> None:
    ours = Visits()
    ours.keep(known(5, person="newer"))
    ours.unwritten.clear()

    ours.learn(known(1, person="older", cancelled=frozenset({NOW}), told=("a",), ours=True))

    assert (found(ours).person, found(ours).cancelled, found(ours).told) == ("newer", frozenset({NOW}), ("a",))
    assert found(ours).ours
    assert set(ours.unwritten) == {"k"}


def test_what_another_process_knows_better_is_not_written_over_by_what_we_had_to_write() -> None:
    ours = Visits()
    ours.keep(known(1, returned=frozenset({NOW})))

    ours.learn(known(5, cancelled=frozenset({NOW})))

    written = ours.unwritten["k"]
    assert (written.heard_at, written.returned, written.cancelled) == (
        NOW + timedelta(minutes=5),
        frozenset({NOW}),
        frozenset({NOW}),
    )


def test_what_another_process_had_told_before_our_cancellation_is_taken_back_when_that_is_said_once_more() -> None:
    ours = Visits()
    ours.keep(known(5, cancelled=frozenset({NOW})))

    ours.learn(known(1, told=("moved",), ours=True))

    assert found(ours).told == ("moved",)
    assert found(ours).cancelled == frozenset({NOW})


def test_two_processes_come_to_rest() -> None:
    one, other = Visits(), Visits()
    one.keep(known(1, told=("a", "b"), patients=frozenset({"p"})))
    other.keep(known(1, told=("c",), cancelled=frozenset({NOW})))

    rounds = 0
    while one.unwritten or other.unwritten:
        rounds += 1
        assert rounds < 10
        from_one, from_other = list(one.unwritten.values()), list(other.unwritten.values())
        one.unwritten.clear()
        other.unwritten.clear()
        for each in from_other:
            one.learn(each)
        for each in from_one:
            other.learn(each)

    assert found(one).cancelled == found(other).cancelled == {NOW}
    assert found(one).patients == found(other).patients == {"p"}


def test_more_than_is_remembered_of_what_was_told_is_not_exchanged_for_ever() -> None:
    ours = Visits()
    ours.keep(known(5, told=tuple(str(number) for number in range(MOST_TOLD))))
    ours.unwritten.clear()

    ours.learn(known(1, told=("dropped",)))

    assert ours.unwritten == {}


def test_what_was_written_is_learnt_again_without_a_word() -> None:
    ours = Visits()
    ours.keep(known(1, told=("a",)))
    [written] = ours.unwritten.values()
    ours.unwritten.clear()

    ours.learn(written)

    assert ours.unwritten == {}


class Counting:
    """A keyring that counts what it opens."""

    def __init__(self) -> None:
        self.keyring = Keyring.make()
        self.opened = 0

    def seal(self, data: bytes, *, place: str) -> bytes:
        return self.keyring.seal(data, place=place)

    def open(self, sealed: bytes, *, place: str) -> bytes:
        self.opened += 1
        return self.keyring.open(sealed, place=place)

    def mark(self, what: str, *parts: str) -> str:
        return self.keyring.mark(what, *parts)


async def test_a_visit_that_has_been_read_is_opened_again_only_when_it_has_changed(database_url: str) -> None:
    engine, sealer = connect(database_url), Counting()
    ours, theirs = Visits(), Visits()
    writing, reading = (Memory(visits, engine, sealer, lambda: NOW) for visits in (ours, theirs))
    ours.keep(known(0, told=("a",)))

    await writing.write()
    for _ in range(3):
        await reading.read()
    once = sealer.opened
    ours.keep(replace(found(ours), told=("a", "b"), heard_at=NOW + timedelta(minutes=1)))
    await writing.write()
    await reading.read()

    assert (once, sealer.opened) == (1, 2)
    assert found(theirs).told == ("a", "b")
    await engine.dispose()
