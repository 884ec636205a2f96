"""A model file: what is refused, what it is called, how it is tried before it decides, and how one is made from two registers."""

import csv
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from benchmarks.population import Child, Kind, Population, Rates, register
from benchmarks.population.events import Writer
from schemas.child import WatchedChild
from schemas.metrics import Metrics
from schemas.person import Person
from schemas.settings import BadSettings, Settings
from streams.matching.dry_run import as_table, differences
from streams.matching.model import LARGEST, SHIPPED, Model, ModelRefused, content_version
from streams.matching.training import fit
from streams.worker import _matcher

ROOT = Path(__file__).parent.parent
TODAY = date(2026, 11, 21)
COLUMNS = ("family_name", "given_name", "date_of_birth", "sex", "postcode", "nhs_number", "upn", "pnc_id")


def shipped(**changes: Any) -> dict[str, Any]:
    return {**json.loads(SHIPPED.read_text()), **changes}


def changed(part: str, **changes: Any) -> dict[str, Any]:
    model = shipped()
    model[part] |= changes
    return model


def field(name: str, **changes: Any) -> dict[str, Any]:
    model = shipped()
    model["fields"][name] |= changes
    return model


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "the whole"),
        (b" " * (LARGEST + 1), "larger than"),
        (changed("thresholds", page=0.01), "thresholds.page"),
        (changed("thresholds", review=0.9), "thresholds.review"),
        (changed("prior", share_on_list=float("nan")), "prior.share_on_list"),
        (shipped(swapped_names=float("inf")), "swapped_names"),
        (shipped(twins_of_one_name=30.0), "twins_of_one_name"),
        (shipped(name="<script>"), "name"),
        (shipped(version="2\nok"), "version"),
        (shipped(version="0123456789ab"), "changed after it was made"),
        (field("sex", m=[0.01, 0.99]), "must speak for the same child"),
        (field("sex", u=[0.5, 0.1]), "all levels together must be 1"),
        (field("sex", levels=["same", "other"]), "the field sex is missing or has other levels"),
        (field("nhs_number", m=[0.976, 0.018, 0.006]), "one number for each level"),
        (shipped(doors={"arrest": {"sex": [0.2, 0.2]}}), "all levels together must be 1"),
    ],
)
def test_a_file_that_would_decide_wrongly_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes | dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    with pytest.raises(ModelRefused, match=sentence) as refused:
        Model.load(path)

    assert "script" not in str(refused.value)


def test_the_version_of_a_fitted_model_is_that_of_its_content_and_nothing_else() -> None:
    model = shipped(name="fitted")
    model["version"] = content_version(model)

    assert Model.parse(model).label == f"fitted-{model['version']}"
    assert content_version(shipped(name="fitted", version="7")) == model["version"]
    with pytest.raises(ModelRefused, match="changed after it was made"):
        Model.parse(model | {"least_given": 0.0005})


def test_the_table_shows_every_level_of_every_field_and_the_thresholds() -> None:
    shown = "\n".join(as_table(Model.load()))

    assert "page from 0.98" in shown
    assert all(
        f"{name:<14} {level:<13}" in shown for name, table in Model.load().fields.items() for level in table.levels
    )


def test_a_dry_run_tells_which_events_another_model_decides_otherwise_and_never_a_value(tmp_path: Path) -> None:
    children = tmp_path / "children.csv"
    children.write_text(
        "child_id,family_name,given_name,date_of_birth,postcode\nC1,Qwestbury,Amina,2011-02-03,N1 9GU\n"
    )
    person = {"family_name": "Qwestbury", "given_name": "Amina", "date_of_birth": "2011-02-03", "postcode": "N1 9GU"}
    stranger = person | {"given_name": "Grace", "family_name": "Made", "date_of_birth": "2008-09-19"}
    events = [json.dumps({"id": name, "person": each}) for name, each in (("e1", person), ("e2", stranger))]
    strict = Model.parse(changed("thresholds", page=0.999999999999) | {"version": "9"})

    found = list(differences(Model.load(), strict, children, [*events, "junk"], lambda _: None))

    assert [(one["id"], one["old"]["lane"], one["new"]["lane"]) for one in found[:-1]] == [("e1", "page", "review")]
    assert "held: not sure enough" in found[0]["new"]["why"]
    assert found[-1] == {
        "old": "table-2",
        "new": "table-9",
        "children": 1,
        "events": 3,
        "unread": 1,
        "changed": 1,
        "changes": {"page to review": 1},
    }
    assert not any(value in json.dumps(found) for value in person.values())


