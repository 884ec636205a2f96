"""The quick look never misses: no child weighs more than its bound, and the answers are those of comparing everybody."""

from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from benchmarks.matching import Scene
from benchmarks.population import Rates
from schemas.child import WatchedChild
from schemas.identifiers import nhs_number, upn
from schemas.moments import Decision, Lane
from schemas.person import Person
from streams.matching import Matcher
from streams.matching.keys import BIRTH, IDENTIFIER
from streams.matching.likeness import ONE_EDIT, beside_names
from streams.matching.matcher import NEAR, Question
from streams.matching.normalise import Entry, Mark, usable
from streams.matching.score import Scored, Scorer
from streams.matching.sieve import Pairs, Sieve

TODAY = date(2026, 11, 21)

WORD = st.one_of(
    st.sampled_from(
        [
            "william",
            "bill",
            "billy",
            "liam",
            "muhammad",
            "mohammed",
            "aisha",
            "ayesha",
            "smith",
            "smyth",
            "o'neill",
            "j",
            "anne",
        ]
    ),
    st.text("abehmn", min_size=1, max_size=7),
)
NAME = st.lists(WORD, min_size=1, max_size=3).map(" ".join)
NAMES = st.lists(NAME, max_size=3).map(tuple)
BORN = st.one_of(
    st.sampled_from([date(2011, 2, 3), date(2011, 3, 2), date(2011, 2, 13), date(2010, 1, 1), date(1985, 2, 3)]),
    st.dates(date(2008, 1, 1), date(2012, 12, 31)),
)
PLACE = st.sampled_from(
    ["N1 9GU", "N1 9GX", "N19 9GU", "N1 9UG", "N1 8AA", "N11 9GU", "E8 1AA", "EH12 7TX", "EH1 7TX", "N9 GU"]
)
LINE = st.sampled_from(
    [
        "4 High Street",
        "4 High St",
        "4 Hugh Street",
        "14 High Street",
        "Flat 2 4 High Street",
        "4",
        "Rose Cottage",
        "4 Mill Lane",
        "Elm Tree 4",
    ]
)
NUMBER = st.sampled_from(["9990000018", "9990000026", "9990000019", "999000001", "9990000108"])
PUPIL = st.sampled_from(["A200400011001", "B200400011001", "X200400012001", "A20040001101"])
RECORD = st.fixed_dictionaries(
    {"family_name": st.none() | NAME, "given_name": st.none() | NAME, "date_of_birth": st.none() | BORN},
    optional={
        "other_names": NAMES,
        "previous_family_names": NAMES,
        "sex": st.sampled_from(["female", "male", "other"]),
        "postcode": PLACE,
        "address_line": LINE,
        "nhs_number": NUMBER,
        "upn": PUPIL,
    },
)
FORMERS = st.fixed_dictionaries(
    {},
    optional={
        "former_postcodes": st.lists(PLACE, min_size=1, max_size=2).map(tuple),
        "former_given_names": NAMES,
        "former_identifiers": NUMBER.map(lambda number: (("nhs_number", number),)),
    },
)


def child(child_id: str, known: dict[str, object]) -> WatchedChild:
    return WatchedChild.model_validate({"child_id": child_id, "authority": "", "team": "", **known})


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    asked=RECORD,
    listed=st.lists(st.tuples(RECORD, FORMERS), min_size=1, max_size=8),
    door=st.sampled_from(["arrest", "missing", "admission", None]),
    kind=st.sampled_from(["recorded", "claimed", "estimated"]),
)
def test_no_child_and_nobody_of_its_household_weighs_more_than_the_bound(
    asked: dict[str, object], listed: list[tuple[dict[str, object], dict[str, object]]], door: str | None, kind: str
) -> None:
    assume(is_somebody(asked))
    matcher = EMPTY
    for number, (known, formers) in enumerate(listed):
        matcher.put(child(f"C{number}", known | formers))
    person = Person.model_validate(asked | {"date_of_birth_is": kind})

    try:
        for most, home, found in weighed(matcher, Question(person, door), everybody=True):
            assert found.child <= most + 1e-6
            assert found.household <= home + 1e-6
    finally:
        for number in range(len(listed)):
            matcher.remove(f"C{number}")


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    asked=st.lists(RECORD, min_size=1, max_size=3),
    listed=st.lists(st.tuples(RECORD, FORMERS), min_size=1, max_size=8),
    floor=st.floats(-10, 30),
)
def test_the_first_cut_leaves_nobody_out_who_could_matter(
    asked: list[dict[str, object]], listed: list[tuple[dict[str, object], dict[str, object]]], floor: float
) -> None:
    questions = [Question(Person.model_validate(one)) for one in asked if is_somebody(one)]
    assume(questions)
    matcher = EMPTY
    for number, (known, formers) in enumerate(listed):
        matcher.put(child(f"C{number}", known | formers))

    try:
        could, _ = sifted(matcher, questions, floor)
    finally:
        for number in range(len(listed)):
            matcher.remove(f"C{number}")

    assert could == set()


