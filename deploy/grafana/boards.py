"""Grafana's boards as code: `python -m deploy.grafana.boards` writes boards/*.json again.

A board shows the share within a target, the median and nine in ten, never a mean alone: a mean hides the one child who
waited an hour. Queries use raw metrics only, so a board works on any Prometheus that scrapes Nightlight, rules or not.
The tests run every query, and no Grafana: how a board looks has to be seen with `docker compose up grafana`.
"""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as look

from deploy.grafana.panels import (
    BOTH,
    BY_TYPE,
    GOOD_IF_HIGH,
    GOOD_IF_NONE,
    REAL,
    Query,
    bars,
    begin,
    count,
    course,
    figure,
    figures,
    fill,
    now,
    now_each,
    quantile,
    share,
    staged,
    steps,
    targets,
)
from deploy.grafana.readiness import readiness

ROOT = Path(__file__).parents[2]
HOME = Path("deploy/grafana/boards")

# Stage, histogram, what the board's variables can narrow of it. In the order in which a child's night goes.
STAGES = (
    ("1. happened → with us", "nightlight_occurred_to_received_seconds", f"{BY_TYPE},{REAL}"),
    ("2. with us → decided", "nightlight_received_to_matched_seconds", BY_TYPE),
    ("3. with us → text sent", "nightlight_received_to_sent_seconds", BOTH),
    ("4. sent → on the phone", "nightlight_sent_to_delivered_seconds", ""),
    ("5. sent → accepted", "nightlight_sent_to_accepted_seconds", BOTH),
    ("6. accepted → contact", "nightlight_accepted_to_contact_seconds", BOTH),
)


def response_times() -> dashboard.Dashboard:
    """How long a child waits for a person, stage by stage, and who is waiting now."""
    accepted, sent = "nightlight_sent_to_accepted_seconds", "nightlight_received_to_sent_seconds"
    delivered = "nightlight_sent_to_delivered_seconds"
    why = "How long a child waits for a person: every stage, by type and by authority; who waits now."
    board = begin("Response times", "nightlight-response-times", why)
    everything = {"median": "s", "nine in ten": "s", "within 10 min": "percentunit", "accepted": "none"}
    panels: list[Any] = [
        dashboard.Row("Now, and over the time shown"),
        figure(
            "Unanswered now",
            "Moments that nobody has accepted yet. Every one of them is a child.",
            now("nightlight_moments_unanswered"),
            unit="none",
            edges=GOOD_IF_NONE,
        ),
        figure(
            "Open now",
            "Moments that are not closed: accepted, but no contact recorded, or not accepted yet.",
            now("nightlight_moments_open"),
            unit="none",
            edges=((None, "blue"),),
        ),
        figure(
            "Possible matches waiting",
            "Events that may be about a watched child and wait for a person to decide.",
            now("nightlight_reviews_open"),
            unit="none",
            edges=GOOD_IF_NONE,
        ),
        figure(
            "Accepted within 10 minutes",
            "Of the pages that a person accepted, the share within ten minutes of the first text. Target: 9 in 10.",
            share(accepted, "600.0", BOTH),
            unit="percentunit",
            edges=GOOD_IF_HIGH,
        ),
        figure(
            "Sent within 10 seconds",
            "The share of first texts that a provider took within ten seconds of the event. Target: 99 in 100.",
            share(sent, "10.0", BOTH),
            unit="percentunit",
            edges=((None, "red"), (0.95, "orange"), (0.99, "green")),
        ),
        figure(
            "On the phone within 60 seconds",
            "The share of texts and calls that reached the phone within a minute, everywhere. Target: 95 in 100.",
            share(delivered, "60.0", ""),
            unit="percentunit",
            edges=((None, "red"), (0.9, "orange"), (0.95, "green")),
        ),
        dashboard.Row("Response times"),
        figures(
            "Every stage",
            "The seven clock readings of a moment, two by two. The first stage is the agency's clock. "
            "Stage 4 is over all types and authorities.",
            [
                Query("median", staged([(stage, quantile(0.5, name, chosen)) for stage, name, chosen in STAGES])),
                Query("nine in ten", staged([(stage, quantile(0.9, name, chosen)) for stage, name, chosen in STAGES])),
                Query("counted", staged([(stage, count(name, chosen)) for stage, name, chosen in STAGES])),
            ],
            first="stage",
            units={"median": "s", "nine in ten": "s", "counted": "none"},
        ),
        figures(
            "By authority: from text to acceptance",
            "Over the time shown. An unanswered page is in no share and no median: it is in the last column.",
            [
                Query("within 10 min", share(accepted, "600.0", BOTH, "authority")),
                Query("median", quantile(0.5, accepted, BOTH, "authority")),
                Query("nine in ten", quantile(0.9, accepted, BOTH, "authority")),
                Query("accepted", count(accepted, BOTH, "authority")),
                Query("unanswered now", now_each("nightlight_moments_unanswered")),
            ],
            first="authority",
            units=everything | {"unanswered now": "none"},
            w=12,
        ),
        figures(
            "By type of event: from text to acceptance",
            "Over the time shown. A page that is still unanswered is in no share and no median.",
            [
                Query("within 10 min", share(accepted, "600.0", BOTH, "type")),
                Query("median", quantile(0.5, accepted, BOTH, "type")),
                Query("nine in ten", quantile(0.9, accepted, BOTH, "type")),
                Query("accepted", count(accepted, BOTH, "type")),
            ],
            first="type",
            units=everything,
            w=12,
        ),
    ]
    return fill(board, [*panels, *_courses(accepted, sent), *_machinery(delivered)])


