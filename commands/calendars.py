"""Where a rota is read from: a file, or an address that a calendar is published at."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import typer

from commands.house import refuse
from store.calendars import LARGEST

if TYPE_CHECKING:
    import httpx2

SECONDS = 20.0
"""For an answer, and again for working out what a calendar comes to."""
MOST_REDIRECTS = 3


class TookTooLong(Exception):
    """It was not done in time."""


def is_address(source: str) -> bool:
    """Is this an address, and not a file?"""
    return "://" in source


def is_calendar(source: str) -> bool:
    """Is this an iCalendar rota, and not a CSV file?"""
    return is_address(source) or source.casefold().endswith(".ics")


def known(source: str) -> str:
    """For the command's argument: a file has to be there, and an address has to be one. Raises BadParameter."""
    if not is_address(source) and not Path(source).is_file():
        raise typer.BadParameter(f"{source} is not a file: name a CSV or .ics file, or an https address")
    return source


def fetch(source: str) -> bytes:
    """The bytes at a file or an address, or the end of the program with one sentence.

    The sentence never repeats the address: whoever has it can read the calendar.
    """
    if not is_address(source):
        path = Path(source)
        if path.stat().st_size > LARGEST and is_calendar(source):
            refuse(f"{path.name} is larger than {LARGEST // 1024 // 1024} MB: that is no rota.")
        return path.read_bytes()
    import httpx2  # here: most commands never need it

    try:
        with within(SECONDS * (MOST_REDIRECTS + 1)), httpx2.Client(timeout=SECONDS) as client:
            return _get(client, source)
    except (httpx2.HTTPError, httpx2.InvalidURL, TookTooLong, ValueError):
        refuse("The calendar's address does not answer: try it in a browser, and look for a typing error.")


def _get(client: "httpx2.Client", address: str) -> bytes:
    address = "https" + address.removeprefix("webcal") if address.startswith("webcal://") else address
    for _ in range(MOST_REDIRECTS + 1):
        if urlsplit(address).scheme != "https":
            refuse("A calendar is read from an https address only: a rota says who is where.")
        with client.stream("GET", address) as answer:
            if answer.is_redirect:
                address = urljoin(address, answer.headers["location"])
                continue
            if not answer.is_success:
                refuse(f"The calendar's address answers {answer.status_code}: publish the calendar again.")
            data = b""
            for part in answer.iter_bytes():
                data += part
                if len(data) > LARGEST:
                    refuse(f"The calendar is larger than {LARGEST // 1024 // 1024} MB: that is no rota.")
            return data
    return refuse("The calendar's address only leads on to others: use the one that it ends at.")


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TookTooLong if it takes longer. On the main thread, where commands are."""

    def ring(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    left, again = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, again)
        signal.signal(signal.SIGALRM, before)
