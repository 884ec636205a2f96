"""Bringing a database to this version. Safe to repeat, and safe to break off: each migration is one transaction."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from store.database import driver_url

HERE = Path(__file__).parent


def configuration(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["url"] = driver_url(url)
    return config


def upgrade(url: str) -> None:
    """To the newest version. `url` is a PostgreSQL address whose user may create tables and roles."""
    command.upgrade(configuration(url), "head")
