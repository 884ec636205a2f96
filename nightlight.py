"""The front door: every command, and nothing but wiring."""

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer
import typer.core
from typer._click.exceptions import ClickException, NoArgsIsHelpError, UsageError

from schemas import logs

COMMANDS = {
    # Everything in one terminal, and one process each.
    "demo": "demo:demo",
    "up": "up:up",
    "gateway": "processes:gateway",
    "mllp": "processes:mllp",
    "inbox": "processes:inbox",
    "streams": "processes:streams",
    "pager": "processes:pager",
    "desk": "processes:desk",
    "phone": "processes:phone",
    # Before the first start, and with each new version.
    "migrate": "processes:migrate",
    "topics": "processes:topics",
    "keys": "keys:app",
    # Who is watched, who is told, who may say something, who may look.
    "children": "children:app",
    "responders": "people:responders",
    "rota": "rota:app",
    "policies": "people:policies",
    "phones": "phones:app",
    "drill": "drill:drill",
    "agencies": "agencies:app",
    "feeds": "feeds:app",
    "accounts": "accounts:app",
    "subject": "subjects:subject",
    "erase": "subjects:erase",
    "doctor": "doctor:doctor",
    # What happened.
    "reviews": "reviews:app",
    "dead-letters": "letters:app",
    "audit": "audit:app",
    "timeline": "timeline:timeline",
    "auditor": "auditor:auditor",
    "simulate": "simulate:simulate",
    # The join and the identifiers alone: no broker, no database.
    "match": "offline:match",
    "model": "model:app",
    "identifiers": "offline:identifiers",
}
"""Command → where it is, below `commands`. A module is imported when its command is asked for: all of them take two seconds."""


class WrongUsage(ClickException):
    """Exit code 2, and one sentence on stderr (contract section 1)."""

    exit_code = 2


@contextlib.contextmanager
def in_one_sentence() -> Iterator[None]:
    """What is wrong with the words that were typed, without the lines about usage that typer puts before it."""
    try:
        yield
    except NoArgsIsHelpError:  # nothing was typed wrong: what there is, is shown
        raise
    except UsageError as wrong:
        said = " ".join(wrong.format_message().replace("Value error, ", "").split()).rstrip(".")
        command = wrong.ctx.command_path if wrong.ctx else "nightlight"
        raise WrongUsage(f"{said}: '{command} --help' says what can be typed.") from None


class Lazily(typer.core.TyperGroup):
    """The commands of the table, in its order."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with in_one_sentence():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with in_one_sentence():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, noun = COMMANDS[cmd_name].partition(":")
        made = getattr(import_module(f"commands.{module}"), noun)
        holder = typer.Typer(rich_markup_mode=None)
        if isinstance(made, typer.Typer):
            holder.add_typer(made, name=cmd_name)
        else:
            holder.command(cmd_name)(made)
        return typer.main.get_group(holder).commands[cmd_name]


app = typer.Typer(cls=Lazily, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback(no_args_is_help=True)
def nightlight() -> None:
    """The light left on for a child at night."""


def main() -> None:
    """The console script."""
    try:
        "".join(sys.argv).encode()
    except UnicodeEncodeError:
        typer.echo("An argument is not UTF-8: set the terminal to UTF-8, and type it again.", err=True)
        sys.exit(2)
    logs.hush()
    app(prog_name="nightlight")


if __name__ == "__main__":
    main()
