"""The forms: a sergeant, a nurse and a school office say what happened, and it is the event that a system would have sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.forms import references
from connectors.forms.fields import BY_SLUG, PAGES
from schemas.events import AboutPerson
from schemas.sealing import Keyring
from schemas.settings import Mode
from tests.forms.cast import FILLED, Person, errors, hidden, when
from tests.gateway import MET_KEY, NOW, SCHOOL_KEY, Gateway

MARKER = "Quillfeather"


async def signed_in(**gateway: Any) -> Person:
    person = Person(Gateway(**gateway))
    assert (await person.sign_in()).status_code == 303
    return person


@pytest.mark.parametrize("slug", sorted(BY_SLUG))
async def test_every_form_filled_in_well_is_an_event_of_its_type(slug: str) -> None:
    person = await signed_in()

    answer = await person.fill(slug)

    assert answer.status_code == 202, errors(answer)
    [envelope] = person.gateway.shelf.kept
    assert envelope.type == BY_SLUG[slug].type
    assert (envelope.feed, envelope.source, envelope.entrance, envelope.received_at) == (
        "borough",
        "borough",
        "form",
        NOW,
    )
    counted = person.gateway.metric("nightlight_events_accepted_total", feed="borough", type=envelope.type, door="form")
    assert counted == 1


@pytest.mark.parametrize("slug", sorted(FILLED))
async def test_the_form_and_the_http_door_give_equal_events(slug: str) -> None:
    person = await signed_in()
    await person.fill(slug)
    [from_form] = person.gateway.shelf.kept
    told = {
        "specversion": "1.0",
        "id": from_form.id,
        "source": "borough",
        "type": from_form.type,
        "time": from_form.time.isoformat(),
        "data": from_form.event.model_dump(mode="json", exclude_defaults=True),
    }

    answer = await person.gateway.send(told, key=MET_KEY)

    assert answer.status_code == 202
    from_http = person.gateway.shelf.kept[1]
    assert from_http == from_form.model_copy(update={"entrance": "http"})


async def test_what_was_written_is_what_is_sent() -> None:
    person = await signed_in()

    await person.fill(
        "arrest",
        other_names="Bobby, Rob",
        sex="male",
        postcode="N1 9GU",
        doubt="yes",
        trial="yes",
        **when("expected_release_at", "2pm"),
    )

    [envelope] = person.gateway.shelf.kept
    assert envelope.mode == "test"
    assert envelope.time == datetime(2026, 11, 21, 2, 6, tzinfo=UTC)
    assert envelope.event.model_dump(mode="json", exclude_defaults=True) == {
        "custody_record": "01CB/1234/26",
        "force": "01",
        "suite": "Islington",
        "arrested_at": "2026-11-21T02:06:00Z",
        "expected_release_at": "2026-11-21T14:00:00Z",
        "person": {
            "family_name": "Lampwick",
            "given_name": "Robin",
            "other_names": ["Bobby", "Rob"],
            "date_of_birth": "2010-03-14",
            "date_of_birth_is": "claimed",
            "sex": "male",
            "postcode": "N1 9GU",
            "nhs_number": "999 000 0018",
            "identity_reliable": False,
        },
    }


async def test_the_page_shows_the_reference_and_the_time_and_never_whether_the_child_is_watched() -> None:
    person = await signed_in()

    answer = await person.fill("arrest")

    [envelope] = person.gateway.shelf.kept
    assert envelope.id in answer.text
    assert "02:06:30 on 21 November 2026" in answer.text
    assert "Lampwick" not in answer.text
    assert "says the same for every child" in " ".join(answer.text.split())


WRONG: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "nothing filled in": (
        "release",
        {"custody_record": "", "force": ""},
        {"custody_record": "Fill this in", "force": "Fill this in"},
    ),
    "no time of day": (
        "release",
        when("released_at", ""),
        {"released_at": "Give the time of day, for example 02:06 or 2:06pm"},
    ),
    "no day": ("release", when("released_at", day=""), {"released_at": "Give the day, the month and the year"}),
    "no such day": ("release", when("released_at", day="31"), {"released_at": "There is no such date"}),
    "no such time": ("release", when("released_at", "25:00"), {"released_at": "There is no such time"}),
    "words for a time": ("release", when("released_at", MARKER), {"released_at": "Write the time as 02:06 or 2:06pm"}),
    "an hour alone": ("release", when("released_at", "2"), {"released_at": "Write the time as 02:06 or 2:06pm"}),
    "still to come": ("release", when("released_at", "09:00"), {"released_at": "This is in the future"}),
    "a year of two digits": (
        "arrest",
        {"date_of_birth-year": "10"},
        {"date_of_birth": "Write the year with four digits"},
    ),
    "born tomorrow": (
        "arrest",
        {"date_of_birth-day": "22", "date_of_birth-month": "11", "date_of_birth-year": "2026"},
        {"date_of_birth": "This is in the future"},
    ),
    "nobody": (
        "arrest",
        {"date_of_birth-day": "", "date_of_birth-month": "", "date_of_birth-year": "", "nhs_number": ""},
        {"family_name": "Give the family name and the date of birth, or a number"},
    ),
    "nothing chosen": ("missing", {"risk": ""}, {"risk": "Choose one"}),
    "something else chosen": ("missing", {"risk": MARKER}, {"risk": "Choose from what is offered"}),
    "a name of 201 letters": (
        "arrest",
        {"family_name": "x" * 201},
        {"family_name": "String should have at most 200 characters"},
    ),
    "a reference that is none": (
        "mistake",
        {"of": "form-22222-22222"},
        {"of": "There is no such reference. It is on the page that said Received"},
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_stands_beside_its_field_and_what_was_written_stays(name: str) -> None:
    person = await signed_in()
    slug, changes, problems = WRONG[name]

    answer = await person.fill(slug, **changes)

    assert answer.status_code == 422
    assert errors(answer) == problems
    assert "<title>Error: " in answer.text
    assert all(f'href="#{name}' in answer.text for name in problems)
    assert person.gateway.shelf.kept == []
    assert person.gateway.metric("nightlight_events_refused_total", feed="borough", reason="invalid") == 1


async def test_a_number_that_cannot_be_right_is_asked_about_once_and_then_taken() -> None:
    person = await signed_in()

    first = await person.fill("arrest", nhs_number="9990000019")
    second = await person.post("/form/arrest", {**hidden(first), **FILLED["arrest"], "nhs_number": "9990000019"})

    assert errors(first) == {"nhs_number": "This cannot be right. Look again; if that is what it says, send it so"}
    assert second.status_code == 202
    [envelope] = person.gateway.shelf.kept
    assert isinstance(envelope.event, AboutPerson)
    assert envelope.event.person.nhs_number == "9990000019"


async def test_pressing_send_twice_is_one_event() -> None:
    person = await signed_in()
    page = await person.get("/form/arrest")

    for _ in range(2):
        await person.post("/form/arrest", {**hidden(page), **FILLED["arrest"]})

    assert len({envelope.id for envelope in person.gateway.shelf.kept}) == 1


async def test_a_mistake_takes_back_what_was_sent_however_its_reference_is_typed() -> None:
    person = await signed_in()
    await person.fill("arrest")
    sent = person.gateway.shelf.kept[0]

    answer = await person.fill("mistake", of=sent.id.upper().replace("-", " "))

    assert answer.status_code == 202
    cancelled = person.gateway.shelf.kept[1].event.model_dump()
    assert cancelled == {"of": {"source": sent.source, "id": sent.id}}


async def test_an_agency_sees_the_forms_of_what_it_may_send_and_no_others() -> None:
    person = Person()
    await person.sign_in(SCHOOL_KEY)

    page = await person.get("/form")
    other = await person.get("/form/exclusion")
    sent = await person.post("/form/exclusion", {**hidden(page), **FILLED["exclusion"]})

    listed = {each.slug for each in PAGES if f'"/form/{each.slug}"' in page.text}
    assert listed == {"arrest", "release", "missing", "found", "mistake"}
    assert (other.status_code, sent.status_code) == (404, 404)
    assert person.gateway.shelf.kept == []


async def test_an_agency_of_one_place_says_where_it_happened() -> None:
    person = Person()
    await person.sign_in(SCHOOL_KEY)

    await person.fill("arrest")

    assert person.gateway.shelf.kept[0].authority == "E09000019"


async def test_a_key_that_is_not_known_lets_nobody_in_and_is_not_repeated() -> None:
    person = Person()

    answer = await person.sign_in("nl_" + MARKER)

    assert answer.status_code == 401
    assert errors(answer) == {"key": "This key is not known, or it has ended"}
    assert MARKER not in answer.text
    assert person.cookies == {}
    assert person.gateway.metric("nightlight_events_refused_total", feed="unknown", reason="unknown-key") == 1


async def test_without_a_key_every_form_leads_to_the_key() -> None:
    answer = await Person().get("/form/arrest")

    assert (answer.status_code, answer.headers["location"]) == (303, "/form")


async def test_whoever_was_signed_out_while_writing_gives_the_key_again_and_loses_nothing() -> None:
    person = await signed_in()
    page = await person.get("/form/arrest")
    person.cookies.clear()

    asked = await person.post("/form/arrest", {**hidden(page), **FILLED["arrest"], "suite": 'Kentish "Town" & <b>'})
    sent = await person.post("/form/arrest", {**hidden(asked), "key": MET_KEY})

    assert asked.status_code == 401
    assert errors(asked) == {}
    assert "Nothing has been sent yet" in asked.text
    assert "<b>" not in asked.text
    assert sent.status_code == 202
    assert person.gateway.shelf.kept[0].event.model_dump()["suite"] == 'Kentish "Town" & <b>'
    assert person.cookies


async def test_a_session_ends_with_its_hour_and_with_its_key() -> None:
    person = await signed_in()

    async def still_in(minutes: int) -> bool:
        person.gateway.now = NOW + timedelta(minutes=minutes)
        return "What has happened?" in (await person.get("/form")).text

    in_use = [await still_in(minutes) for minutes in (59, 118, 118 + 61)]
    await person.sign_in()
    signed_in_again = await still_in(180)
    person.gateway.doorkeeper.know([])
    revoked = await still_in(180)

    assert in_use == [True, True, False]
    assert (signed_in_again, revoked) == (True, False)


async def test_a_session_ends_with_the_shift_however_busy_it_is() -> None:
    person = await signed_in()

    for hour in range(1, 13):
        person.gateway.now = NOW + timedelta(minutes=59 * hour)
        page = await person.get("/form")
        assert "What has happened?" in page.text
    person.gateway.now = NOW + timedelta(hours=12)

    assert "Key" in (await person.get("/form")).text


async def test_a_form_of_another_site_is_refused() -> None:
    person = await signed_in()
    page = await person.get("/form/arrest")
    whole = {**hidden(page), **FILLED["arrest"]}

    without_token = await person.post("/form/arrest", {**whole, "token": "0" * 32})
    cross_site = await person.post("/form/arrest", whole, sec_fetch_site="cross-site")
    old_browser = await person.post("/form/arrest", whole, origin="https://elsewhere.example")
    signing_in = await person.post("/form", {"key": MET_KEY}, sec_fetch_site="cross-site")

    assert [each.status_code for each in (without_token, cross_site, old_browser, signing_in)] == [403] * 4
    assert person.gateway.shelf.kept == []


async def test_nothing_is_kept_in_the_browser_and_nothing_personal_is_in_an_address() -> None:
    person = await signed_in()

    answers = [await person.get("/form/arrest"), await person.fill("arrest"), await person.fill("arrest", suite="")]

    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert "script" not in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert 'method="post"' in answers[0].text
    assert 'autocomplete="off"' in answers[0].text
    assert MET_KEY not in "".join(person.cookies.values())


async def test_the_cookie_is_for_this_site_alone_and_in_live_for_https_alone() -> None:
    rehearsal = await Person().sign_in()
    live = await Person(Gateway(mode=Mode.LIVE)).sign_in()

    assert rehearsal.headers["set-cookie"].endswith("HttpOnly; Path=/; SameSite=strict")
    assert live.headers["set-cookie"].startswith("__Host-nightlight-form=")
    assert "Secure" in live.headers["set-cookie"]


async def test_signing_out_clears_the_browser() -> None:
    person = await signed_in()
    page = await person.get("/form")

    answer = await person.post("/form/sign-out", hidden(page))

    assert answer.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert "Key" in (await person.get("/form")).text


async def test_while_kafka_is_away_the_page_says_that_nothing_was_sent() -> None:
    person = await signed_in()
    person.gateway.shelf.away = True

    answer = await person.fill("arrest")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert "Nothing was sent" in answer.text
    assert person.gateway.metric("nightlight_events_refused_total", feed="borough", reason="kafka-away") == 1


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x" * 300_000, "application/x-www-form-urlencoded", 413),
        (b"key=%ff", "application/x-www-form-urlencoded", 400),
        (b"key=%00", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=1" for _ in range(300)), "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
        (b"", "", 415),
    ],
    ids=["too large", "not UTF-8", "NUL", "too many fields", "JSON", "nothing"],
)
async def test_what_is_no_form_of_ours_is_refused_with_a_page(body: bytes, kind: str, status: int) -> None:
    gateway = Gateway()

    answer = await gateway.request("POST", "/form", content=body, headers={"content-type": kind})

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "Traceback" not in answer.text


async def test_an_address_that_is_none_is_a_page_too() -> None:
    person = await signed_in()

    missing = await person.get("/form/nothing")
    deeper = await person.get("/form/a/b")

    assert missing.status_code == deeper.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")
    assert deeper.headers["content-type"].startswith("text/html")


def test_a_slip_in_a_reference_is_noticed_and_its_spelling_does_not_matter() -> None:
    keyring = Keyring.make()
    reference = references.make(keyring, lambda count: bytes(range(count)))

    assert reference == "form-23456-789" + reference[-2:]
    assert references.read(keyring, f"  {reference[5:].lower().replace('-', ' ')}") == reference
    assert references.read(keyring, reference.replace("23456", "23465")) is None
    assert references.read(keyring, "") is None
    assert references.read(keyring, "met-custody-17") is None
