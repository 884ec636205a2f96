"""The board "Readiness": before a night, would everything that is needed be there? Feeds, phones, drills, possible matches."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.panels import (
    BY_TYPE,
    GOOD_IF_HIGH,
    GOOD_IF_NONE,
    REAL,
    Query,
    bars,
    begin,
    course,
    figure,
    figures,
    fill,
    growth,
    now,
    now_each,
    quantile,
    share,
)

STEP, WINDOW = "1h", "$__rate_interval"
DECIDED = "nightlight_asked_to_decided_seconds"
LAG = "nightlight_occurred_to_received_seconds"
DAY = 86_400.0

# As store.phones.CANNOT_BE_REACHED has them.
CANNOT_BE_REACHED = 'state=~"failing|opted-out|unreachable"'


def readiness() -> dashboard.Dashboard:
    """For a team's manager and the council's IT: what is wrong before it costs a child an hour."""
    why = "Would a page arrive, and would anybody answer? Do the feeds speak? Are possible matches decided in time?"
    board = begin("Readiness", "nightlight-readiness", why)
    return fill(board, [*_now(), *_possible_matches(), *_phones_and_drills(), *_feeds()])


def _now() -> list[Any]:
    drilled = 'sum(increase(nightlight_drills_total{outcome="accepted"}[$__range]))'
    asked = 'sum(increase(nightlight_drills_total{outcome!="gave-way"}[$__range]))'
    return [
        dashboard.Row("Now, and over the time shown"),
        figure(
            "Feeds that are silent",
            "Feeds that say nothing at an hour when they usually do. What happens there is not heard: ring them.",
            f"sum(max by (feed) (nightlight_feed_silent{{{REAL}}}))",
            unit="none",
            edges=GOOD_IF_NONE,
        ),
        figure(
            "Phones that cannot be reached",
            "Of everybody on call in the next 14 days: failing, unreachable or opted out.",
            f"sum(max by (state) (nightlight_phones{{{CANNOT_BE_REACHED}}}))",
            unit="none",
            edges=GOOD_IF_NONE,
        ),
        figure(
            "Drills accepted",
            "Of the drills that were over, the share that a person accepted. One that gave way to a real page is in neither.",
            f"{drilled} / {asked}",
            unit="percentunit",
            edges=GOOD_IF_HIGH,
        ),
        figure(
            "Longest without a drill",
            "The team on the rota whose last drill is longest ago; one that has had none counts from its first day.",
            "time() - (max(nightlight_drill_oldest_timestamp_seconds) > 0)",
            unit="s",
            edges=((None, "green"), (35 * DAY, "orange"), (56 * DAY, "red")),
        ),
        figure(
            "Possible matches undecided",
            "Possible matches of the last 24 hours whose window ended before anybody decided.",
            now("nightlight_reviews_undecided"),
            unit="none",
            edges=GOOD_IF_NONE,
        ),
        figure(
            "Decided within 15 minutes",
            "Of the possible matches that a person decided at the desk, the share within a quarter of an hour.",
            share(DECIDED, "900.0", ""),
            unit="percentunit",
            edges=GOOD_IF_HIGH,
        ),
    ]


def _possible_matches() -> list[Any]:
    """Nobody is told of a child until a person has decided: how many wait, how long they did, and what was decided."""
    waiting = course(
        "Possible matches, by authority",
        "How many waited for a person at each instant, and how many of the last 24 hours ran out of time.",
        [
            Query("{{authority}}: waiting", now_each("nightlight_reviews_open")),
            Query("{{authority}}: ran out of time", now_each("nightlight_reviews_undecided")),
        ],
        unit="none",
    )
    waited = course(
        "How long they waited",
        "From asking until a person decided, in each step of at least six hours. One that ran out of time is not among them.",
        [
            Query("median", quantile(0.5, DECIDED, "", window=WINDOW)),
            Query("nine in ten", quantile(0.9, DECIDED, "", window=WINDOW)),
        ],
        unit="s",
        interval="6h",
    )
    decided = course(
        "What was decided",
        "Decisions at the desk in each step of at least an hour. Late: the window was over, and nobody was paged.",
        [Query("{{outcome}}", growth("nightlight_reviews_decided_total", BY_TYPE, "outcome", WINDOW))],
        unit="none",
        interval=STEP,
    )
    return [dashboard.Row("Possible matches"), waiting.span(8), waited.span(8), bars(decided).span(8)]


def _phones_and_drills() -> list[Any]:
    """Would a page arrive, and would anybody answer? Drills are in no panel of real pages."""
    states = course(
        "Phones on the rota, by state",
        "Of everybody on call in the next 14 days. Failing, unreachable and opted out: a page may reach nobody there.",
        [Query("{{state}}", "max by (state) (nightlight_phones)")],
        unit="none",
    )
    ended = course(
        "Drills, by how they ended",
        "Pages marked DRILL that were over in each step of at least an hour. Unanswered: the manager was told.",
        [Query("{{outcome}}", growth("nightlight_drills_total", "", "outcome", WINDOW))],
        unit="none",
        interval=STEP,
    )
    took = course(
        "Drills: from text to acceptance",
        "Median and nine in ten of the drills accepted in each step of at least a day.",
        [
            Query("median", quantile(0.5, "nightlight_drill_seconds", "", window=WINDOW)),
            Query("nine in ten", quantile(0.9, "nightlight_drill_seconds", "", window=WINDOW)),
        ],
        unit="s",
        interval="1d",
    )
    return [dashboard.Row("Phones and drills"), states.span(8), bars(ended).span(8), took.span(8)]


def _feeds() -> list[Any]:
    refused, unusable = "nightlight_events_refused_total", "nightlight_identifiers_unusable_total"
    every = figures(
        "Every feed",
        "Over the time shown. Silent is 1. Late is from when it happened until we had it. `unknown`: no good key.",
        [
            Query("silent", f"max by (feed) (nightlight_feed_silent{{{REAL}}})"),
            Query("last seen", f"time() - max by (feed) (nightlight_feed_last_seen_timestamp_seconds{{{REAL}}})"),
            Query("late: median", quantile(0.5, LAG, f"{BY_TYPE},{REAL}", "feed")),
            Query("late: nine in ten", quantile(0.9, LAG, f"{BY_TYPE},{REAL}", "feed")),
            Query("taken", growth("nightlight_events_accepted_total", f"{BY_TYPE},{REAL}", "feed")),
            Query("refused", growth(refused, REAL, "feed")),
            Query("unusable identifiers", growth(unusable, REAL, "feed")),
            Query("agreement ends in", "min by (feed) (nightlight_feed_agreement_ends_timestamp_seconds) - time()"),
        ],
        first="feed",
        units=dict.fromkeys(("silent", "taken", "refused", "unusable identifiers"), "none"),
    )
    silences = course(
        "Silent feeds",
        "1 while a feed says nothing at an hour when it usually does, measured by its own last four weeks.",
        [Query("{{feed}}", f"max by (feed) (nightlight_feed_silent{{{REAL}}})")],
        unit="none",
    )
    refusals = course(
        "Refused, by feed and reason",
        "In each step of at least an hour. The sender was told, and has to mend it and send it again.",
        [Query("{{feed}}: {{reason}}", growth(refused, REAL, "feed, reason", WINDOW))],
        unit="none",
        interval=STEP,
    )
    aside = course(
        "Unusable identifiers, by feed and field",
        "Failed their check, or were placeholders: set aside, and the event was taken. Such a child is harder to find.",
        [Query("{{feed}}: {{field}}", growth(unusable, REAL, "feed, field", WINDOW))],
        unit="none",
        interval=STEP,
    )
    return [dashboard.Row("Feeds"), every, silences.span(8), bars(refusals).span(8), bars(aside).span(8)]
