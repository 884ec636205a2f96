"""Every metric, declared once, with the line of help that a manager reads under it on a board.

Names, labels and buckets are the outside contract's (section 9), the last few are for our own alert rules. No label may
ever hold a child, a worker or a phone: the closed list of labels is `LABELS`, and `strangers` finds what is not on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from typing import Annotated, Any, Final, NamedTuple, Self, get_type_hints

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

# Every label there may be, and what its values are. All are closed or short lists that an operator sets.
LABELS: Final = {
    "feed": "the agency's feed; `unknown` for a caller without a good key",
    "type": "the CloudEvents type, as nightlight.arrest.v1",
    "door": "the way in: http, mllp, fhir, inbox or form",
    "reason": "why something was refused or buried, from a closed list",
    "lane": "what matching decided: page, review or none",
    "authority": "GSS code of the local authority",
    "channel": "sms, voice, email or webhook",
    "provider": "who carries the channel",
    "outcome": "how an attempt ended",
    "topic": "a Kafka topic",
    "block": "of the matching index: what its key is made of",
    "field": "of a person, from the closed list of identifiers",
    "invariant": "a promise that the auditor checks",
    "version": "of Nightlight",
    "state": "of a phone: verified, unverified, changed, failing, unreachable or opted-out",
}

# A caller whose key we do not know has no feed. One name for all of them, or a stranger could mint labels.
UNKNOWN_FEED: Final = "unknown"

# Each target is a bucket's edge, so that the share within it is exact and not interpolated.
SENT_TARGET: Final = 10.0
DELIVERED_TARGET: Final = 60.0
ACCEPTED_TARGET: Final = 600.0
CONTACT_TARGET: Final = 3600.0

_SENT = (0.1, 0.25, 0.5, 1, 2.5, 5, SENT_TARGET, 20, 30, 60, 120, 300)
_ACCEPTED = (1, 5, 10, 20, 30, 60, 90, 120, 180, 300, ACCEPTED_TARGET, 900, 1800, 3600)
# The sender's own delay: a batch of the night's files may be hours old, and that must show.
_OCCURRED = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
_MATCHED = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_DELIVERED = (0.5, 1, 2.5, 5, 10, 20, 30, DELIVERED_TARGET, 120, 300, 600)
# On the way within the hour; the windows behind it are 4 h (A&E), 12 h (custody) and 72 h (return interview).
_CONTACT = (60, 300, 600, 900, 1800, CONTACT_TARGET, 7200, 14400, 43200, 86400, 259200)
_PROBE = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)


class Told(NamedTuple):
    """What is said of a metric beside its type: the line of help, its labels, and a histogram's buckets in seconds."""

    line: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True)
