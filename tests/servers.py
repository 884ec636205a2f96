"""Fixtures: PostgreSQL and brokers, started once per run, and what keeps tests apart on them."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from embedded import broker as embedded_broker
from embedded import postgres as embedded_postgres
from tests.kafka import broker as apache_kafka

TEMPLATE = "template_migrated"


@pytest.fixture
def unique() -> str:
    """A word no other test has. Topics and groups are global in a broker: put it before their names."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of the embedded PostgreSQL, for its owner; shared by the whole run."""
    with embedded_postgres.start(tmp_path_factory.mktemp("postgres"), durable=False) as running:
        yield running.url


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str) -> str:
    """The name of a database that holds every table and no row."""
    from store import migrations

    with psycopg.connect(libpq(postgres_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    migrations.upgrade(swap_database(postgres_url, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres_url: str, migrated_template: str, unique: str) -> Iterator[str]:
    """A migrated database of this test's own, gone after it."""
    with psycopg.connect(libpq(postgres_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {unique} TEMPLATE {migrated_template} STRATEGY file_copy")
        yield swap_database(postgres_url, unique)
        # The test may have left sessions open; they end here and not in the next test.
        connection.execute(f"DROP DATABASE {unique} WITH (FORCE)")


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of the embedded broker."""
    with embedded_broker.start(tmp_path_factory.mktemp("tansu")) as running:
        yield running.url


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real Apache Kafka. A test that asks for it is marked `kafka`."""
    with apache_kafka.start(0, tmp_path_factory.mktemp("kafka")) as running:
        yield running.url


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> str:
    """The bootstrap address of the best broker to be had: the real one, else the embedded one."""
    address: str = request.getfixturevalue("tansu" if apache_kafka.missing() else "kafka")
    return address


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def each_broker(request: pytest.FixtureRequest) -> str:
    """The bootstrap address of each broker in turn: one set of tests for the real one and its stand-in."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory for a server of the test's own."""
    return tmp_path / "home"


def libpq(url: str) -> str:
    """A SQLAlchemy address as psycopg itself takes it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def swap_database(url: str, name: str) -> str:
    """The same server, another database."""
    return f"{url.rpartition('/')[0]}/{name}"
