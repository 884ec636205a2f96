"""What needs no broker and no database: reading identifiers, and the join alone."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer

from commands.house import refuse
from schemas.identifiers import KINDS, judge


def identifiers(kind: Annotated[str, typer.Argument(help=" | ".join(KINDS))]) -> None:
    """Read values from stdin, one a line; print `valid CANONICAL` or `invalid REASON` for each."""
    if kind not in KINDS:
        typer.echo(f"There is no identifier of that kind: choose one of {', '.join(KINDS)}.", err=True)
        raise typer.Exit(2)
    for line in _stdin():
        typer.echo(judge(kind, line.rstrip("\r\n")))


def match(
    children: Annotated[
        Path, typer.Option(help="CSV of watched children; only child_id and the person columns are needed")
    ],
    events: Annotated[str, typer.Option(help="JSON lines to match, or - for stdin as they come")],
    model: Annotated[Path | None, typer.Option(help="another model's file; the shipped one otherwise")] = None,
) -> None:
    """The join alone: one JSON line for each event, in order, with its lane, its candidates and the reasons in bits."""
    from streams.matching.listing import ListRefused
    from streams.matching.model import ModelRefused
    from streams.matching.offline import match_lines

    stream = events == "-"
    try:
        with read_lines(events) as lines:
            for line in match_lines(children, lines, model, announce=stream):
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
    except (ListRefused, ModelRefused) as problem:
        refuse(str(problem))
    except BrokenPipeError:
        raise  # whoever read our lines has gone: Typer knows what to do
    except OSError as problem:
        refuse(f"{problem.filename} cannot be read ({problem.strerror}): mend the path or its permissions.")


@contextlib.contextmanager
def read_lines(events: str) -> Iterator[Iterable[str]]:
    """The lines of a file, or of stdin as they come where it is `-`; ended by a line feed alone, so that one line in is one line out.

    A byte that is no UTF-8 comes as a lone surrogate, and a line beyond LONGEST cut short: the answer names both.
    """
    from streams.matching.offline import LONGEST

    if events == "-":
        yield _cut(_stdin(), LONGEST)
        return
    with Path(events).open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        yield _cut(file, LONGEST)


def _cut(file: TextIO, longest: int) -> Iterator[str]:
    """Line by line, none of them held whole if it is longer than anybody writes."""
    while line := file.readline(longest + 1):
        rest = line
        while len(rest) > longest and not rest.endswith("\n"):
            rest = file.readline(longest + 1)
        yield line


def _stdin() -> TextIO:
    """In UTF-8 wherever we run, whatever the bytes."""
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")  # type: ignore[union-attr]
    return sys.stdin
