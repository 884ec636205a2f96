"""`nightlight model fit`: how often two records of one child agree (m), estimated from two registers that overlap. Offline, with Splink.

Only m is estimated. u stays with the population's frequencies; h, the thresholds and what a single door does otherwise stay as the
model to start from has them. Never fit on the stream: with one event in twenty about a listed child and brothers and sisters
among the others, the estimate finds the wrong class (matching page, 1.4).

1. Both registers are read and folded by the matcher's own code, and the levels are the matcher's own: Splink sees numbers, no names.
2. Pairs that share an identifier, the sound of both names, or the birth date and the sound of the given name are compared: one run of
   expectation maximisation for each, in which the fields that made the pairs are left out. Splink takes the middle of the runs.
   Never pairs by birth date without the given name: twins would be taken for children whose given name and identifiers differ.
3. What is estimated is drawn towards the model to start from, as if that had seen WORTH pairs: a level that did not occur keeps a chance.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from schemas.person import IDENTIFIERS
from streams.matching import names as name_tables
from streams.matching.compare import Level, NameCompare, all_but_names
from streams.matching.keys import Sounds
from streams.matching.listing import Complain, read
from streams.matching.model import LEVELS, Model, ModelRefused, Table, content_version
from streams.matching.normalise import Entry, entry, usable

WORTH: Final = 100.0
"""Pairs that the model to start from counts for."""

ENOUGH: Final = 200
"""Pairs of one child that a run, and the whole, must have."""

LEFT_ALONE: Final = frozenset(("house", "street"))
"""Compared only where the postcode allows it: what they say hangs on the postcode, and two registers write them too differently."""

FITTED: Final = tuple(field for field in LEVELS if field not in LEFT_ALONE)

MISSING: Final = -1


class Pairs:
    """The entries of both registers by place, and the level of any two in one field: what Splink asks for, a pair at a time."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = entries
        names = name_tables.load()
        self._sounds = Sounds(names)
        self._names = NameCompare(names, self._sounds)
        self._last: tuple[tuple[int, int], dict[str, int]] = ((-1, -1), {})

    def level(self, field: str) -> Callable[..., int]:
        """A function of two places that gives the level, or MISSING. DuckDB counts its arguments: where a column makes pairs that
        agree in the field, both sides of it come along, so that Splink sees what the field hangs on."""

        def of(one: int, other: int) -> int:
            if self._last[0] != (one, other):
                self._last = (one, other), dict(self._levels(self._entries[one], self._entries[other]))
            return self._last[1].get(field, MISSING)

        def beside(one: int, other: int, _left: int | None, _right: int | None) -> int:
            return of(one, other)

        return beside if _columns(field) else of

    def columns(self, places: range) -> dict[str, list[Any]]:
        """What pairs are made by: numbers and hashes, one row a child."""
        rows = [(place, self._entries[place]) for place in places]
        sounds = [(self._sound(one.given), self._sound(one.family)) for _, one in rows]
        return {
            "place": list(places),
            "birth": [one.birth or None for _, one in rows],
            "given": [given for given, _ in sounds],
            "family": [family for _, family in sounds],
            **{kind: [_usable_mark(one, kind) for _, one in rows] for kind in IDENTIFIERS},
        }

    def _sound(self, forms: tuple[tuple[str, ...], ...]) -> int | None:
        return hash(self._sounds(forms[0][0])) if forms else None

    def _levels(self, one: Entry, other: Entry) -> Iterator[tuple[str, int]]:
        found: list[Level | None] = [
            self._names.best("given_name", one.given[:1], other.given[:1]),
            self._names.best("family_name", one.family[:1], other.family[:1]),
            *all_but_names(one, other, {mark: usable(mark) for mark in one.marks}),
        ]
        yield from ((level.field, level.level) for level in found if level is not None)


def _usable_mark(one: Entry, kind: str) -> int | None:
    return next((hash(mark.value) for mark in one.marks if mark.kind == kind and usable(mark)), None)


def fit(first: Path, second: Path, start: Model, *, today: date, complain: Complain) -> Model:
    """A new model, versioned by its content. `first` and `second` are CSV files as of the watched children (contract section 5).

    Needs the extra `train`. Raises ListRefused for a register that cannot be read, and ModelRefused if Splink is not
    installed, if too few are in both registers, or if what comes out is no usable model.
    """
    lists = [[entry(child, today) for child in read(path, complain, today)] for path in (first, second)]
    learnt, count = _estimate(lists, start)
    fields = {
        field: table.model_copy(update={"m": _drawn(learnt[field], table.m, count)}) if field in learnt else table
        for field, table in start.fields.items()
    }
    fields["postcode"] = _moved_with(fields["postcode"], start.fields["postcode"])
    facts = {
        "name": "fitted",
        "made": today.isoformat(),
        "source": f"m of {', '.join(sorted(learnt))} estimated with Splink from two registers of {len(lists[0]):,} and "
        f"{len(lists[1]):,} children, some {count:,} in both; the rest of {start.label}.",
        "fields": {field: table.model_dump(mode="json") for field, table in fields.items()},
    }
    made = start.model_dump(mode="json") | facts
    return Model.parse(made | {"version": content_version(made)})


