"""The synthetic child: she goes the way of every child, up to the provider, and is in no count and on no list."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from notifiers.heartbeat import ping
from notifiers.probe import Probe
from schemas import probe as synthetic
from schemas.events import EVENTS
from schemas.identifiers import is_synthetic_nhs_number
from schemas.kinds import BY_TYPE
from schemas.moments import Outcome
from schemas.settings import Mode
from store import agencies, audit, board, expiry, gaps, probing
from store.moments import moments
from store.opening import open_or_join
from store.pages import attempts, pages
from store.people import responders
from store.probing import probes
from tests.pager_cast import NIGHT, Night, night
from tests.store_cast import SEALER, found
from tests.watch import Watch

NUMBER = UUID(int=7)


@pytest.fixture
async def story(database_url: str) -> AsyncIterator[Night]:
    async with night(database_url) as begun:
        yield begun


async def tell(story: Night, name: str = "probe-1") -> Outcome:
    """As a lane does when the matcher has found her."""
    clocks = dict.fromkeys(("occurred_at", "received_at", "matched_at"), story.watch() - timedelta(seconds=3))
    said = found(name, child=synthetic.PROBE.child_id, feed=synthetic.NAME, **clocks)
    async with story.engine.begin() as connection:
        return await open_or_join(connection, SEALER, said, at=story.watch())


async def rows(story: Night, table: Any) -> list[Any]:
    async with story.engine.connect() as connection:
        return list(await connection.execute(select(table)))


async def test_her_page_is_claimed_by_the_pager_and_ends_one_hop_before_the_provider(story: Night) -> None:
    outcome = await tell(story)

    await story.round()

    (page,), (attempt,), (moment,) = await rows(story, pages), await rows(story, attempts), await rows(story, moments)
    assert outcome is Outcome.PAGED
    assert (page.state, moment.state, attempt.state, attempt.provider) == (
        "withdrawn",
        "withdrawn",
        "sent",
        "nightlight-probe",
    )
    assert story.phone.requests == 0
    assert story.count("nightlight_probe_seconds_count") == 1
    assert story.count("nightlight_probe_seconds_sum") == 3
    assert story.count("nightlight_probe_last_success_timestamp_seconds") == NIGHT.timestamp()


async def test_the_second_lane_and_a_replay_find_how_it_ended_and_write_nothing(story: Night) -> None:
    await tell(story)
    await story.round()
    before = [await rows(story, table) for table in (moments, pages, attempts, probes)]

    again = await tell(story)

    assert again is Outcome.PAGED
    assert [await rows(story, table) for table in (moments, pages, attempts, probes)] == before


async def test_a_round_that_never_came_through_is_ended_by_the_next(story: Night) -> None:
    await tell(story, "probe-1")
    story.watch.later(minutes=1)

    await tell(story, "probe-2")
    await story.round()

    assert sorted(page.state for page in await rows(story, pages)) == ["withdrawn", "withdrawn"]
    assert [probe.came_at is not None for probe in sorted(await rows(story, probes), key=lambda one: one.asked_at)] == [
        False,
        True,
    ]


async def test_after_an_hour_nothing_of_a_round_is_left(story: Night) -> None:
    await tell(story, "probe-1")
    await story.round()
    story.watch.later(minutes=61)

    await tell(story, "probe-2")

    assert [len(await rows(story, table)) for table in (moments, pages, attempts, probes)] == [1, 1, 1, 1]


async def test_she_is_in_no_count_and_on_no_list(story: Night) -> None:
    await tell(story)

    async with story.engine.connect() as connection:
        counted = await expiry.gauges(connection)
        missing = await gaps.check(connection, story.watch())
    await story.round()

    shown = story.registry.get_sample_value("nightlight_moments_open", {"authority": synthetic.NAME})
    assert shown is None
    assert set(counted.moments_open) == {synthetic.NAME}  # the rows are there: it is the gauges that leave her out
    assert not [sentence for sentence in missing if synthetic.NAME in sentence]
    assert await rows(story, audit.audit) == []
    assert (
        story.count("nightlight_received_to_sent_seconds_count", type=synthetic.PAGE_TYPE, authority=synthetic.NAME)
        == 0
    )


async def test_what_goes_wrong_with_her_page_keeps_no_childs_waiting(story: Night) -> None:
    async with story.engine.begin() as connection:
        other = {"person": "somebody", "name": "Somebody", "mobile": synthetic.NO_PHONE, "teams": []}
        await connection.execute(responders.insert().values(**other))

    outcome = await tell(story)

    assert outcome is Outcome.NOTED
    assert await rows(story, pages) == []


def test_nobody_outside_can_make_a_page_of_her_type_and_she_is_made_up() -> None:
    assert synthetic.PAGE_TYPE not in EVENTS
    assert synthetic.PAGE_TYPE not in BY_TYPE
    assert is_synthetic_nhs_number(synthetic.PROBE.nhs_number or "")
    assert synthetic.event(NUMBER).person.nhs_number == synthetic.PROBE.nhs_number


@pytest.mark.parametrize(
    ("came", "minutes", "late"),
    [(None, 0, False), (None, 3, False), (None, 3.1, True), (0, 3.1, True), (2, 5, False), (2, 5.1, True)],
)
def test_three_minutes_without_one_that_came_through_is_late(came: float | None, minutes: float, late: bool) -> None:
    watch = Watch()
    probe = Probe(None, "http://127.0.0.1:9", watch)  # type: ignore[arg-type]
    last = None if came is None else NIGHT + timedelta(minutes=came)
    watch.later(minutes=minutes)

    assert probe.late(last) is late


async def test_the_first_round_begins_after_a_minute_and_then_one_each_minute(story: Night) -> None:
    with listening() as heard:
        probe = Probe(story.engine, heard.url, story.watch)

        begun = []
        for seconds in (0, 59, 1, 30, 30):
            story.watch.later(seconds=seconds)
            begun.append(await probe.begin_if_due())

    assert begun == [False, False, True, False, True]


async def test_she_comes_in_at_the_gateway_like_anybody_with_a_key_of_her_own(story: Night) -> None:
    with listening() as heard:
        probe = Probe(story.engine, heard.url, story.watch, lambda: NUMBER)

        taken = await probe.begin()

    assert taken
    (path, headers, body) = heard.requests[0]
    assert path == "/v1/events"
    assert f'"id":"{NUMBER}"'.encode() in body.replace(b" ", b"")
    async with story.engine.connect() as connection:
        (key,) = await agencies.keys_in_force(connection, at=story.watch())
    assert key.agency.name == synthetic.NAME
    assert headers["authorization"].startswith(f"Bearer {key.prefix}")


async def test_her_feed_is_no_agency_of_anybodys_list_and_needs_no_agreement_in_a_live_house(story: Night) -> None:
    with listening() as heard:
        await Probe(story.engine, heard.url, story.watch).begin()

    async with story.engine.connect() as connection:
        listed = await agencies.listing(connection, at=story.watch(), leave_out=(synthetic.NAME,))
        shown = await board.feeds(connection)
        (key,) = await agencies.keys_in_force(connection, at=story.watch(), mode=Mode.LIVE)

    assert (listed, shown) == ([], [])
    assert key.agency.agreed


async def test_a_key_that_another_pager_has_ended_is_made_again(story: Night) -> None:
    with listening(status=401) as heard:
        probe = Probe(story.engine, heard.url, story.watch)
        first = await probe.begin()
        heard.status = 202

        second = await probe.begin()

    keys = [headers["authorization"] for _, headers, _ in heard.requests]
    assert (first, second) == (False, True)
    assert keys[0] != keys[1]


async def test_a_gateway_that_does_not_answer_is_no_error_of_the_auditor(story: Night) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        nowhere = f"http://127.0.0.1:{held.getsockname()[1]}"
    probe = Probe(story.engine, nowhere, story.watch)

    assert await probe.begin() is False


async def test_when_she_last_came_through_is_known_to_every_pager(story: Night) -> None:
    await tell(story)
    await story.round()

    async with story.engine.connect() as connection:
        assert await probing.last_came(connection) == NIGHT


@pytest.mark.parametrize(("status", "taken"), [(200, True), (204, True), (302, False), (500, False)])
async def test_the_ping_is_one_request_and_says_nothing(status: int, taken: bool) -> None:
    with listening(status=status) as heard:
        assert await ping(f"{heard.url}/a-secret") is taken

    (path, _, body) = heard.requests[0]
    assert (path, body, len(heard.requests)) == ("/a-secret", b"", 1)


async def test_a_ping_that_nobody_takes_is_no_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        nowhere = f"http://127.0.0.1:{held.getsockname()[1]}"

    assert await ping(nowhere) is False


class Heard:
    """A server that answers everything alike, and remembers what it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""


@contextmanager
def listening(status: int = 202) -> Iterator[Heard]:
    heard = Heard(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            heard.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(heard.status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