def test_the_first_cut_leaves_out_half_of_those_found_and_nobody_who_could_matter() -> None:
    matcher, questions = borough(events=300)

    lost, share_left = sifted(matcher, questions, floor=13.0)

    assert lost == set()
    assert share_left < 0.5


def test_the_bound_holds_for_the_made_up_people_of_a_borough_and_tells_most_strangers_from_them() -> None:
    matcher, questions = borough(events=60)

    distances = [
        most - found.child for question in questions for most, _, found in weighed(matcher, question, everybody=True)
    ]

    assert min(distances) >= -1e-6
    assert np.median(distances) < 1


@pytest.mark.parametrize("rates", [Rates(about_listed=0.4), Rates(about_listed=0.3, error=3.0, stale_postcode=0.4)])
def test_the_quick_answer_is_the_full_one_wherever_a_child_is_near(rates: Rates) -> None:
    matcher, questions = borough(events=600, rates=rates)

    quick = matcher.decide_all(questions)

    for question, answer in zip(questions, quick, strict=True):
        whole = matcher.decide(question.person, door=question.door)
        assert answer == whole or (answer.lane is whole.lane is Lane.NONE and not answer.candidates and far(whole))
    assert {answer.lane for answer in quick} == set(Lane)
    assert sum(not answer.candidates for answer in quick) > 0.5 * sum(answer.lane is Lane.NONE for answer in quick)


def test_the_best_is_the_best_of_everybody_and_so_are_all_of_the_five_who_matter() -> None:
    matcher, questions = borough(events=200)
    exact = 0

    for question in questions:
        everybody = sorted((round(found.child, 2) for _, _, found in weighed(matcher, question)), reverse=True)
        near = [weight for weight in everybody[:5] if weight >= matcher._bits(NEAR)]
        weights = [one.weight for one in matcher.decide(question.person, door=question.door).candidates]
        assert weights[:1] == everybody[:1]
        assert weights[: len(near)] == near
        exact += weights == everybody[:5]

    assert exact > 150


def test_a_batch_is_answered_as_each_by_itself_and_in_order() -> None:
    matcher, questions = borough(events=80)
    like_nobody = Question(Person(given_name="Xqzv", family_name="Wjkqx", date_of_birth=date(1931, 7, 7)))
    questions = [like_nobody, *questions[:40], like_nobody, *questions[40:], like_nobody]

    together = matcher.decide_all(questions)

    assert together == [matcher.decide_all([question])[0] for question in questions]
    assert matcher.decide_each(questions) == [matcher.decide(each.person, door=each.door) for each in questions]
    assert matcher.decide_all([]) == matcher.decide_each([]) == []


@pytest.mark.parametrize("place", ["EH127TX", "N19GU", "W1A0AX", "N1", "ZZZ99ZZZ"])
def test_a_postcode_one_edit_away_is_never_taken_for_one_that_is_further(place: str) -> None:
    near = [other for other in edits(place) if 0 < len(other) <= 8]
    packed = EMPTY._packer.all([entry_at(place), *map(entry_at, near)])

    codes = beside_names(packed.records.take(np.zeros(len(near), np.int64)), packed.records[1:]).place

    assert all(OSA.distance(place, other) <= 1 for other in near)
    assert (codes <= ONE_EDIT).all()


