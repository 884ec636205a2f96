"""One file, from its first row to its end: good rows are events, bad ones are handed back, and nothing is lost on the way."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.inbox.mapping import BadMapping
from connectors.inbox.take import Changed
from connectors.inbox.told import guarded, unguarded
from schemas.events import EVENTS, AboutPerson
from schemas.settings import Mode
from store.database import connect
from tests.events import DATA, cloud_event
from tests.gateway import Gateway
from tests.inbox.cast import ARRESTS, NOW, Room, arrest_row, table

MARKER = "Quillfeather"


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def flat(data: dict[str, Any]) -> dict[str, Any]:
    """An event's data as a row of a file: one column per field, `;` between several."""
    row: dict[str, Any] = {}
    for name, value in data.items():
        if name == "person":
            row |= flat(value)
        elif name == "of":
            row |= {f"of_{part}": text for part, text in value.items()}
        else:
            row[name] = ";".join(value) if isinstance(value, list) else value
    return row


async def test_a_file_as_the_contract_has_it_is_taken_and_leaves_no_name(room: Room) -> None:
    summary = await room.take("met-custody/night.csv", ARRESTS)

    assert [(one.id, one.feed, one.entrance, one.authority) for one in room.shelf.kept] == [
        ("b-1", "met-custody", "inbox", "E09000019"),
        ("b-2", "met-custody", "inbox", "E09000019"),
    ]
    assert room.left() == ["met-custody/night.summary.json"]
    assert (summary["rows"], summary["taken"], summary["refused"]) == (2, 2, 0)
    assert "Lampwick" not in json.dumps(summary)
    accepted = room.metric(
        "nightlight_events_accepted_total", feed="met-custody", type="nightlight.arrest.v1", door="inbox"
    )
    assert accepted == 2


@pytest.mark.parametrize("kind", sorted(DATA))
async def test_every_type_in_a_file_is_the_event_that_http_gives(room: Room, kind: str) -> None:
    gateway = Gateway()
    event = cloud_event(kind, authority="E09000019", mode="test")
    await gateway.send(event)
    row = {**{name: value for name, value in event.items() if name not in ("data", "specversion")}, **flat(DATA[kind])}

    await room.take("met-custody/one.csv", table([row]))

    assert [one.model_copy(update={"entrance": "http"}) for one in room.shelf.kept] == gateway.shelf.kept


async def test_a_bad_row_is_handed_back_with_a_reason_and_the_good_ones_go_on(room: Room) -> None:
    rows = [
        arrest_row(1),
        arrest_row(2, suite=""),
        arrest_row(3, date_of_birth="03/04/2010"),
        arrest_row(4),
        arrest_row(5, family_name="", date_of_birth=""),
        arrest_row(6, type="burglary"),
        arrest_row(7, time="yesterday"),
    ]

    summary = await room.take("met-custody/night.csv", table(rows))

    assert [one.event.model_dump()["custody_record"] for one in room.shelf.kept] == ["01CB/1/26", "01CB/4/26"]
    rejects = room.rejects("met-custody/night.csv")
    assert [(row["custody_record"], row["line"]) for row in rejects] == [
        ("01CB/2/26", "3"),
        ("01CB/3/26", "4"),
        ("01CB/5/26", "6"),
        ("01CB/6/26", "7"),
        ("01CB/7/26", "8"),
    ]
    reasons = [row["reason"] for row in rejects]
    assert reasons[0] == "suite: is required"
    assert reasons[1].startswith("date_of_birth: day or month first?")
    assert reasons[2] == "person: give one identifier, or family_name with date_of_birth"
    assert reasons[3].startswith("type: must be one of arrest,")
    assert reasons[4] == "time: write a date and a time, as 2026-11-21T02:06:00+00:00"
    assert (summary["taken"], summary["refused"]) == (2, 5)
    assert sum(summary["reasons"].values()) == 5
    assert room.metric("nightlight_events_refused_total", feed="met-custody", reason="invalid") == 5
    assert not (room.root / "met-custody/night.csv").exists()


