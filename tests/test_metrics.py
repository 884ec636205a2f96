"""The metrics of contract section 9: names, labels and buckets to the letter, and nothing personal in a label."""

import subprocess
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from schemas import metrics
from schemas.metrics import LABELS, Metrics, exposition, names, strangers

# Contract section 9, written out again: a slip in the declarations must not slip in here too.
CONTRACT = {
    "nightlight_events_accepted_total": {"feed", "type", "door"},
    "nightlight_events_refused_total": {"feed", "reason"},
    "nightlight_events_decided_total": {"type", "lane"},
    "nightlight_occurred_to_received_seconds_bucket": {"feed", "type", "le"},
    "nightlight_received_to_matched_seconds_bucket": {"type", "le"},
    "nightlight_received_to_sent_seconds_bucket": {"type", "authority", "le"},
    "nightlight_sent_to_delivered_seconds_bucket": {"channel", "provider", "le"},
    "nightlight_sent_to_accepted_seconds_bucket": {"type", "authority", "le"},
    "nightlight_accepted_to_contact_seconds_bucket": {"type", "authority", "le"},
    "nightlight_moments_open": {"authority"},
    "nightlight_moments_unanswered": {"authority"},
    "nightlight_reviews_open": {"authority"},
    "nightlight_attempts_total": {"channel", "provider", "outcome"},
    "nightlight_feed_last_seen_timestamp_seconds": {"feed"},
    "nightlight_dead_letters_total": {"topic", "reason"},
    "nightlight_auditor_findings": {"invariant"},
    "nightlight_probe_seconds_bucket": {"le"},
}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def process(registry: CollectorRegistry) -> Metrics:
    return Metrics.build(registry)


@pytest.mark.parametrize("name", CONTRACT)
def test_a_metric_of_the_contract_has_its_name_and_labels(name: str) -> None:
    assert set(names()[name]) == CONTRACT[name]


@pytest.mark.parametrize("name", names())
def test_every_label_is_in_the_budget(name: str) -> None:
    assert set(names()[name]) <= {*LABELS, "le"}


@pytest.mark.parametrize(
    ("histogram", "edges"),
    [
        ("nightlight_received_to_sent_seconds", ".1 .25 .5 1 2.5 5 10 20 30 60 120 300"),
        ("nightlight_sent_to_accepted_seconds", "1 5 10 20 30 60 90 120 180 300 600 900 1800 3600"),
    ],
)
def test_the_contracts_buckets_are_the_contracts(
    histogram: str, edges: str, process: Metrics, registry: CollectorRegistry
) -> None:
    process.start_at_zero(types=["nightlight.arrest.v1"], authorities=["E09000019"])

    assert edges_of(histogram, registry) == [*map(float, edges.split()), float("inf")]


@pytest.mark.parametrize(
    ("observe", "histogram", "target"),
    [
        (lambda m: m.received_to_sent_seconds.labels("t", "a"), "nightlight_received_to_sent_seconds", 10),
        (lambda m: m.sent_to_delivered_seconds.labels("sms", "p"), "nightlight_sent_to_delivered_seconds", 60),
        (lambda m: m.sent_to_accepted_seconds.labels("t", "a"), "nightlight_sent_to_accepted_seconds", 600),
        (lambda m: m.accepted_to_contact_seconds.labels("t", "a"), "nightlight_accepted_to_contact_seconds", 3600),
        (lambda m: m.received_to_matched_seconds.labels("t"), "nightlight_received_to_matched_seconds", 1),
        (lambda m: m.occurred_to_received_seconds.labels("f", "t"), "nightlight_occurred_to_received_seconds", 600),
    ],
)
def test_every_target_is_a_buckets_edge(
    observe: Callable[[Metrics], object], histogram: str, target: float, process: Metrics, registry: CollectorRegistry
) -> None:
    observe(process)

    assert target in edges_of(histogram, registry)


def test_two_processes_in_one_test_do_not_meet() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    Metrics.build(one).moments_open.labels(authority="E09000019").set(1)

    Metrics.build(other)

    assert other.get_sample_value("nightlight_moments_open", {"authority": "E09000019"}) is None
    assert one.get_sample_value("nightlight_moments_open", {"authority": "E09000019"}) == 1


def test_a_registry_takes_the_metrics_once(registry: CollectorRegistry, process: Metrics) -> None:
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Metrics.build(registry)


def test_pages_histograms_stand_at_zero_before_the_first_page(process: Metrics, registry: CollectorRegistry) -> None:
    process.start_at_zero(types=["nightlight.arrest.v1"], authorities=["E09000019", "E09000030"])

    labels = {"type": "nightlight.arrest.v1", "authority": "E09000030"}
    for stage in ("received_to_sent", "sent_to_accepted", "accepted_to_contact"):
        assert registry.get_sample_value(f"nightlight_{stage}_seconds_count", labels) == 0


def test_a_label_outside_the_budget_is_found(process: Metrics, registry: CollectorRegistry) -> None:
    process.start_at_zero(types=["nightlight.arrest.v1"], authorities=["E09000019"])
    assert strangers(registry) == set()

    Counter("nightlight_texts", "Texts by phone: what must never be", ("phone",), registry=registry).labels("x").inc()

    assert strangers(registry) == {"phone"}


def test_what_a_scrape_gets_is_read_back_with_every_name(process: Metrics, registry: CollectorRegistry) -> None:
    process.start_at_zero(types=["nightlight.arrest.v1"], authorities=["E09000019"])
    process.dead_letters.labels(topic="nightlight.moments", reason="unsealable").inc()

    body, content_type = exposition(registry)
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}

    assert content_type.startswith("text/plain; version=0.0.4")
    assert families["nightlight_dead_letters"].samples[0].value == 1
    assert all(family.documentation for family in families.values())


@pytest.mark.prometheus
def test_prometheus_finds_nothing_to_complain_of(process: Metrics, registry: CollectorRegistry) -> None:
    process.start_at_zero(types=["nightlight.arrest.v1"], authorities=["E09000019"])

    check = subprocess.run(
        ["promtool", "check", "metrics"], input=exposition(registry)[0], capture_output=True, check=False
    )

    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_a_line_of_help_is_one_sentence_that_names_no_code() -> None:
    for _, told in metrics._all().values():
        assert told.line[0].isupper()
        assert not told.line.endswith(".")
        assert "_" not in told.line


def edges_of(histogram: str, registry: CollectorRegistry) -> list[float]:
    (family,) = (each for each in registry.collect() if each.name == histogram)
    return [float(sample.labels["le"]) for sample in family.samples if sample.name == f"{histogram}_bucket"]