class Metrics:
    """One process's metrics. Nothing is made at import: `Metrics.build` makes them in the registry that it is given.

    A field is a metric's name without `nightlight_`, and without the `_total` that the client appends to a counter.
    """

    # fmt: off
    events_accepted: Annotated[Counter, Told(
        "Events that an agency sent and Kafka has confirmed", ("feed", "type", "door"))]
    events_refused: Annotated[Counter, Told("Events refused, and why; the sender was told", ("feed", "reason"))]
    events_decided: Annotated[Counter, Told("Events decided, and how; both lanes count each", ("type", "lane"))]
    occurred_to_received_seconds: Annotated[Histogram, Told(
        "From when it happened until we had it: the agency's own delay", ("feed", "type"), _OCCURRED)]
    received_to_matched_seconds: Annotated[Histogram, Told(
        "From when we had an event until it was decided; both lanes time each", ("type",), _MATCHED)]
    received_to_sent_seconds: Annotated[Histogram, Told(
        "From when we had an event until a provider took the first text", ("type", "authority"), _SENT)]
    sent_to_delivered_seconds: Annotated[Histogram, Told(
        "From when a provider took a text or call until it reached the phone", ("channel", "provider"), _DELIVERED)]
    sent_to_accepted_seconds: Annotated[Histogram, Told(
        "From when the first text was sent until a person accepted", ("type", "authority"), _ACCEPTED)]
    accepted_to_contact_seconds: Annotated[Histogram, Told(
        "From acceptance until contact with the child was recorded", ("type", "authority"), _CONTACT)]
    moments_open: Annotated[Gauge, Told("Moments not yet closed", ("authority",))]
    moments_unanswered: Annotated[Gauge, Told("Moments that nobody has accepted yet", ("authority",))]
    reviews_open: Annotated[Gauge, Told("Possible matches that wait for a person to decide", ("authority",))]
    attempts: Annotated[Counter, Told(
        "Texts, calls and mails tried, and how each ended", ("channel", "provider", "outcome"))]
    feed_last_seen_timestamp_seconds: Annotated[Gauge, Told(
        "When a feed last sent anything, heartbeats included", ("feed",))]
    dead_letters: Annotated[Counter, Told(
        "Events accepted that could not be handled: each needs a person", ("topic", "reason"))]
    auditor_findings: Annotated[Gauge, Told("Broken promises that the auditor found in its last round", ("invariant",))]
    probe_seconds: Annotated[Histogram, Told("The synthetic child's whole round, event to acceptance", (), _PROBE)]

    # Not in the contract: our own alert rules need them. An age grows from the worker's start until it has loaded.
    build_info: Annotated[Gauge, Told("Always 1; the version that runs here", ("version",))]
    children_loaded: Annotated[Gauge, Told("Watched children in this worker's index")]
    children_age_seconds: Annotated[Gauge, Told("Since this worker's index was last known to agree with the database")]
    children_unreadable: Annotated[Gauge, Told(
        "Watched children whose seal does not open in this worker: they are not recognised")]
    index_blocks_skipped: Annotated[Counter, Told(
        "Blocks of the index too large to look through: who is found by nothing else is missed", ("block",))]
    children_to_look_for: Annotated[Gauge, Told(
        "Children added or changed who are still to be looked for in the events of the last 72 hours")]
    events_rematched: Annotated[Counter, Told(
        "Events of the last 72 hours found to be about a child added or changed since, and how each ended", ("outcome",))]
    reviews_decided: Annotated[Counter, Told(
        "Possible matches that a person has decided at the desk, and how", ("type", "outcome"))]
    reviews_undecided: Annotated[Gauge, Told(
        "Possible matches of the last 24 hours whose window ended before anybody decided", ("authority",))]
    asked_to_decided_seconds: Annotated[Histogram, Told(
        "From when a possible match was asked about until a person decided it at the desk", (), _ACCEPTED)]
    probe_last_success_timestamp_seconds: Annotated[Gauge, Told(
        "When the synthetic child's round last succeeded; 0 is never")]
    phones: Annotated[Gauge, Told("Phones on the rota of the next 14 days, by their state", ("state",))]
    drills: Annotated[Counter, Told("Drills that are over, and how each ended; no real page is among them", ("outcome",))]
    drill_seconds: Annotated[Histogram, Told("From a drill's first text until a person accepted", (), _ACCEPTED)]
    drill_oldest_timestamp_seconds: Annotated[Gauge, Told(
        "When the team on the rota whose drill is longest ago had it, or came on the rota if never; 0 is no team")]
    auditor_last_run_timestamp_seconds: Annotated[Gauge, Told(
        "When the auditor last went round, in this process; 0 is never, or another pager is the one that audits")]
    replies: Annotated[Counter, Told("Replies from phones, and how each was understood", ("outcome",))]
    messages_noted: Annotated[Counter, Told(
        "Messages answered as taken of which no event was made, or whose id was used before, and why",
        ("feed", "door", "reason"))]
    identifiers_unusable: Annotated[Counter, Told(
        "Identifiers, and codes of places, that fail their check or are placeholders: set aside, and the event was taken",
        ("feed", "field"))]
    feed_silent: Annotated[Gauge, Told("Whether a feed says nothing at an hour when it usually does: 1, or else 0", ("feed",))]
    feed_agreement_ends_timestamp_seconds: Annotated[Gauge, Told(
        "When a feed's sharing agreement ends: from then on a live house refuses it", ("feed",))]
    door_connections: Annotated[Gauge, Told("Connections that are open at a door which keeps them", ("door",))]
    worker_stalled_seconds: Annotated[Gauge, Told(
        "For how long a partition with something in it has settled nothing; 0 while all move")]
    # fmt: on

    @classmethod
    def build(cls, registry: CollectorRegistry) -> Self:
        """Declare every metric in `registry`. Raises ValueError if the registry holds one of the names already."""
        made = cls(**{field: _declare(f"nightlight_{field}", *told, registry) for field, told in _all().items()})
        made.build_info.labels(version=version("nightlight")).set(1)
        made.replies.labels(outcome="stranger")  # at 0, so that the first one is growth
        return made

    def start_at_zero(self, *, types: Iterable[str], authorities: Iterable[str]) -> None:
        """Show the pages' histograms from the start, empty.

        Prometheus sees growth only between two scrapes: a series born with its first page would never count that page,
        and a borough has five pages a day. `types` are the event types that can page, `authorities` the GSS codes of
        this site; some 45 series each pair, so not all of England.
        """
        pages = (self.received_to_sent_seconds, self.sent_to_accepted_seconds, self.accepted_to_contact_seconds)
        for histogram, type_, authority in product(pages, tuple(types), tuple(authorities)):
            histogram.labels(type=type_, authority=authority)


def exposition(registry: CollectorRegistry) -> tuple[bytes, str]:
    """The body and the content type of `GET /metrics`, in Prometheus's text format 0.0.4."""
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def names() -> dict[str, tuple[str, ...]]:
    """Every name under which Prometheus stores a sample of ours, with its labels (`le` too where it has one)."""
    stored: dict[str, tuple[str, ...]] = {}
    for field, (kind, told) in _all().items():
        name, labels = f"nightlight_{field}", told.labels
        if kind is Histogram:
            stored |= {f"{name}_bucket": (*labels, "le"), f"{name}_sum": labels, f"{name}_count": labels}
            continue
        stored[f"{name}_total" if kind is Counter else name] = labels
    return stored


def strangers(registry: CollectorRegistry) -> set[str]:
    """Labels on samples in `registry` that are not in the budget: empty, or somebody has opened a door to a leak."""
    seen = {label for family in registry.collect() for sample in family.samples for label in sample.labels}
    return seen - LABELS.keys() - {"le"}


def _all() -> dict[str, tuple[Any, Told]]:
    hints = get_type_hints(Metrics, include_extras=True)
    return {field: (hint.__origin__, hint.__metadata__[0]) for field, hint in hints.items()}


def _declare(name: str, kind: Any, told: Told, registry: CollectorRegistry) -> Any:
    if kind is Histogram:
        return Histogram(name, told.line, told.labels, registry=registry, buckets=told.buckets)
    return kind(name, told.line, told.labels, registry=registry)
