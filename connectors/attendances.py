"""What makes one hospital attendance one event, whichever door tells it: ids made from the visit, and not from the message."""

from schemas.wire import Sealer


def arrival_id(sealer: Sealer, site: str, attendance: str, cancelled: int = 0) -> str:
    """The id of the arrival of an attendance. `cancelled`: how often it has been cancelled and told anew.

    A registration, an admission and a transfer of one visit are the same event, and a cancellation can name it without
    having kept anything. A keyed hash, because an id travels in the clear and visit numbers count upwards.
    """
    return _id(sealer, "arrival", site, attendance, cancelled)


def departure_id(sealer: Sealer, site: str, attendance: str, cancelled: int = 0) -> str:
    """The id of the discharge from an attendance. `cancelled`: how often they turned out to be there still."""
    return _id(sealer, "departure", site, attendance, cancelled)


def cancellation_id(sealer: Sealer, of: str) -> str:
    """The id of the cancellation of the event with the id `of`."""
    return f"cancelled-{sealer.mark('cancelled', of)[:32]}"


def _id(sealer: Sealer, what: str, site: str, attendance: str, cancelled: int) -> str:
    parts = (site, attendance, *([str(cancelled)] if cancelled else []))
    return f"{what}-{sealer.mark(f'attendance/{what}', *parts)[:32]}"
