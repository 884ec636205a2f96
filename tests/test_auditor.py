"""The auditor: each promise is broken for real in the rows, is found, and is mended where it can be."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from notifiers.auditor_invariants import ROWS, Invariant, skewed
from notifiers.auditor_leader import Leader
from schemas.base import utc_now
from schemas.pages import Channel, Role
from store import audit, auditing
from store.database import libpq_url
from tests.auditor_cast import Scene, scene
from tests.pager_cast import eventually
from tests.store_cast import BACKUP, MANAGER, NOON, put_on_call

PING = "http://127.0.0.1:9/ping"


@pytest.fixture
async def night(database_url: str) -> AsyncIterator[Scene]:
    async with scene(database_url, heartbeat=PING) as begun:
        yield begun


async def test_when_all_is_well_nothing_is_found(night: Scene) -> None:
    await night.arrest()

    assert await night.found() == []


BROKEN: dict[Invariant, tuple[str, timedelta]] = {
    # promise: (what breaks it, after how long it shows)
    Invariant.STEP_LATE: ("UPDATE pages SET next_step_at = opened_at", timedelta(seconds=11)),
    Invariant.NOBODY_TOLD: ("DELETE FROM attempts", timedelta(seconds=31)),
    Invariant.ATTEMPT_STUCK: ("UPDATE pages SET next_step_at = '2027-01-01'", timedelta(seconds=61)),
    Invariant.CONTACT_LATE: (
        """UPDATE pages SET state = 'accepted', next_step_at = NULL, accepted_at = opened_at, accepted_by = 'dora',
               contact_due_at = opened_at;
           UPDATE attempts SET state = 'dropped', settled_at = due_at""",
        timedelta(seconds=31),
    ),
    Invariant.WINDOW_OVER: (
        """UPDATE moments SET window_ends_at = opened_at + interval '1 second';
           UPDATE pages SET next_step_at = '2027-01-01';
           UPDATE attempts SET state = 'sent', sent_at = due_at, provider_id = 'SM1'""",
        timedelta(seconds=62),
    ),
    Invariant.NO_PAGE: ("DELETE FROM attempts; DELETE FROM pages", timedelta(seconds=11)),
    Invariant.FEED_SILENT: (
        """INSERT INTO agencies (agency, sources, types, authorities, added_at, last_seen_at)
               VALUES ('met', '{met}', '{}', '{*}', '2026-01-01', '2026-11-21 11:31+00');
           INSERT INTO agency_keys (prefix, agency, digest, made_at, ends_at)
               VALUES ('nl_1', 'met', 'x', '2026-01-01', '2027-01-01');
           INSERT INTO feed_hours (agency, hour, accepted, refused, unusable, late_seconds)
               SELECT 'met', hour, 60, 0, 0, 0
               FROM generate_series(timestamptz '2026-11-14 11:00+00', '2026-11-21 11:00+00', interval '1 hour') AS hour""",
        timedelta(minutes=2),
    ),
    Invariant.PROVIDER_FAILING: (
        """INSERT INTO attempts
               (attempt, page, purpose, step, round, person, channel, try, state, due_at, settled_at, provider)
           SELECT gen_random_uuid(), page, 'page', 1, 1 + n, 'ben', 'sms', 1, 'failed', opened_at, opened_at, 'twilio'
           FROM pages, generate_series(1, 3) AS n""",
        timedelta(seconds=1),
    ),
}


@pytest.mark.parametrize("invariant", BROKEN)
async def test_a_promise_that_is_broken_in_the_rows_is_found(night: Scene, invariant: Invariant) -> None:
    statement, after = BROKEN[invariant]
    await night.arrest()
    before = await night.found()

    await night.break_(statement)
    night.watch.now = NOON + after
    found = await night.found()

    assert before == []
    assert invariant in found
    assert night.shown(invariant) == 1


def test_every_promise_of_the_rows_is_broken_here() -> None:
    assert BROKEN.keys() == ROWS.keys()


@pytest.mark.parametrize(
    ("invariant", "mended"),
    [
        (Invariant.STEP_LATE, "SELECT 1 FROM pages WHERE step = 2 AND next_step_at > '2026-11-21 12:00:11+00'"),
        (Invariant.NOBODY_TOLD, "SELECT 1 FROM attempts WHERE person = 'ben' AND step = 2 AND state = 'pending'"),
        (Invariant.CONTACT_LATE, "SELECT 1 FROM attempts WHERE purpose = 'reminder' AND person = 'dora'"),
        (Invariant.WINDOW_OVER, "SELECT 1 FROM pages WHERE state = 'expired'"),
    ],
)
async def test_what_can_be_mended_is_mended_and_is_not_found_again(
    night: Scene, invariant: Invariant, mended: str
) -> None:
    statement, after = BROKEN[invariant]
    await night.arrest()
    await night.break_(statement)
    night.watch.now = NOON + after

    await night.round()

    assert len(await night.rows(mended)) == 1
    assert invariant not in await night.found()
    assert night.shown(invariant) == 0


async def test_an_attempt_that_was_claimed_and_never_settled_is_given_up(night: Scene) -> None:
    await night.arrest()
    await night.break_("UPDATE attempts SET state = 'sending', deadline_at = due_at")
    night.watch.later(seconds=11)

    assert await night.found() == [Invariant.ATTEMPT_STUCK]
    assert await night.rows("SELECT state FROM attempts") == [("unknown",)]


async def test_one_page_that_cannot_be_mended_does_not_keep_the_next_from_it(night: Scene) -> None:
    await night.arrest()
    await night.arrest("another", child="c-wren")
    await night.break_("UPDATE pages SET next_step_at = opened_at")
    await night.break_("UPDATE pages SET plan = '[{\"step\": 1}]' WHERE page = (SELECT page FROM pages LIMIT 1)")
    night.watch.later(seconds=11)

    await night.round()

    assert [step for (step,) in await night.rows("SELECT step FROM pages ORDER BY step")] == [1, 2]


async def test_a_team_whose_last_step_finds_nobody_now_is_a_gap(night: Scene) -> None:
    await night.break_("DELETE FROM shifts WHERE person = :who", who=MANAGER)

    found = await night.round()

    assert [(finding.invariant, finding.of.team) for finding in found] == [(Invariant.ROTA_GAP, "Islington")]


async def test_a_manager_who_has_opted_out_is_a_gap(night: Scene) -> None:
    await night.break_("UPDATE responders SET stopped_at = changed_at WHERE person = :who", who=MANAGER)

    assert await night.found() == [Invariant.ROTA_GAP]


async def test_the_rota_is_asked_once_a_minute(night: Scene) -> None:
    before = await night.found()
    await night.break_("DELETE FROM shifts")

    during = await night.found()
    night.watch.later(seconds=60)
    after = await night.found()

    assert (before, during, after) == ([], [], [Invariant.ROTA_GAP])


async def test_a_link_of_the_audit_chain_that_is_written_wrong_is_found_and_stays_found(night: Scene) -> None:
    await night.round()
    await night.arrest()
    await night.break_("UPDATE audit SET who = 'somebody else' WHERE entry = (SELECT max(entry) FROM audit)")

    found = [await night.found() for _ in range(2)]

    assert found == [[Invariant.CHAIN_BROKEN]] * 2


async def test_a_chain_that_grows_is_followed_link_by_link(night: Scene) -> None:
    for number in range(5):
        async with night.engine.begin() as connection:
            for _ in range(100 * number):
                await audit.record(connection, audit.What.SIGNED_IN, who="dora", about="dora", at=NOON)
        assert await night.found() == []


async def test_what_kafka_tells_is_a_finding(night: Scene) -> None:
    night.heard.lost, night.heard.differ = ["an-event"], ["another", "a-third"]

    found = await night.found()
    night.heard.away = True
    away = await night.found()

    assert found == [Invariant.NO_OUTCOME, Invariant.LANES_DIFFER, Invariant.LANES_DIFFER]
    assert night.shown(Invariant.LANES_DIFFER) == 0
    assert away == [Invariant.KAFKA_SILENT]


@pytest.mark.parametrize(("hours", "expected"), [(0, 0), (-1, 1), (1, 1)])
async def test_a_clock_that_is_not_the_databases_is_found(night: Scene, hours: int, expected: int) -> None:
    async with night.engine.connect() as connection:
        found = await skewed(connection, lambda: utc_now() + timedelta(hours=hours))

    assert len(found) == expected


async def test_a_check_that_cannot_be_made_is_a_finding_and_the_others_are_made(night: Scene) -> None:
    await night.break_("ALTER TABLE agencies RENAME COLUMN last_seen_at TO seen")
    await night.break_("DELETE FROM shifts")

    found = await night.round()

    assert [finding.invariant for finding in found] == [Invariant.NOT_CHECKED, Invariant.ROTA_GAP]
    assert found[0].of.about == Invariant.FEED_SILENT


async def test_the_outside_is_told_that_all_is_well_only_while_nothing_is_found(database_url: str) -> None:
    async with scene(database_url, heartbeat=PING) as night:
        night.watch.now = utc_now()  # the clocks agree
        async with night.engine.begin() as connection:
            await connection.execute(text("UPDATE shifts SET ends = '2100-01-01'"))
        await night.round()
        well = len(night.pinged)

        night.heard.lost = ["an-event"]
        await night.round()
        broken = len(night.pinged)
        night.heard.lost = []
        await night.round()

        assert (well, broken, len(night.pinged)) == (1, 1, 2)
        assert night.pinged[0] == PING


async def test_managers_are_told_of_what_stays_broken_once_an_hour(night: Scene) -> None:
    night.heard.lost = ["an-event"]

    told = []
    for _ in range(3):
        await night.round()
        told.append(len(await night.rows("SELECT 1 FROM attempts WHERE purpose = 'alarm'")))
        night.watch.later(seconds=15)
    night.watch.later(hours=1)
    await night.round()

    assert told == [0, 1, 1]
    alarms = await night.rows("SELECT person, team, channel FROM attempts WHERE purpose = 'alarm'")
    assert alarms == [(MANAGER, "Islington", "sms")] * 2


async def test_of_a_provider_that_fails_managers_are_told_when_it_has_failed_for_five_minutes(night: Scene) -> None:
    await night.arrest()
    await night.break_(BROKEN[Invariant.PROVIDER_FAILING][0])
    await night.break_(
        """UPDATE attempts SET state = 'dropped', settled_at = due_at, reason = 'page-moved-on' WHERE state = 'pending';
           UPDATE pages SET state = 'withdrawn', ended_at = opened_at, next_step_at = NULL;
           UPDATE moments SET state = 'withdrawn', ended_at = opened_at"""
    )

    told = []
    for minutes in (1, 4, 1):
        night.watch.later(minutes=minutes)
        assert Invariant.PROVIDER_FAILING in await night.found()
        told.append(len(await night.rows("SELECT 1 FROM attempts WHERE purpose = 'alarm'")))

    assert told == [0, 0, 1]


async def test_a_manager_is_told_by_every_way_that_is_set_up_and_reaches_them(database_url: str) -> None:
    async with scene(database_url, channels=(Channel.SMS, Channel.VOICE)) as night:
        night.heard.lost = ["an-event"]
        for _ in range(2):
            await night.round()
            night.watch.later(seconds=15)

        ways = await night.rows("SELECT channel FROM attempts WHERE purpose = 'alarm' ORDER BY channel")

    assert ways == [("sms",), ("voice",)]


async def test_of_a_page_only_its_own_teams_manager_is_told(night: Scene) -> None:
    async with night.engine.begin() as connection:
        await put_on_call(connection, {BACKUP: Role.MANAGER}, team="Camden")
    await night.arrest()
    await night.break_("UPDATE pages SET next_step_at = opened_at, plan = '[{\"step\": 1}]'")
    night.watch.later(seconds=11)

    for _ in range(2):
        await night.round()
        night.watch.later(seconds=15)

    assert await night.rows("SELECT person FROM attempts WHERE purpose = 'alarm'") == [(MANAGER,)]


async def test_of_a_silent_feed_no_manager_is_told(night: Scene) -> None:
    await night.break_(BROKEN[Invariant.FEED_SILENT][0])
    night.watch.later(minutes=2)

    for _ in range(3):
        assert await night.found() == [Invariant.FEED_SILENT]

    assert await night.rows("SELECT 1 FROM attempts") == []


async def test_each_round_says_when_it_was(night: Scene) -> None:
    await night.round()
    night.watch.later(seconds=15)
    await night.round()

    ran = night.registry.get_sample_value("nightlight_auditor_last_run_timestamp_seconds")
    assert ran == (NOON + timedelta(seconds=15)).timestamp()


async def test_one_pager_audits_and_another_takes_over_when_it_goes(database_url: str) -> None:
    async with scene(database_url) as first:
        second = Leader(database_url)

        leads = [await leader.leads() for leader in (first.auditor._leader, second, first.auditor._leader)]
        await first.auditor.close()

        assert leads == [True, False, True]
        await eventually(second.leads)  # the server lets go of the lock a moment after the connection has gone
        await second.close()


async def test_one_whose_connection_is_cut_stands_by_shows_nothing_and_comes_back(night: Scene) -> None:
    night.heard.lost = ["an-event"]
    await night.round()
    async with await psycopg.AsyncConnection.connect(libpq_url(night.url), autocommit=True) as owner:
        await owner.execute(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND query LIKE '%pg_try_advisory_lock%'"
        )

    cut = await night.auditor.round()
    shown, running = night.shown(Invariant.NO_OUTCOME), night.heard.running
    back = await night.found()

    assert (cut, shown, running) == (None, 0, False)
    assert back == [Invariant.NO_OUTCOME]


@pytest.mark.parametrize(
    "query",
    [name for name in vars(auditing) if name.startswith("_") and name.isupper() and name != "_CHAIN"],
)
async def test_with_thousands_of_pages_every_question_is_answered_from_an_index(night: Scene, query: str) -> None:
    await fill(night, pages=4000)
    given = dict.fromkeys(("late", "soon", "recent", "past", "since", "at"), NOON)

    async with night.engine.connect() as connection:
        asked: Any = getattr(auditing, query)
        explained = await connection.execute(text(f"EXPLAIN {asked.text}"), {**given, "most": 200, "fewest": 3})
        plan = "\n".join(line for (line,) in explained)

    assert "Index" in plan
    assert "Seq Scan" not in plan, plan


async def test_with_thousands_of_pages_the_late_ones_are_found_and_no_more_than_are_asked_for(night: Scene) -> None:
    await fill(night, pages=4000)
    night.watch.later(days=1)

    found = await night.found()

    assert 0 < found.count(Invariant.STEP_LATE) <= auditing.MOST
    assert Invariant.NOT_CHECKED not in found


async def fill(night: Scene, *, pages: int) -> None:
    """A busy year: thousands of pages that have ended, and thirty that are open now."""
    for statement in FILL:
        await night.break_(statement, pages=pages)
    async with night.engine.connect() as connection:
        await connection.execute(text("SET ROLE NONE"))
        await connection.execute(text("ANALYZE"))
        await connection.commit()


FILL = (
    """INSERT INTO moments (moment, child, authority, team, state, opened_at, window_ends_at, ended_at)
       SELECT md5('m' || n)::uuid, 'c-' || n, 'E09000019', 'Islington', CASE WHEN n <= 30 THEN 'open' ELSE 'closed' END,
           timestamptz '2026-11-21 11:00+00' - n * interval '1 hour', timestamptz '2026-11-22 11:00+00',
           CASE WHEN n > 30 THEN timestamptz '2026-11-21 11:30+00' END
       FROM generate_series(1, :pages) AS n""",
    """INSERT INTO pages (page, moment, reference, team, authority, type, state, plan, step, round, next_step_at,
           occurred_at, received_at, matched_at, opened_at, ended_at)
       SELECT md5('p' || n)::uuid, md5('m' || n)::uuid,
           translate(lpad(to_hex(n), 4, '0'), '0123456789abcdef', 'ACDEFGHJKMNPQRTU'),
           'Islington', 'E09000019', 'nightlight.arrest.v1', CASE WHEN n <= 30 THEN 'open' ELSE 'closed' END,
           '[{"step": 1, "role": "manager", "channels": ["sms"], "wait_seconds": 120}]', 1, 1,
           CASE WHEN n <= 30 THEN timestamptz '2026-11-21 12:01+00' END, '2026-11-21 11:00+00', '2026-11-21 11:00+00',
           '2026-11-21 11:00+00', '2026-11-21 11:00+00', CASE WHEN n > 30 THEN timestamptz '2026-11-21 11:30+00' END
       FROM generate_series(1, :pages) AS n""",
    """INSERT INTO attempts (attempt, page, purpose, step, round, person, channel, try, state, due_at, sent_at,
           delivered_at, provider, provider_id)
       SELECT md5(n || '/' || r)::uuid, md5('p' || n)::uuid, 'page', 1, r, 'dora', 'sms', 1, 'delivered',
           timestamptz '2026-11-21 11:00+00' - n * interval '1 hour',
           timestamptz '2026-11-21 11:00+00' - n * interval '1 hour',
           '2026-11-21 11:00+00', 'twilio', 'SM' || n || '/' || r
       FROM generate_series(1, :pages) AS n, generate_series(1, 3) AS r""",
    """INSERT INTO children (child, authority, team, sealed, starts_on, review_on, expires_on, version)
       SELECT 'c-' || n, 'E09000019', 'Islington', 'x', '2026-01-01', '2027-01-01', '2027-01-01', 1000 + n
       FROM generate_series(1, :pages) AS n""",
)