async def test_rejected_rows_that_were_mended_can_be_dropped_as_they_are(room: Room) -> None:
    await room.take("met-custody/night.csv", table([arrest_row(1), arrest_row(2, suite="", family_name="=Lampwick")]))
    rejected = room.beside("met-custody/night.csv", ".rejected.csv")
    lines = rejected.read_text("utf-8-sig").replace("01,,", "01,Islington,")
    rejected.unlink()

    summary = await room.take("met-custody/mended.csv", lines)

    assert (summary["taken"], summary["refused"], summary["columns_not_used"]) == (1, 0, [])
    event = room.shelf.kept[1].event
    assert isinstance(event, AboutPerson)
    assert event.person.family_name == "=Lampwick"


@pytest.mark.parametrize("formula", ["=1+1", "+44", "-2", "@SUM(A1)", "\tx"])
async def test_a_formula_is_handed_back_as_text(room: Room, formula: str) -> None:
    await room.take("met-custody/night.csv", table([arrest_row(1, suite="", custody_record=f"{formula}x")]))

    [row] = room.rejects("met-custody/night.csv")

    assert row["custody_record"] == f"'{formula}x"


@given(st.text(max_size=10))
def test_a_guarded_cell_is_itself_again(cell: str) -> None:
    assert not guarded(cell).startswith(("=", "+", "-", "@"))
    if not cell.startswith("'"):
        assert unguarded(guarded(cell)) == cell


async def test_what_is_not_csv_is_handed_back_as_it_was(room: Room) -> None:
    text = table([arrest_row(1), arrest_row(2)]).splitlines()
    spoilt = "\n".join((text[0], text[1], 'x,"never closed', "one,cell,too,few", text[2], ""))

    await room.take("met-custody/night.csv", spoilt)

    assert len(room.shelf.kept) == 2
    assert [(row["line"], row["text"]) for row in room.rejects("met-custody/night.csv")] == [
        ("3", 'x,"never closed'),
        ("4", "one,cell,too,few"),
    ]


