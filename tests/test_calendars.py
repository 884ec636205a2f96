"""A rota out of anybody's calendar: every way to write a shift comes to the same time on London's walls, and garbage to a sentence."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.pages import Role
from schemas.settings import Mode
from store import calendars, responders
from store.calendars import LARGEST, MOST_EVENTS, Entry, read
from store.csvs import BadFile
from tests.store_cast import BACKUP, DUTY, NOON, PHONES, TEAM, engine

AT = datetime(2026, 10, 20, 12, 0, tzinfo=UTC)
TITLE = "SUMMARY:Islington primary: Ada Marsh"
ONE = "DTSTART:20261102T200000\nDTEND:20261103T080000"
OUTLOOK = """\
BEGIN:VTIMEZONE
TZID:GMT Standard Time
BEGIN:STANDARD
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0000
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T010000
TZOFFSETFROM:+0000
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""
NEW_YORK = OUTLOOK.replace("GMT Standard Time", "Ours").replace("+0100", "-0400").replace("+0000", "-0500")


def calendar(*events: str, before: str = "") -> bytes:
    """A file with these events, their lines as in RFC 5545; each has an id of its own unless it says one."""
    lines = [f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//made up//EN\n{before}".rstrip("\n")]
    for number, event in enumerate(events):
        uid = "" if "UID:" in event else f"UID:{number}\n"
        lines.append(f"BEGIN:VEVENT\n{uid}{event}\nEND:VEVENT")
    return "\n".join((*lines, "END:VCALENDAR", "")).replace("\n", "\r\n").encode()


def times(data: bytes, **given: object) -> list[tuple[str, str]]:
    """When each shift begins and ends, in UTC."""
    found = read(data, at=AT, **given)  # type: ignore[arg-type]
    return [(f"{one.starts:%d %b %H:%M}", f"{one.ends:%d %b %H:%M}") for one in found]


def wrong(data: bytes, **given: object) -> str:
    with pytest.raises(BadFile) as refused:
        read(data, at=AT, **given)  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize(
    ("event", "before", "expected"),
    [
        (ONE, "", ("02 Nov 20:00", "03 Nov 08:00")),
        ("DTSTART:20261021T200000\nDTEND:20261022T080000", "", ("21 Oct 19:00", "22 Oct 07:00")),
        ("DTSTART:20261021T200000Z\nDTEND:20261022T080000Z", "", ("21 Oct 20:00", "22 Oct 08:00")),
        ("DTSTART:20261021T200000\nDURATION:PT12H", "", ("21 Oct 19:00", "22 Oct 07:00")),
        (
            "DTSTART;TZID=Europe/London:20261021T200000\nDTEND;TZID=Europe/London:20261022T080000",
            "",
            ("21 Oct 19:00", "22 Oct 07:00"),
        ),
        (
            "DTSTART;TZID=GMT Standard Time:20261024T200000\nDTEND;TZID=GMT Standard Time:20261025T080000",
            OUTLOOK,
            ("24 Oct 19:00", "25 Oct 08:00"),
        ),
        ("DTSTART;TZID=Ours:20261102T200000\nDURATION:PT1H", NEW_YORK, ("03 Nov 01:00", "03 Nov 02:00")),
        ("DTSTART;VALUE=DATE:20261102\nDTEND;VALUE=DATE:20261109", "", ("02 Nov 00:00", "09 Nov 00:00")),
        ("DTSTART;VALUE=DATE:20261023", "", ("22 Oct 23:00", "23 Oct 23:00")),
        ("DTSTART:20261025T013000\nDTEND:20261025T080000", "", ("25 Oct 00:30", "25 Oct 08:00")),  # it comes twice
        ("DTSTART:20270328T013000\nDTEND:20270328T080000", "", ("28 Mar 01:30", "28 Mar 07:00")),  # it never comes
    ],
)
def test_a_time_is_what_the_calendar_means_by_it(event: str, before: str, expected: tuple[str, str]) -> None:
    assert times(calendar(f"{event}\n{TITLE}", before=before)) == [expected]


def test_whole_days_change_hands_at_the_hour_that_the_team_does() -> None:
    event = f"DTSTART;VALUE=DATE:20261019\nDTEND;VALUE=DATE:20261026\n{TITLE}"

    assert times(calendar(event), changeover=time(8)) == [("19 Oct 07:00", "26 Oct 08:00")]


def test_a_series_keeps_its_hours_on_the_wall_through_the_clock_change() -> None:
    series = f"DTSTART:20261023T200000\nDTEND:20261024T080000\nRRULE:FREQ=DAILY;COUNT=3\n{TITLE}"

    assert times(calendar(series)) == [
        ("23 Oct 19:00", "24 Oct 07:00"),
        ("24 Oct 19:00", "25 Oct 08:00"),
        ("25 Oct 20:00", "26 Oct 08:00"),
    ]


def test_a_series_has_exceptions_moved_nights_extra_nights_and_cancelled_ones() -> None:
    series = "\n".join(
        (
            "UID:nights",
            "DTSTART;TZID=Europe/London:20261102T200000",
            "DTEND;TZID=Europe/London:20261103T080000",
            "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;UNTIL=20261110T000000Z",
            "EXDATE;TZID=Europe/London:20261104T200000",
            "RDATE;TZID=Europe/London:20261112T200000",
            TITLE,
        )
    )
    moved = "\n".join(
        (
            "UID:nights",
            "RECURRENCE-ID;TZID=Europe/London:20261106T200000",
            "DTSTART;TZID=Europe/London:20261106T220000",
            "DTEND;TZID=Europe/London:20261107T080000",
            "SUMMARY:Islington primary: Bo Lindley",
        )
    )
    off = "\n".join(
        (
            "UID:nights",
            "RECURRENCE-ID;TZID=Europe/London:20261109T200000",
            "DTSTART;TZID=Europe/London:20261109T200000",
            "DTEND;TZID=Europe/London:20261110T080000",
            "STATUS:CANCELLED",
            TITLE,
        )
    )

    found = sorted(read(calendar(series, moved, off), at=AT), key=lambda entry: entry.starts)

    assert [(f"{one.starts:%d %b %H:%M}", one.who) for one in found] == [
        ("02 Nov 20:00", ("Ada Marsh",)),
        ("06 Nov 22:00", ("Bo Lindley",)),
        ("12 Nov 20:00", ("Ada Marsh",)),
    ]


def test_only_a_year_of_a_series_without_end_is_taken() -> None:
    found = times(calendar(f"DTSTART:20200101T080000\nDTEND:20200102T080000\nRRULE:FREQ=DAILY\n{TITLE}"))

    assert len(found) == 366 + 2


@pytest.mark.parametrize(
    ("words", "team", "expected"),
    [
        ("SUMMARY:Islington primary: Ada Marsh", None, ("Islington", Role.PRIMARY, ("Ada Marsh",))),
        ("SUMMARY:islington team  BACKUP - ada", None, ("islington team", Role.BACKUP, ("ada",))),
        ("SUMMARY:manager: ada\\; bo", "Camden", ("Camden", Role.MANAGER, ("ada", "bo"))),
        ("SUMMARY:Ada Marsh\nCATEGORIES:Islington,primary", None, ("Islington", Role.PRIMARY, ("Ada Marsh",))),
        (
            "SUMMARY:Manager\nCATEGORIES:Islington\nATTENDEE:mailto:a@b.uk",
            None,
            ("Islington", Role.MANAGER, ("a@b.uk",)),
        ),
        (
            "SUMMARY:Islington backup\nATTENDEE;PARTSTAT=DECLINED:mailto:no@b.uk\nATTENDEE;CN=Bo:MAILTO:bo@b.uk",
            None,
            ("Islington", Role.BACKUP, ("bo@b.uk",)),
        ),
    ],
)
def test_an_event_says_who_in_which_role_for_which_team(
    words: str, team: str | None, expected: tuple[str, Role, tuple[str, ...]]
) -> None:
    (found,) = read(calendar(f"{ONE}\n{words}"), at=AT, team=team)

    assert (found.team, found.role, found.who) == expected


@pytest.mark.parametrize(
    ("event", "line", "says"),
    [
        (f"{ONE}\nSUMMARY:Team meeting", 4, "names no role"),
        (f"{ONE}\nSUMMARY:primary: ada", 4, "names no team"),
        (f"{ONE}\nSUMMARY:Islington primary", 4, "names nobody"),
        (f"{ONE}", 4, "names no role"),
        (f"DTSTART:20261102T200000\nDTEND:20261102T200000\n{TITLE}", 4, "is not after DTSTART"),
        (f"DTEND:20261102T200000\n{TITLE}", 4, "is missing, or no date"),
        (f"{ONE}\nRRULE:FREQ=SECONDLY\n{TITLE}", 4, "repeats within a day"),
        (f"{ONE}\nRRULE:FREQ=HOURLY;COUNT=3\n{TITLE}", 4, "repeats within a day"),
        (f"{ONE}\nRRULE:FREQ=DAILY;BYSECOND=1,2,3\n{TITLE}", 4, "repeats within a day"),
        (f"{ONE}\nRRULE:FREQ=YEARLY;INTERVAL=0\n{TITLE}", 4, "at an interval of nothing"),
        (f"{ONE}\nRRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY;INTERVAL=-1\n{TITLE}", 4, "at an interval of nothing"),
        (f"{ONE}\nRRULE:FREQ=DAILY;BYSETPOS=2\n{TITLE}", 4, "a day has but one"),
        (f"{ONE}\nRRULE:FREQ=DAILY;COUNT=999999999\n{TITLE}", 4, "counts more than"),
        (f"{ONE}\nRRULE:FREQ=DAILY;UNTIL=soon\n{TITLE}", 4, "no rule that can be read"),
        (f"DTSTART:00010101T000000\nDTEND:00010101T010000\nRRULE:FREQ=DAILY\n{TITLE}", 4, "is before 2000"),
    ],
)
def test_an_event_that_cannot_be_meant_is_named_by_its_line(event: str, line: int, says: str) -> None:
    said = wrong(calendar(event))

    assert said.startswith(f"line {line}, ")
    assert says in said


def test_a_series_that_is_wrong_is_named_once_and_nobody_s_name_is_repeated() -> None:
    said = wrong(calendar(f"{ONE}\nRRULE:FREQ=DAILY\nSUMMARY:Robin Lampwick at home"))

    assert said.count("\n") == 1  # no role, and no team
    assert "Robin" not in said


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"BEGIN:VCALENDAR",
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:20261102T200000\r\n",
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART:never\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
        b"team,person,role,starts,ends\nIslington,ada,primary,2026-11-02 20:00,2026-11-03 08:00\n",
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 4000 + b"END:VCALENDAR\r\n",
        b"BEGIN:VCALENDAR\r\n" + b"x" * LARGEST,
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * (MOST_EVENTS + 1) + b"END:VCALENDAR\r\n",
        calendar(),
    ],
)
def test_a_file_that_is_no_rota_is_refused_in_a_sentence(data: bytes) -> None:
    assert "\n" not in wrong(data)


