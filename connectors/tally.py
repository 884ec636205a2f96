"""What was heard of each feed since it was last written down, hour by hour: nothing here says about whom."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache

from prometheus_client import Counter, Histogram

from schemas.codes import unusable_codes
from schemas.envelope import Envelope
from schemas.events import AboutPerson
from schemas.metrics import UNKNOWN_FEED, Metrics
from schemas.person import unusable
from store.feeds import Heard


class Tally:
    """Counts in memory; whoever writes takes the counts, and puts them back if they could not be written."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._shown = cache(self._labelled)  # to look them up by their labels is dear, for each event
        self._heard: dict[tuple[str, datetime], Heard] = {}

    def accepted(self, feed: str, envelopes: Sequence[Envelope]) -> None:
        """Events that Kafka has."""
        for one in envelopes:
            late = max(0.0, (one.received_at - one.time).total_seconds())
            accepted, lateness = self._shown(feed, one.type, one.entrance)
            accepted.inc()
            lateness.observe(late)
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
        self._heard[key] = Heard(
            one.agency,
            one.hour,
            before.accepted + one.accepted,
            before.refused + one.refused,
            before.unusable + one.unusable,
            before.late_seconds + one.late_seconds,
        )

    def _labelled(self, feed: str, kind: str, door: str) -> tuple[Counter, Histogram]:
        return (
            self._metrics.events_accepted.labels(feed=feed, type=kind, door=door),
            self._metrics.occurred_to_received_seconds.labels(feed=feed, type=kind),
        )

    def _unusable(self, feed: str, envelope: Envelope) -> int:
        event = envelope.event
        fields = [one.field for one in unusable(event.person)] if isinstance(event, AboutPerson) else []
        fields += unusable_codes(event)
        for field in fields:
            self._metrics.identifiers_unusable.labels(feed=feed, field=field).inc()
        return len(fields)


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