async def test_no_log_summary_or_reason_repeats_a_value(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    fields = [name for name in arrest_row() if name != "type"]
    rows = [
        arrest_row(number, **{name: MARKER + "\nx" if name == "suite" else MARKER * 30})
        for number, name in enumerate(fields)
    ]

    summary = await room.take("met-custody/night.csv", table([*rows, arrest_row(99, type=MARKER)]))

    assert summary["refused"] == len(rows) + 1
    assert MARKER not in json.dumps(summary)
    assert not [row["reason"] for row in room.rejects("met-custody/night.csv") if MARKER in row["reason"]]
    assert MARKER not in "".join(capsys.readouterr())


async def test_a_row_may_not_say_what_its_agency_may_not(room: Room) -> None:
    rows = [
        arrest_row(1),
        arrest_row(2, source="met-custody"),
        {**flat(DATA["nightlight.exclusion.v1"]), "type": "exclusion", "authority": "E09000007"},
        {**flat(DATA["nightlight.exclusion.v1"]), "type": "exclusion", "authority": "E09000019"},
    ]

    await room.take("hill-school/week.csv", table(rows))

    assert [row["reason"].partition(" is ")[0] for row in room.rejects("hill-school/week.csv")] == [
        "`type`",
        "`source`",
        "`authority`",
    ]
    assert len(room.shelf.kept) == 1
    assert room.metric("nightlight_events_refused_total", feed="hill-school", reason="not-yours") == 3


async def test_a_rehearsal_takes_no_real_child(room: Room, tmp_path: Path) -> None:
    text = table([arrest_row(1, nhs_number="4010232137")])
    live = Room(tmp_path / "live", mode=Mode.LIVE)

    await room.take("met-custody/a.csv", text)
    await live.take("met-custody/a.csv", text)

    assert room.rejects("met-custody/a.csv")[0]["reason"].startswith("nhs_number: this is a rehearsal")
    assert (len(room.shelf.kept), len(live.shelf.kept)) == (0, 1)


WHOSE = {
    "by its source": ("anything.csv", {"source": "urn:nightlight:met-custody"}, "met-custody"),
    "by the file's name": ("met-missing_2026-11-21.csv", {}, "met-missing"),
    "by its source, whatever the name": ("met-missing.csv", {"source": "met-custody"}, "met-custody"),
}


@pytest.mark.parametrize("name", WHOSE)
async def test_a_file_outside_of_a_folder_is_its_agencys(room: Room, name: str) -> None:
    file, columns, feed = WHOSE[name]
    missing = {**flat(DATA["nightlight.missing.v1"]), "type": "missing", "time": "2026-11-21T02:06:00Z"}
    row = missing if feed == "met-missing" else arrest_row(1)

    await room.take(file, table([{**row, **columns}]))

    assert [one.feed for one in room.shelf.kept] == [feed]


@pytest.mark.parametrize(
    ("file", "columns"),
    [("anything.csv", {}), ("nobody/a.csv", {}), ("anything.csv", {"source": "elsewhere"})],
    ids=["nothing says", "an unknown folder", "an unknown source"],
)
async def test_a_file_of_nobody_is_handed_back_and_not_lost(room: Room, file: str, columns: dict[str, str]) -> None:
    summary = await room.take(file, table([arrest_row(1, **columns)]))

    assert summary["refused"] == 1
    assert len(room.rejects(file)) == 1
    assert room.shelf.kept == []


TYPES: dict[str, tuple[str, dict[str, Any], str]] = {
    "by the column": ("met-custody/a.csv", {"type": "nightlight.arrest.v1"}, "arrest"),
    "by the file's name": ("met-custody/arrests-2026-11-21.csv", {"type": None}, "arrest"),
    "by its columns": ("met-custody/a.csv", {"type": None}, "arrest"),
}


@pytest.mark.parametrize("name", TYPES)
async def test_the_type_is_said_by_the_row_the_name_or_the_columns(room: Room, name: str) -> None:
    file, changes, kind = TYPES[name]

    await room.take(file, table([arrest_row(1, **changes)]))

    assert [one.type for one in room.shelf.kept] == [f"nightlight.{kind}.v1"]


async def test_one_file_may_hold_several_types_told_apart_by_their_columns(room: Room) -> None:
    rows = [flat(DATA[kind]) for kind in ("nightlight.missing.v1", "nightlight.found.v1", "nightlight.arrest.v1")]
    rows += [flat(DATA["nightlight.custody-release.v1"])]

    summary = await room.take("met-custody/all.csv", table(rows))

    assert list(summary["types"]) == sorted(
        f"nightlight.{kind}.v1" for kind in ("arrest", "custody-release", "found", "missing")
    )


async def test_a_row_without_an_id_is_the_same_event_in_whatever_file_it_comes(room: Room) -> None:
    await room.take("met-custody/a.csv", table([arrest_row(1), arrest_row(2)]))
    await room.take("met-custody/b.csv", table([arrest_row(2), arrest_row(3)], delimiter=";"))

    ids = [one.id for one in room.shelf.kept]

    assert len(set(ids)) == 3
    assert ids[1] == ids[2]
    assert not [part for part in ids if "01CB" in part]


async def test_two_rows_with_one_id_that_say_different_things_are_not_one_event(room: Room) -> None:
    rows = [arrest_row(1, id="pupil-7"), arrest_row(1, id="pupil-7"), arrest_row(2, id="pupil-7")]

    await room.take("met-custody/a.csv", table(rows))

    assert len(room.shelf.kept) == 2
    [row] = room.rejects("met-custody/a.csv")
    assert row["reason"].startswith("id: is that of another row")


MAPPING = """
type = "exclusion"
dates = "dd/mm/yyyy"
encoding = "cp1252"
delimiter = ";"

[columns]
family_name = "Legal Surname"
given_name = "Legal Forename"
date_of_birth = "DoB"
exclusion = "Ref"
kind = "Category"
reasons = "Reason codes"
starts_on = "From"
decided_at = "Decided"

[values.kind]
"Fixed Term Exclusion" = "suspension"

[fixed]
school_urn = "100001"
authority = "E09000019"
"""


async def test_a_schools_own_export_is_read_by_its_mapping(room: Room) -> None:
    room.drop("hill-school/mapping.toml", MAPPING)
    export = (
        "Legal Surname;Legal Forename;DoB;UPN;Ref;Category;Reason codes;From;Decided;Tutor\n"
        "Grünwald;Zoë;03/04/2010;;X-1;FIXED TERM EXCLUSION;OW, DA;23/11/2026;21/11/2026 14:05;Mx Smith\n"
    )

    summary = await room.take("hill-school/export.csv", export, encoding="cp1252")

    [envelope] = room.shelf.kept
    assert envelope.authority == "E09000019"
    assert envelope.event.model_dump(mode="json", exclude_defaults=True) == {
        "person": {"family_name": "Grünwald", "given_name": "Zoë", "date_of_birth": "2010-04-03"},
        "exclusion": "X-1",
        "school_urn": "100001",
        "kind": "suspension",
        "reasons": ["OW", "DA"],
        "starts_on": "2026-11-23",
        "decided_at": "2026-11-21T14:05:00Z",
    }
    assert summary["columns_not_used"] == [10]


async def test_reasons_speak_in_the_files_own_headings(room: Room) -> None:
    room.drop("hill-school/mapping.toml", MAPPING)

    await room.take(
        "hill-school/export.csv",
        "Legal Surname;Legal Forename;DoB;Ref;Category;Reason codes;From;Decided\nA;B;31/02/2010;X;Perm;;1/1/2026;1/1/2026\n",
    )

    [line] = room.beside("hill-school/export.csv", ".rejected.csv").read_text("utf-8-sig").splitlines()[1:]
    assert "DoB: write a date that exists" in line


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("type = ", "not TOML"),
        ("type = 'burglary'", "type must be one of"),
        ("dates = 'whatever'", "dates"),
        ("[columns]\nshoe_size = 'x'", "there is no field 'shoe_size'"),
        ("zone = 'Europe/Nowhere'", "time zone"),
        ("shoes = 1", "unknown field"),
        ("encoding = 'ebcdic'", "encoding must be one of"),
    ],
)
async def test_with_a_mapping_that_is_wrong_the_files_wait(room: Room, toml: str, says: str) -> None:
    room.drop("met-custody/mapping.toml", toml)

    with pytest.raises(BadMapping, match=says):
        await room.take("met-custody/night.csv", ARRESTS)

    assert (room.root / "met-custody/night.csv").read_text() == ARRESTS
    assert room.shelf.kept == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
