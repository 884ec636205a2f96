"""The goals of the matching page on a made-up borough: another seed than the benchmark's, and worse hands."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import febrl, otherhand
from benchmarks.matching import SCENES, as_table, figures, figures_of, recall_at, run, wilson
from benchmarks.population import Kind, Population, Rates, register
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


@pytest.mark.parametrize(
    ("rates", "automatic"),
    [(Rates(about_listed=0.2), 0.96), (Rates(about_listed=0.2, error=1.5, stale_postcode=0.3), 0.94)],
)
def test_a_borough_meets_the_goals(rates: Rates, automatic: float) -> None:
    scene = replace(SCENES["borough"], rates=rates, events=2_500, stress=120, seed=977)

    natural, stress, _ = run(scene, Matcher())

    about = [one for one in natural if one.event.child]
    paged = [one for one in natural if one.decision.lane is Lane.PAGE]
    wrong = {
        kind: [one.decision.lane is Lane.PAGE for one in stress if one.event.kind is kind]
        for kind in (Kind.TWIN, Kind.PARENT)
    }
    assert all(one.right for one in paged)
    assert sum(one.right for one in paged) >= automatic * len(about)
    assert sum(one.right for one in about) >= 0.995 * len(about)
    assert recall_at(natural, 0.999) >= 0.97
    assert sum(wrong[Kind.TWIN]) <= 0.01 * len(wrong[Kind.TWIN])
    assert sum(wrong[Kind.PARENT]) <= 0.05 * len(wrong[Kind.PARENT])


def test_a_borough_of_another_generator_meets_the_goals_all_the_same() -> None:
    scene = replace(SCENES["other-borough"], events=2_000, stress=100, seed=977)

    natural, stress, _ = run(scene, Matcher())

    about = [one for one in natural if one.event.child]
    assert all(one.right for one in natural if one.paged)
    assert sum(one.right for one in about) >= 0.99 * len(about)
    assert recall_at(natural, 0.999) >= 0.97
    for kind, share in ((Kind.TWIN, 0.01), (Kind.PARENT, 0.05), (Kind.SAME_NAME, 0.01)):
        asked = [one for one in stress if one.event.kind is kind]
        assert len(asked) == 100
        assert sum(one.paged for one in asked) <= max(2, share * len(asked))


def test_the_second_generator_is_the_same_for_the_same_seed_and_shares_no_name_table_with_the_first() -> None:
    one, again, other = (otherhand.scene(20, 5, otherhand.Hands(), seed, 20, 1) for seed in (3, 3, 4))

    assert one[0] == again[0] != other[0]
    assert list(one[1]) == list(again[1])
    assert "streams" not in Path(otherhand.__file__).read_text()


def test_a_stale_postcode_has_the_old_address_with_it() -> None:
    child = next(child for home in Population(3).households() for child in home)

    (row,) = register([replace(child, old_address="9 Elsewhere Road")], Rates(stale_postcode=1.0), seed=12)

    assert (row.postcode, row.address_line) == (child.old_postcode, "9 Elsewhere Road")


def test_febrl_is_read_out_of_its_package_and_nearly_all_of_it_is_found() -> None:
    decided, best = febrl.figures(["nightlight"])

    assert decided["precision"] >= 0.999
    assert decided["value"] >= 0.985
    assert best["value"] >= 0.995
    assert decided["n"] == 5_000


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


def test_scenes_rates_and_seeds_are_arguments_and_the_main_figures_make_a_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = (
        "--scene",
        "borough",
        "--listed",
        "60",
        "--events",
        "200",
        "--stress",
        "5",
        "--stale",
        "0.3",
        "--seed",
        "8",
    )

    lines = list(figures(small))

    assert {line["scene"] for line in lines} == {"borough"}
    shown = capsys.readouterr().err.splitlines()
    assert shown[0].split() == ["scene", "figure", "value", "95%"]
    assert any(line.startswith("borough         automatic precision") for line in shown)
    assert list(as_table([])) == shown[:1]


def test_an_interval_holds_its_share_and_never_leaves_0_to_1() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 100)[0] == 0.0
    assert wilson(100, 100)[1] == 1.0
    assert wilson(50, 100)[0] < 0.5 < wilson(50, 100)[1]
