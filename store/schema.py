"""Every table, for the migrations and for the test that they agree."""

from store import accounts, agencies, audit, children, dead_letters, moments, pages, people, receipts, sessions
from store.database import TABLES

__all__ = [
    "TABLES",
    "accounts",
    "agencies",
    "audit",
    "children",
    "dead_letters",
    "moments",
    "pages",
    "people",
    "receipts",
    "sessions",
]
