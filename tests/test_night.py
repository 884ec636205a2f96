"""A made-up night: the same from the same seed, every event as the contract says, and nothing of it lost on the way to a gateway."""

import asyncio
import random
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.acceptance import check_events, check_whose
from connectors.cloudevents import Told
from embedded.night import people
from embedded.night.plan import HELD_BACK, HOUR, Night, Said, play
from embedded.night.send import Sending, Tally, event, say
from schemas.envelope import Envelope
from schemas.identifiers import is_synthetic_nhs_number, nhs_number
from schemas.settings import Mode, Settings
from schemas.web import serving_in_thread
from store.rights import Agency
from tests.gateway import MET, MET_KEY, NOW, Gateway, key_of
from tests.house import own_environment, run

SHORT = Night(hours=1.0, authorities=2, rate=3.0)
REGION = Agency("simulation", ("simulation",), MET.types, frozenset({"*"}))
HERE = Sending("http://gateway", MET_KEY, "simulation", 3600.0, "run")


@given(st.integers(0, 50))
def test_the_same_seed_is_the_same_night_in_the_order_in_which_it_is_sent(seed: int) -> None:
    night = Night(seed=seed, hours=0.5, authorities=1, rate=2.0)

    said = list(play(night))

    assert said == list(play(night))
    assert [one.at for one in said] == sorted(one.at for one in said)


def test_every_event_of_a_night_is_as_the_contract_says() -> None:
    night = Night(
        hours=14.0, authorities=3, rate=2.0, watched=[people.stranger(random.Random(1), NOW.date())], watched_share=0.5
    )

    envelopes = [taken(one) for one in play(night)]

    kinds = {one.type.split(".")[1] for one in envelopes}
    assert {
        "arrest",
        "admission",
        "exclusion",
        "missing",
        "discharge",
        "cancelled",
        "identity-changed",
        "heartbeat",
    } <= kinds


def test_a_line_that_is_down_says_everything_at_once_when_it_is_back_and_when_it_happened() -> None:
    said = [one for one in play(Night(rate=5.0)) if one.feed == HELD_BACK]

    down = [one for one in said if 3 * HOUR <= one.happened < 4 * HOUR]
    assert len(down) > 5
    assert {one.at for one in down} == {4 * HOUR}
    assert not [one for one in said if 3 * HOUR <= one.at < 4 * HOUR]


@given(st.integers())
def test_a_made_up_child_has_a_number_that_nobody_has(seed: int) -> None:
    number = people.nhs_number(random.Random(seed))

    assert nhs_number(number).usable
    assert is_synthetic_nhs_number(number)


@pytest.fixture
def gateway() -> Iterator[tuple[Gateway, str]]:
    """A gateway that listens, whose Kafka may be away."""
    made = Gateway()
    made.doorkeeper.know([key_of(MET_KEY, REGION)])
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving_in_thread(made.app, Settings(listen=f"127.0.0.1:{port}")):
        yield made, f"http://127.0.0.1:{port}"


async def test_while_kafka_is_away_what_was_not_taken_is_sent_again_and_nothing_is_lost(
    gateway: tuple[Gateway, str],
) -> None:
    door, url = gateway
    await _listens(url)
    night = list(play(SHORT))
    tally = Tally(len(night))
    door.shelf.away = True

    def told(so_far: Tally) -> None:
        door.shelf.away = so_far.again == 0

    await say(night, Sending(url, MET_KEY, "simulation", 36000.0, "run"), tally, told=told, every=0.0)

    assert tally.again > 0
    assert tally.sent.total() == len(night)
    assert not tally.refused
    assert {one.id for one in door.shelf.kept} == {f"run-{one.id}" for one in night}


async def test_what_a_key_may_not_send_is_counted_as_refused(gateway: tuple[Gateway, str]) -> None:
    _, url = gateway
    await _listens(url)
    night = list(play(SHORT))[:5]
    tally = Tally(len(night))

    await say(night, Sending(url, MET_KEY, "somebody-else", 1e9, "run"), tally, told=lambda _: None)

    assert tally.refused == {"403": 5}


async def test_an_address_where_nothing_answers_is_said_at_once() -> None:
    with pytest.raises(httpx2.HTTPError):
        await say([], Sending("http://127.0.0.1:9", MET_KEY, "simulation", 1.0, "run"), Tally(0), told=lambda _: None)


def taken(one: Said) -> Envelope:
    said = event(one, HERE, NOW)
    data = said.pop("data")
    (envelope,) = check_events(
        check_whose([Told("", said, data)], REGION), REGION, entrance="http", mode=Mode.REHEARSAL, received_at=NOW
    )
    return envelope


async def _listens(url: str) -> None:
    async with httpx2.AsyncClient() as client:
        for _ in range(200):
            try:
                await client.get(f"{url}/healthz")
            except httpx2.TransportError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize("held", [b"", b"one two", b"shown once:\nnl_abc\n", b"\xff\xfe"])
def test_a_key_file_that_holds_no_key_is_refused_in_one_sentence(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "key").write_bytes(held)

    words = ("simulate", "--to", "http://127.0.0.1:1", "--key-file", str(tmp_path / "key"))
    done = run(*words, environment=own_environment(tmp_path))

    assert done.returncode == 1
    assert "does not hold a key" in done.stderr
    assert "nl_abc" not in done.stderr