@given(st.text("0123456789", min_size=10, max_size=10) | st.sampled_from(["9990000018", "9999999999", "1234567890"]))
def test_an_nhs_number_is_usable_exactly_if_the_rule_says_so(value: str) -> None:
    assert usable(Mark("nhs_number", value)) is nhs_number(value).usable


@given(st.from_regex(r"[A-Z][0-9]{11}[0-9A-Z]", fullmatch=True), st.sampled_from("ABCDEFGHJKLMNPQRTUVWXYZ"))
def test_a_upn_is_usable_exactly_if_the_rule_says_so(value: str, letter: str) -> None:
    for one in (value, letter + value[1:12] + "0", letter + "0" * 12):
        assert usable(Mark("upn", one)) is upn(one).usable


EMPTY = Matcher(clock=lambda: TODAY, background=False)


PUBLISHED = Rates()


def borough(*, events: int, rates: Rates = PUBLISHED) -> tuple[Matcher, list[Question]]:
    rows, asked, _ = Scene("small", 900, 6, rates, events, 0, seed=4711).make()
    matcher = Matcher(clock=lambda: TODAY, background=False)
    matcher.load(rows)
    return matcher, [Question(event.person, event.door) for event in asked]


def weighed(matcher: Matcher, question: Question, *, everybody: bool = False) -> list[tuple[float, float, Scored]]:
    """The bounds of child and household, and what the child weighs, of all that the index finds; or of `everybody` listed."""
    sounds = matcher._sounds
    asked = matcher._asked(question, TODAY)
    found = matcher._pairs([asked.entry], sounds, ())
    named = set(found.row[found.kind == IDENTIFIER].tolist())
    rows = [row for row, _ in matcher._roll.at(range(len(matcher._roll._entries)))]
    if not everybody:
        rows = sorted(set(found.row.tolist()))
    kinds = [IDENTIFIER if row in named else BIRTH for row in rows]
    pairs = Pairs(np.zeros(len(rows), np.int64), np.array(rows, np.int32), np.array(kinds, np.int8), [()])
    people = matcher._sieve.people([asked], matcher._packer, matcher._roll.frequencies)
    look = matcher._sieve.weigh(people, pairs, matcher._roll.packed, matcher._packer)
    scorer = Scorer(asked.entry, asked.same, matcher._model, matcher._compare, matcher._roll.frequencies)
    scored = [scorer.score(one, row) for row, one in matcher._roll.at(rows)]
    return list(zip(look.child.tolist(), look.household.tolist(), scored, strict=True))


def sifted(matcher: Matcher, questions: list[Question], floor: float) -> tuple[set[tuple[int, int]], float]:
    """Persons and rows that could weigh as much as `floor` and were cut all the same; and the share of all pairs that is left."""
    sounds, sieve = matcher._sounds, Sieve(matcher._model, crowd=0)
    asked = [matcher._asked(question, TODAY) for question in questions]
    pairs = matcher._pairs([one.entry for one in asked], sounds, ())
    people = sieve.people(asked, matcher._packer, matcher._roll.frequencies)
    whole = sieve.weigh(people, pairs, matcher._roll.packed, matcher._packer)
    left = sieve.sift(people, pairs, matcher._roll.packed, matcher._packer, sounds, floor=floor, least=0).pairs
    could = (np.maximum(whole.child, whole.household) >= floor).nonzero()[0]
    return met(pairs.at(could)) - met(left), len(left.of) / max(len(pairs.of), 1)


def met(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.of.tolist(), pairs.row.tolist(), strict=True))


def is_somebody(known: dict[str, object]) -> bool:
    return bool(known.get("nhs_number") or known.get("upn") or (known["family_name"] and known["date_of_birth"]))


def far(answer: Decision) -> bool:
    return sum(one.probability for one in answer.candidates) < 5 * NEAR


def entry_at(place: str) -> Entry:
    return Entry((), (), 0, "", place, "", ())


def edits(text: str) -> set[str]:
    """Every text one slip away, and this one."""
    found = {text}
    for at in range(len(text) + 1):
        head, tail = text[:at], text[at:]
        found |= {head + sign + tail for sign in "A1X"} | {head + tail[1:], head + tail[1:2] + tail[:1] + tail[2:]}
        found |= {head + sign + tail[1:] for sign in "A1X" if tail}
    return found
