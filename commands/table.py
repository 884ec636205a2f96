"""A table for a person at a terminal: columns as wide as they must be, and nothing to draw around them."""

from collections.abc import Sequence

import typer


def show(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print it; without rows, the head alone and a line that says so."""
    cells = [list(head), *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if not rows:
        typer.echo("(none)")