async def test_a_name_is_the_same_in_whichever_encoding_it_was_saved(room: Room, encoding: str) -> None:
    await room.take("met-custody/a.csv", table([arrest_row(1, family_name="Grünwald-O’Neil")]), encoding=encoding)

    event = room.shelf.kept[0].event
    assert isinstance(event, AboutPerson)
    assert event.person.family_name == "Grünwald-O’Neil"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"a,b,c\n1,2,3\n", "no column that is known here"),
        (b"PK\x03\x04" + bytes(500), "save it as 'CSV UTF-8'"),
        (b"family_name,surname\na,b\n", "are both family_name"),
        (b'"never closed\n' + b"x\n" * 30, "has no header"),
    ],
    ids=["nothing", "no header", "a spreadsheet", "a field twice", "a header that is not CSV"],
)
async def test_a_file_that_cannot_be_read_is_set_aside_whole_with_a_summary(
    room: Room, content: bytes, says: str
) -> None:
    summary = await room.take("met-custody/a.csv", content)

    assert says in summary["problem"]
    assert room.beside("met-custody/a.csv", ".rejected.csv").read_bytes() == content
    assert room.left() == ["met-custody/a.rejected.csv", "met-custody/a.summary.json"]
    assert room.metric("nightlight_events_refused_total", feed="met-custody", reason="malformed") == 1


async def test_the_same_file_again_changes_nothing(tmp_path: Path, database_url: str) -> None:
    engine = connect(database_url)
    room = Room(tmp_path, engine)

    first = await room.take("met-custody/night.csv", ARRESTS)
    second = await room.take("met-custody/again.csv", ARRESTS)
    elsewhere = await room.take("night.csv", ARRESTS)

    await engine.dispose()
    assert (first["taken"], second["taken"], second["same_file_before"]) == (2, 0, True)
    assert elsewhere["taken"] == 2  # another folder may be another agency
    assert [one.id for one in room.shelf.kept] == ["b-1", "b-2"] * 2
    assert room.left() == ["met-custody/again.summary.json", "met-custody/night.summary.json", "night.summary.json"]


