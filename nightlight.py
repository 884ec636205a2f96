"""The front door: every command, and nothing but wiring."""

import typer

from commands import accounts, agencies, audit, children, demo, keys, letters, offline, people, processes, up

app = typer.Typer(
    help="The light left on for a child at night.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Everything in one terminal, and one process each.
for command in (
    demo.demo,
    up.up,
    processes.gateway,
    processes.streams,
    processes.pager,
    processes.desk,
    processes.phone,
):
    app.command()(command)

# Before the first start, and with each new version.
for command in (processes.migrate, processes.topics):
    app.command()(command)
app.add_typer(keys.app, name="keys")

# Who is watched, who is told, who may say something, who may look.
app.add_typer(children.app, name="children")
app.add_typer(people.responders, name="responders")
app.add_typer(people.rota, name="rota")
app.add_typer(people.policies, name="policies")
app.add_typer(agencies.app, name="agencies")
app.add_typer(accounts.app, name="accounts")

# What happened.
app.add_typer(letters.app, name="dead-letters")
app.add_typer(audit.app, name="audit")

# The join and the identifiers alone: no broker, no database.
app.command()(offline.match)
app.command()(offline.identifiers)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
