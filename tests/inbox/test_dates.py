"""Dates and times of exports: what is taken, and that a day and a month are never guessed at."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.inbox.dates import NotADate, Order, read_date, read_instant

LONDON = ZoneInfo("Europe/London")
ORDERS = st.sampled_from(Order)

TAKEN = [
    ("2010-03-14", Order.ISO),
    ("2010/03/14", Order.ISO),
    ("20100314", Order.ISO),
    ("14 Mar 2010", Order.ISO),
    ("14-March-2010", Order.AMERICAN),
    (" 2010-03-14 ", Order.BRITISH),
    ("2010-03-14 00:00:00", Order.ISO),
    ("2010-03-14T00:00", Order.ISO),
    ("14/03/2010", Order.BRITISH),
    ("14.3.2010", Order.BRITISH),
    ("03/14/2010", Order.AMERICAN),
    ("14/03/2010 00:00", Order.BRITISH),
]

REFUSED = [
    ("03/04/2010", Order.ISO, "day or month first"),
    ("14/03/2010", Order.ISO, "day or month first"),
    ("14/03/10", Order.BRITISH, "four digits"),
    ("14 Mar 10", Order.ISO, "four digits"),
    ("14/13/2010", Order.BRITISH, "exists"),
    ("2010-02-30", Order.ISO, "exists"),
    ("0210-02-03", Order.ISO, "exists"),
    ("40251", Order.ISO, "spreadsheet"),
    ("40251.5", Order.BRITISH, "spreadsheet"),
    ("14 Mai 2010", Order.ISO, "YYYY-MM-DD"),
    ("2010-03-14 02:06", Order.ISO, "YYYY-MM-DD"),
    ("", Order.ISO, "YYYY-MM-DD"),
    ("yesterday", Order.ISO, "YYYY-MM-DD"),
]

INSTANTS = [
    ("2026-11-21T02:06:00+00:00", Order.ISO, "2026-11-21T02:06:00"),
    ("2026-11-21T02:06:00Z", Order.ISO, "2026-11-21T02:06:00"),
    ("2026-11-21T03:06:00+0100", Order.ISO, "2026-11-21T02:06:00"),
    ("2026-11-21 02:06", Order.ISO, "2026-11-21T02:06:00"),
    ("2026-07-01 02:06:30.123", Order.ISO, "2026-07-01T01:06:30"),
    ("01/07/2026 2:06 pm", Order.BRITISH, "2026-07-01T13:06:00"),
    ("01/07/2026 12:06AM", Order.BRITISH, "2026-06-30T23:06:00"),
    ("21 Nov 2026, 02:06", Order.ISO, "2026-11-21T02:06:00"),
    ("2026-10-25 01:30", Order.ISO, "2026-10-25T01:30:00"),  # comes twice: the second time
    ("2026-11-21", Order.ISO, "2026-11-21T00:00:00"),
    ("01/07/2026", Order.BRITISH, "2026-06-30T23:00:00"),
]

NO_INSTANTS = [
    ("01/07/2026 14:06", Order.ISO, "day or month first"),
    ("01/07/2026", Order.ISO, "day or month first"),
    ("2026-11-21 25:00", Order.ISO, "time of day"),
    ("2026-11-21 13:00 pm", Order.ISO, "time of day"),
    ("2026-11-21T02:06:00+99:99", Order.ISO, "time of day"),
    ("46347.0875", Order.ISO, "date and a time"),
    ("02:06", Order.ISO, "date and a time"),
    ("yesterday", Order.ISO, "date and a time"),
]


@pytest.mark.parametrize(("text", "order"), TAKEN)
def test_a_date_is_read_as_it_was_meant(text: str, order: Order) -> None:
    assert read_date(text, order) == date(2010, 3, 14)


@pytest.mark.parametrize(("text", "order", "says"), REFUSED)
def test_a_date_that_could_be_another_or_is_none_is_refused_with_what_to_write(
    text: str, order: Order, says: str
) -> None:
    with pytest.raises(NotADate, match=says):
        read_date(text, order)


@pytest.mark.parametrize(("text", "order", "expected"), INSTANTS)
def test_a_time_without_an_offset_is_on_londons_clock(text: str, order: Order, expected: str) -> None:
    assert read_instant(text, order, LONDON) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(("text", "order", "says"), NO_INSTANTS)
def test_a_time_that_is_none_is_refused_with_what_to_write(text: str, order: Order, says: str) -> None:
    with pytest.raises(NotADate, match=says):
        read_instant(text, order, LONDON)


@given(st.dates(date(1900, 1, 1), date(2999, 12, 31)), ORDERS)
def test_every_date_written_by_the_standard_is_itself_whatever_the_feeds_order(day: date, order: Order) -> None:
    assert read_date(day.isoformat(), order) == day
    assert read_date(f"{day:%d %B %Y}", order) == day


@given(st.dates(date(1900, 1, 1), date(2999, 12, 31)))
def test_the_two_orders_read_their_own_and_the_standard_reads_neither(day: date) -> None:
    assert read_date(f"{day:%d/%m/%Y}", Order.BRITISH) == day
    assert read_date(f"{day:%m/%d/%Y}", Order.AMERICAN) == day
    with pytest.raises(NotADate):
        read_date(f"{day:%d/%m/%Y}", Order.ISO)


@given(st.text(max_size=40), ORDERS)
def test_any_text_is_a_date_or_refused_without_being_repeated(text: str, order: Order) -> None:
    for read in (lambda: read_date(text, order), lambda: read_instant(text, order, LONDON)):
        said = ""
        try:
            read()
        except NotADate as problem:
            said = str(problem)
        assert len(text) < 4 or text not in said