def test_more_shifts_than_a_year_can_hold_are_refused() -> None:
    many = [f"DTSTART:20261102T200000\nDTEND:20261103T080000\nRRULE:FREQ=DAILY\n{TITLE}" for _ in range(60)]

    assert "more than 20000 shifts" in wrong(calendar(*many))


LINES = st.sampled_from(
    (
        "DTSTART:20261102T200000 DTEND:20261103T080000 RRULE:FREQ=DAILY;COUNT=2 RRULE:FREQ=WEEKLY;BYDAY=XX UID:same : ;"
        " DTSTART;TZID=Nowhere/Land:20261102T200000 DTSTART;VALUE=DATE:20261301 EXDATE:20261102T200000Z DURATION:-PT1H"
        " DURATION:P9999999D RECURRENCE-ID:20261102T200000 RDATE;VALUE=PERIOD:a/b BEGIN:VEVENT END:VEVENT BEGIN:VALARM"
        ' ATTENDEE: CATEGORIES: SEQUENCE:x SUMMARY;X=" STATUS:CANCELLED DTSTART:99991231T235959'
        " RRULE:FREQ=YEARLY;INTERVAL=0 RRULE:FREQ=DAILY;BYSETPOS=5 RRULE:FREQ=MONTHLY;BYSETPOS=400 SUMMARY:T·primary:·ada"
    )
    .replace("·", "\N{NO-BREAK SPACE}")
    .split(" ")
)


