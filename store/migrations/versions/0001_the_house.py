"""The first tables, the application's role, and the rules that no statement may break."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    for file in ("0001_tables.sql", "0001_rules.sql"):
        script = (Path(__file__).parent / file).read_text()
        op.get_bind().exec_driver_sql(script.replace("%", "%%"))  # psycopg would take a percent sign for a parameter