async def test_a_file_with_refused_rows_is_read_again_when_it_comes_again(tmp_path: Path, database_url: str) -> None:
    engine = connect(database_url)
    room = Room(tmp_path, engine)
    text = table([arrest_row(1), arrest_row(2, suite="")])

    await room.take("met-custody/night.csv", text)
    summary = await room.take("met-custody/night.csv", text)

    await engine.dispose()
    assert (summary["taken"], summary["refused"], summary["same_file_before"]) == (1, 1, False)
    assert room.left().count("met-custody/night.rejected.csv") == 1  # the same rows are not handed back twice
    assert room.shelf.kept[0].id == room.shelf.kept[1].id


async def test_rejects_of_an_earlier_file_of_that_name_are_not_overwritten(room: Room) -> None:
    await room.take("met-custody/night.csv", table([arrest_row(1, suite="")]))
    await room.take("met-custody/night.csv", table([arrest_row(2, suite="")]))

    assert [name for name in room.left() if name.endswith(".rejected.csv")] == [
        "met-custody/night.2.rejected.csv",
        "met-custody/night.rejected.csv",
    ]


async def test_a_crash_in_the_middle_loses_nothing_and_makes_nothing_double(room: Room) -> None:
    """The process dies after Kafka has the first 500 rows of 1,200: the file is still there, and is read from its start."""
    text = table([*(arrest_row(number) for number in range(1200)), arrest_row(9999, suite="")])
    calls: list[int] = []

    def die() -> None:
        calls.append(len(room.shelf.kept))
        if len(calls) == 2:
            raise KeyboardInterrupt

    room.shelf.then = die
    with pytest.raises(KeyboardInterrupt):
        await room.take("met-custody/night.csv", text)
    assert (room.root / "met-custody/night.csv").read_text() == text.replace("\r\n", "\n")
    room.shelf.then = None

    summary = await room.take("met-custody/night.csv")

    assert (summary["taken"], summary["refused"]) == (1200, 1)
    assert len(room.shelf.kept) == 500 + 1200
    assert len({one.id for one in room.shelf.kept}) == 1200
    assert room.left() == ["met-custody/night.rejected.csv", "met-custody/night.summary.json"]


async def test_while_kafka_is_away_the_file_waits(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.shelf.away = 1

    summary = await room.take("met-custody/night.csv", ARRESTS)

    assert summary["taken"] == 2
    assert len(room.shelf.kept) == 2


async def test_a_file_that_grows_while_it_is_read_is_read_again(room: Room) -> None:
    path = room.drop("met-custody/night.csv", ARRESTS)

    def grow() -> None:
        room.shelf.then = None
        with path.open("a") as file:
            file.write(ARRESTS.splitlines()[2].replace("b-2", "b-3") + "\n")

    room.shelf.then = grow
    with pytest.raises(Changed):
        await room.take("met-custody/night.csv")
    summary = await room.take("met-custody/night.csv")

    assert summary["taken"] == 3
    assert {one.id for one in room.shelf.kept} == {"b-1", "b-2", "b-3"}
    assert room.left() == ["met-custody/night.summary.json"]


async def test_ten_thousand_rows_keep_their_order_and_are_sent_in_pieces(room: Room) -> None:
    sizes: list[int] = []
    room.shelf.then = lambda: sizes.append(len(room.shelf.kept))

    summary = await room.take("met-custody/big.csv", table(arrest_row(number) for number in range(10_000)))

    records = [one.event.model_dump()["custody_record"] for one in room.shelf.kept]
    assert summary["taken"] == 10_000
    assert records == [f"01CB/{number}/26" for number in range(10_000)]
    assert sizes == list(range(0, 10_000, 500))


ANY = st.dictionaries(
    st.sampled_from(
        ["type", "id", "source", "time", "family_name", "date_of_birth", "custody_record", "force", "x", "suite"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30),
    min_size=1,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(rows=st.lists(ANY, min_size=1, max_size=5))
async def test_whatever_is_in_the_rows_each_is_taken_or_handed_back(rows: list[dict[str, str]], room: Room) -> None:
    summary = await room.take("met-custody/any.csv", table([arrest_row(1), *rows]))
    for path in room.root.rglob("*.*"):
        path.unlink()

    assert summary["taken"] >= 1
    assert summary["rows"] == summary["taken"] + summary["refused"]


def test_the_event_of_every_type_has_a_row() -> None:
    assert DATA.keys() == EVENTS.keys()
    assert NOW
