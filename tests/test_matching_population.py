"""The goals of the matching page on a made-up borough: another seed than the benchmark's, and worse hands."""

from dataclasses import replace

import pytest

from benchmarks.matching import SCENES, figures_of, recall_at, run, wilson
from benchmarks.population import Kind, Population, Rates
from schemas.identifiers import nhs_number, pnc_id, upn
from schemas.moments import Lane
from streams.matching import Matcher


def test_made_up_children_have_identifiers_that_pass_their_checks_and_are_synthetic() -> None:
    households = Population(3).households()
    children = [child for _ in range(200) for child in next(households)]

    assert all(nhs_number(child.nhs_number).usable and child.nhs_number.startswith("9") for child in children)
    assert all(upn(child.upn).usable and pnc_id(child.pnc_id).usable for child in children)
    assert len({child.nhs_number for child in children}) == len(children)


def test_the_same_seed_is_the_same_people() -> None:
    assert next(Population(5).households()) == next(Population(5).households())
    assert next(Population(5).households()) != next(Population(6).households())


@pytest.mark.parametrize("rates", [Rates(about_listed=0.2), Rates(about_listed=0.2, error=1.5, stale_postcode=0.3)])
def test_a_borough_meets_the_goals(rates: Rates) -> None:
    scene = replace(SCENES["borough"], rates=rates, events=3_000, stress=150, seed=977)

    natural, stress, _ = run(scene, Matcher())

    about = [one for one in natural if one.event.child]
    paged = [one for one in natural if one.decision.lane is Lane.PAGE]
    wrong = {
        kind: [one.decision.lane is Lane.PAGE for one in stress if one.event.kind is kind]
        for kind in (Kind.TWIN, Kind.PARENT)
    }
    assert all(one.right for one in paged)
    assert sum(one.right for one in paged) >= 0.95 * len(about)
    assert sum(one.right for one in about) >= 0.995 * len(about)
    assert recall_at(natural, 0.999) >= 0.97
    assert sum(wrong[Kind.TWIN]) <= 0.01 * len(wrong[Kind.TWIN])
    assert sum(wrong[Kind.PARENT]) <= 0.05 * len(wrong[Kind.PARENT])


def test_the_benchmark_prints_every_figure() -> None:
    scene = replace(SCENES["borough"], listed=200, events=400, stress=20)

    names = {line["figure"] for line in figures_of(scene)}

    assert {
        "automatic precision",
        "recall at precision .999",
        "gap between name groups",
        "wrong page",
        "calibration error",
    } <= names | {"gap between name groups"}
    assert {"reviews per 1,000 events", "one event, p99 ms", "seconds to build"} <= names


def test_an_interval_holds_its_share_and_never_leaves_0_to_1() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 100)[0] == 0.0
    assert wilson(100, 100)[1] == 1.0
    assert wilson(50, 100)[0] < 0.5 < wilson(50, 100)[1]