# Fitting


@pytest.fixture(scope="module")
def registers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two registers of one town, half of each in both; a quarter of the first one's postcodes is old."""
    people, children = Population(11, Rates(stale_postcode=0.25), 20).households(), list[Child]()
    while len(children) < 900:
        children += next(people)
    folder, writer = tmp_path_factory.mktemp("registers"), Writer(Random(9), Rates())
    first = register(children[:700], Rates(stale_postcode=0.25), 5)
    second = [writer.write(child, Kind.LISTED, None).person for child in children[200:900]]
    return written(folder / "social-care.csv", first), written(folder / "schools.csv", second)


def written(path: Path, people: list[WatchedChild] | list[Person]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("child_id", *COLUMNS))
        rows.writerows([f"R{place}", *(getattr(one, column) for column in COLUMNS)] for place, one in enumerate(people))
    return path


def test_two_registers_teach_how_often_postcodes_are_stale_and_names_are_typed_wrong(
    registers: tuple[Path, Path],
) -> None:
    start = Model.load()

    made = fit(*registers, start, today=TODAY, complain=pytest.fail)

    assert made.label == f"fitted-{content_version(made.model_dump(mode='json'))}"
    assert 0.62 < made.fields["postcode"].m[0] < 0.80
    assert made.fields["date_of_birth"].m[0] > 0.94
    assert made.fields["given_name"].m[0] > made.fields["given_name"].m[1] > 0
    assert [table.u for table in made.fields.values()] == [table.u for table in start.fields.values()]
    assert made.thresholds == start.thresholds


def test_registers_without_children_in_common_teach_nothing(registers: tuple[Path, Path], tmp_path: Path) -> None:
    lines = registers[0].read_text().splitlines(keepends=True)
    few = tmp_path / "few.csv"
    few.write_text("".join(lines[:40]))

    with pytest.raises(ModelRefused, match="at least 200 are needed"):
        fit(few, registers[1], Model.load(), today=TODAY, complain=pytest.fail)


def test_the_commands_fit_show_and_compare_and_refuse_in_one_sentence(
    registers: tuple[Path, Path], tmp_path: Path
) -> None:
    made = nightlight(tmp_path, "model", "fit", *map(str, registers), "--out", "made.json")
    again = nightlight(tmp_path, "model", "fit", *map(str, registers), "--out", "made.json")
    shown = nightlight(tmp_path, "model", "show", "made.json")
    nowhere = nightlight(tmp_path, "model", "compare", "shipped", "nowhere.json", "--children", "x", "--events", "-")

    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("fitted-")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert shown.stdout.splitlines()[0].startswith(made.stdout.split(":")[0])
    assert (nowhere.returncode, nowhere.stderr) == (1, "the model file cannot be read: No such file or directory\n")


def test_without_the_extra_the_command_says_what_to_install(registers: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "splink.py").write_text("raise ImportError('there is no Splink on this machine')\n")

    done = nightlight(tmp_path, "model", "fit", *map(str, registers), "--out", "made.json")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "nightlight[train]" in done.stderr
    assert not (tmp_path / "made.json").exists()


def nightlight(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nightlight", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_worker_with_a_model_file_that_is_none_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("[]")

    with pytest.raises(BadSettings, match=r"NIGHTLIGHT_MATCHER_FILE: the model file is no model"):
        _matcher(Settings(matcher_file=tmp_path / "model.json"), Metrics.build(CollectorRegistry()))
