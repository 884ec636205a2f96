"""What was heard of each feed since it was last written down, hour by hour: nothing here says about whom."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from schemas.envelope import Envelope
from schemas.events import AboutPerson
from schemas.metrics import UNKNOWN_FEED, Metrics
from schemas.person import Identity
from store.feeds import Heard


class Tally:
    """Counts in memory; whoever writes takes the counts, and puts them back if they could not be written."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._heard: dict[tuple[str, datetime], Heard] = {}

    def accepted(self, feed: str, envelopes: Sequence[Envelope]) -> None:
        """Events that Kafka has."""
        for one in envelopes:
            late = max(0.0, (one.received_at - one.time).total_seconds())
            self._add(Heard(feed, _hour(one.received_at), 1, 0, self._unusable(feed, one), late))

    def refused(self, feed: str, at: datetime) -> None:
        """A request of theirs that was not taken. A stranger's is nobody's."""
        if feed != UNKNOWN_FEED:
            self._add(Heard(feed, _hour(at), refused=1))

    def take(self) -> list[Heard]:
        """What was counted, which is then forgotten here."""
        heard, self._heard = self._heard, {}
        return list(heard.values())

    def put_back(self, heard: Iterable[Heard]) -> None:
        for one in heard:
            self._add(one)

    def _add(self, one: Heard) -> None:
        key = one.agency, one.hour
        before = self._heard.get(key)
        if before is None:
            self._heard[key] = one
            return
        sums = {
            name: getattr(before, name) + getattr(one, name)
            for name in ("accepted", "refused", "unusable", "late_seconds")
        }
        self._heard[key] = replace(before, **sums)

    def _unusable(self, feed: str, envelope: Envelope) -> int:
        if not isinstance(envelope.event, AboutPerson):
            return 0
        aside = Identity.of(envelope.event.person).set_aside
        for one in aside:
            self._metrics.identifiers_unusable.labels(feed=feed, field=one.field).inc()
        return len(aside)


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