def _estimate(lists: list[list[Entry]], start: Model) -> tuple[dict[str, list[float]], int]:
    """m by field, and how many children are in both registers, as far as identifiers, or names and birth date, tell."""
    try:
        import duckdb
        import pyarrow
        from duckdb.func import FunctionNullHandling
        from splink import DuckDBAPI, Linker
    except ImportError as problem:
        raise ModelRefused(
            "fitting a model needs Splink, which is not installed: add the extra 'train', pip install 'nightlight[train]'"
        ) from problem

    pairs = Pairs([one for each in lists for one in each])
    with duckdb.connect() as connection:
        for field in FITTED:
            numbers: list[Any] = ["bigint"] * (2 + 2 * len(_columns(field)))
            connection.create_function(
                f"level_of_{field}",
                pairs.level(field),
                numbers,
                "integer",
                null_handling=FunctionNullHandling.SPECIAL,
            )
        bounds = (0, len(lists[0]), len(lists[0]) + len(lists[1]))
        tables = [pyarrow.table(pairs.columns(range(*bounds[at : at + 2]))) for at in (0, 1)]
        for name, table in zip(("one", "two"), tables, strict=True):
            connection.register(name, table)
        blocks, count = _blocks(connection)
        if count < ENOUGH:
            raise ModelRefused(
                f"the registers have some {count} children in common: at least {ENOUGH} are needed to estimate anything"
            )
        api = DuckDBAPI(connection=connection)
        linker = Linker(
            [
                api.register(table, table_name=name)
                for name, table in zip(("first_register", "second_register"), tables, strict=True)
            ],
            _settings(start, count / max(1, len(lists[0]) * len(lists[1]))),
            log_level="ERROR",
        )
        for columns in blocks:
            linker.training.estimate_parameters_using_expectation_maximisation(
                " and ".join(f"l.{column} = r.{column}" for column in columns)
            )
        saved = _read(linker.misc.save_model_to_json())
        return {field: saved[field] for field in FITTED if _is_learnt(field, saved[field], start, blocks)}, count


def _columns(field: str) -> tuple[str, ...]:
    """The columns that make pairs which agree in this field: a run over such pairs must not estimate it."""
    return {"date_of_birth": ("birth",), "given_name": ("given",), "family_name": ("family",)}.get(
        field, (field,) if field in IDENTIFIERS else ()
    )


def _is_learnt(field: str, saved: list[float], start: Model, blocks: list[tuple[str, ...]]) -> bool:
    """Whether a run left the field free and met it. Without a shared identifier none does so with the given name."""
    return saved != list(start.fields[field].m) and any(set(_columns(field)).isdisjoint(block) for block in blocks)


def _blocks(connection: Any) -> tuple[list[tuple[str, ...]], int]:
    """What to make pairs by, and the largest number of children that are surely in both registers by any one of them."""
    found: list[tuple[str, ...]] = [("birth", "given"), ("given", "family")]
    sure = [_joined(connection, ("birth", "given", "family"))]
    for kind in IDENTIFIERS:
        shared = _joined(connection, (kind,))
        sure.append(shared)
        if shared >= ENOUGH:
            found.append((kind,))
    return found, max(sure)


def _joined(connection: Any, columns: tuple[str, ...]) -> int:
    same = " and ".join(f"one.{column} = two.{column}" for column in columns)
    counted = connection.execute(f"select count(distinct one.place) from one join two on {same}")  # noqa: S608
    return int(counted.fetchall()[0][0])


def _settings(start: Model, share: float) -> dict[str, Any]:
    return {
        "link_type": "link_only",
        "unique_id_column_name": "place",
        "probability_two_random_records_match": min(max(share, 1e-9), 0.5),
        "max_iterations": 30,
        "comparisons": [_comparison(field, start.fields[field]) for field in FITTED],
    }


def _comparison(field: str, table: Table) -> dict[str, Any]:
    places = ("place", *_columns(field))
    called = f"level_of_{field}({', '.join(f'{column}_{side}' for column in places for side in 'lr')})"
    levels: list[dict[str, Any]] = [
        {"sql_condition": f"{called} = {MISSING}", "label_for_charts": "missing", "is_null_level": True}
    ]
    for number, (label, m, u) in enumerate(zip(table.levels, table.m, table.u, strict=True)):
        last = number == len(table.levels) - 1
        levels.append(
            {
                "sql_condition": "ELSE" if last else f"{called} = {number}",
                "label_for_charts": label,
                "m_probability": m,
                "u_probability": u,
                "fix_u_probability": True,
            }
        )
    return {"output_column_name": field, "comparison_levels": levels}


def _read(saved: Mapping[str, Any]) -> dict[str, list[float]]:
    """m by field as Splink gives it; a level that it has not met is 0."""
    return {
        comparison["output_column_name"]: [
            chance if isinstance(chance := level.get("m_probability"), float) else 0.0
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        ]
        for comparison in saved["comparisons"]
    }


def _drawn(learnt: list[float], before: tuple[float, ...], count: int) -> tuple[float, ...]:
    """Towards what was known before, the more so the fewer pairs there were."""
    total = sum(learnt) or 1.0
    mixed = [(count * m / total + WORTH * old) / (count + WORTH) for m, old in zip(learnt, before, strict=True)]
    return tuple(round(m / sum(mixed), 7) for m in mixed)


def _moved_with(fitted: Table, before: Table) -> Table:
    """The household moves with the child: its postcodes are as stale as the child's are."""
    mixed = [h * m / old for h, m, old in zip(before.h, fitted.m, before.m, strict=True)]
    return fitted.model_copy(update={"h": tuple(round(h / sum(mixed), 7) for h in mixed)})
