"""An operator's terminal: commands are run in this process, with nothing of the machine's own settings."""

from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from typer.testing import Result

from schemas.base import utc_now
from schemas.london import LONDON, today
from tests.house import RESPONDERS, children, rota, run_here
from tests.servers import libpq

TODAY = today(utc_now())


@dataclass
class Terminal:
    """An operator's terminal: commands are run in this process, with nothing of the machine's own settings."""

    directory: Path
    environment: dict[str, str]

    def __call__(self, *words: str, stdin: str | bytes = "", **given: str) -> Result:
        here = self.environment | {f"NIGHTLIGHT_{name}": value for name, value in given.items()}
        return run_here(*words, environment=here, stdin=stdin)

    def does(self, *words: str, stdin: str | bytes = "", **given: str) -> str:
        """What it prints when it does what it was asked."""
        done = self(*words, stdin=stdin, **given)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    def refuses(self, *words: str, **given: str) -> str:
        """Its sentence, when it does not."""
        done = self(*words, **given)
        assert (done.exit_code, done.stdout) == (1, "")
        return done.stderr.removesuffix("\n")

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(libpq(self.environment["NIGHTLIGHT_DATABASE_URL"])) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def bare(tmp_path: Path) -> Terminal:
    """No database, no broker, an empty directory."""
    return Terminal(tmp_path, {"NIGHTLIGHT_DATA_DIR": str(tmp_path / "data")})


@pytest.fixture
def terminal(bare: Terminal, database_url: str) -> Terminal:
    """A database of its own."""
    bare.environment["NIGHTLIGHT_DATABASE_URL"] = database_url
    return bare


@pytest.fixture
def settled(terminal: Terminal) -> Terminal:
    """Four children are watched, and three people are on call for them."""
    terminal.does("children", "import", terminal.file("children.csv", children(TODAY)))
    terminal.does("responders", "import", terminal.file("responders.csv", RESPONDERS))
    terminal.does("rota", "import", terminal.file("rota.csv", rota(utc_now().astimezone(LONDON))))
    return terminal