def _courses(accepted: str, sent: str) -> list[Any]:
    step, window = "6h", "$__rate_interval"
    return [
        dashboard.Row("Over time"),
        course(
            "From text to acceptance, by type",
            "Median and nine in ten of the pages accepted in each step of at least six hours.",
            [
                Query("{{type}}: median", quantile(0.5, accepted, BOTH, "type", window)),
                Query("{{type}}: nine in ten", quantile(0.9, accepted, BOTH, "type", window)),
            ],
            unit="s",
            interval=step,
        ),
        course(
            "Accepted within 10 minutes, by authority",
            "The share of the pages accepted in each step of at least six hours.",
            [Query("{{authority}}", share(accepted, "600.0", BOTH, "authority", window))],
            unit="percentunit",
            interval=step,
        ),
        course(
            "From event to text, by type",
            "From when we had the event until a provider took the first text. Target: 99 in 100 in ten seconds.",
            [
                Query("{{type}}: median", quantile(0.5, sent, BOTH, "type", window)),
                Query("{{type}}: 99 in 100", quantile(0.99, sent, BOTH, "type", window)),
            ],
            unit="s",
            interval=step,
        ),
        course(
            "The agencies' own delay, by feed",
            "From when it happened until the agency told us: median and nine in ten. Ours to report, theirs to mend.",
            [
                Query(
                    "{{feed}}: median",
                    quantile(0.5, "nightlight_occurred_to_received_seconds", f"{BY_TYPE},{REAL}", "feed", window),
                ),
                Query(
                    "{{feed}}: nine in ten",
                    quantile(0.9, "nightlight_occurred_to_received_seconds", f"{BY_TYPE},{REAL}", "feed", window),
                ),
            ],
            unit="s",
            interval=step,
        ),
        course(
            "Unanswered, by authority",
            "How many moments nobody had accepted, at each instant.",
            [Query("{{authority}}", now_each("nightlight_moments_unanswered"))],
            unit="none",
        ),
        course(
            "Contact, by type",
            "From acceptance until contact with the child was recorded: median and nine in ten.",
            [
                Query(
                    "{{type}}: median", quantile(0.5, "nightlight_accepted_to_contact_seconds", BOTH, "type", window)
                ),
                Query(
                    "{{type}}: nine in ten",
                    quantile(0.9, "nightlight_accepted_to_contact_seconds", BOTH, "type", window),
                ),
            ],
            unit="s",
            interval=step,
        ),
    ]


def _machinery(delivered: str) -> list[Any]:
    silent = f"time() - max by (feed) (nightlight_feed_last_seen_timestamp_seconds{{{REAL}}})"
    feeds = bargauge.Panel().title("Feeds: time since last seen").unit("s").height(8).span(8).min(0)
    feeds.description("Since the feed last sent anything, heartbeats included. Red after half an hour.")
    feeds.thresholds(steps((None, "green"), (900.0, "orange"), (1800.0, "red"))).max(3600)
    feeds.orientation(look.VizOrientation.HORIZONTAL).no_value("no feed has sent anything")
    feeds.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    outcomes = "sum by (channel, provider, outcome) (increase(nightlight_attempts_total[$__rate_interval]))"
    attempts = course(
        "Attempts by outcome",
        "Texts, calls and mails tried in each step of at least an hour, and how they ended.",
        [Query("{{channel}} {{provider}}: {{outcome}}", outcomes)],
        unit="none",
        interval="1h",
    )
    arrival = course(
        "From text to phone, by provider",
        "Median and nine in ten of what the provider told us it delivered, in each step of at least an hour.",
        [
            Query("{{channel}} {{provider}}: median", _arrival(0.5, delivered)),
            Query("{{channel}} {{provider}}: nine in ten", _arrival(0.9, delivered)),
        ],
        unit="s",
        interval="1h",
    )
    return [
        dashboard.Row("Feeds and sending"),
        targets(feeds, [Query("{{feed}}", silent)], instant=True),
        bars(attempts).span(8),
        arrival.span(8),
        *_promises(),
    ]


def _promises() -> list[Any]:
    """What the auditor finds, and how long the synthetic child is on her way."""
    found = course(
        "Promises that are broken now",
        "What the auditor found in its last round, by promise. Nothing is right: the runbook has a line for each.",
        [Query("{{invariant}}", "max by (invariant) (nightlight_auditor_findings)")],
        unit="none",
    )
    within = 'sum(increase(nightlight_probe_seconds_bucket{le="10.0"}[$__rate_interval]))'
    probe = course(
        "The synthetic child",
        "How often she came from the gateway to the provider's door, in each step of at least an hour: sixty times is well.",
        [
            Query("came through", "sum(increase(nightlight_probe_seconds_count[$__rate_interval]))"),
            Query("within ten seconds", within),
        ],
        unit="none",
        interval="1h",
    )
    return [found.span(12), probe.span(12)]


def _arrival(q: float, delivered: str) -> str:
    return quantile(q, delivered, "", "channel, provider", "$__rate_interval")


def files() -> dict[Path, str]:
    """Path below the repository to text, of every file that this module writes."""
    boards = [response_times().build(), readiness().build()]
    for board in boards:
        for number, panel in enumerate(board.panels or [], start=1):
            panel.id_val = number
    return {HOME / f"{board.uid}.json": json.dumps(board, cls=JSONEncoder, indent=2) + "\n" for board in boards}


if __name__ == "__main__":
    for path, text in files().items():
        (ROOT / path).write_text(text, encoding="utf-8")