@settings(deadline=None)
@given(st.lists(LINES | st.text(max_size=20), max_size=12))
def test_whatever_the_lines_are_they_are_shifts_or_a_refusal(lines: list[str]) -> None:
    data = calendar("\n".join(lines))

    try:
        found = read(data, at=AT)
    except BadFile:
        return
    assert all(isinstance(entry, Entry) and entry.starts < entry.ends and entry.who for entry in found)


async def test_somebody_is_known_by_id_name_or_email_and_a_name_of_two_is_nobody_s(database_url: str) -> None:
    people = "person,name,mobile,email,teams\n" + "".join(
        f"{person},{name},{PHONES[person]},{person}@example.org,{TEAM}\n"
        for person, name in ((DUTY, "Dora Holm"), (BACKUP, "Sam Reed"), ("mina", "Sam Reed"))
    )
    entries = [
        Entry(4, TEAM, Role.PRIMARY, (word,), NOON, NOON + timedelta(hours=1))
        for word in (DUTY, "dora  HOLM", "BEN@example.org")
    ]
    async with engine(database_url) as made, made.begin() as connection:
        read_ = responders.read(people.encode(), mode=Mode.REHEARSAL)
        await responders.apply(connection, read_, at=NOON, who="test")

        found = await calendars.people(connection, entries)
        with pytest.raises(BadFile) as refused:
            await calendars.people(
                connection,
                [
                    Entry(9, TEAM, Role.PRIMARY, ("Sam Reed", "Zoe"), NOON, NOON + timedelta(hours=1)),
                    Entry(9, TEAM, Role.PRIMARY, ("Zoe",), NOON, NOON + timedelta(hours=1)),
                ],
            )
    assert [shift.person for shift in found] == [DUTY, DUTY, BACKUP]
    assert [(problem.line, problem.says.split(":")[0]) for problem in refused.value.problems] == [
        (9, "is the name of two people"),
        (9, "is not known"),
    ]
