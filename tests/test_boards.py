"""Grafana's boards: fresh, readable, and every query of them answered by a real Prometheus."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from deploy.grafana.boards import files
from schemas.metrics import Metrics, names
from tests import prometheus
from tests.prometheus import PanelQuery, panel_queries

GRAFANA = Path("deploy/grafana")
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "boards").glob("*.json"))}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
QUERIES = [pytest.param(query, id=f"{query.panel} {query.ref}") for b in BOARDS.values() for query in panel_queries(b)]

# Of Prometheus and of our board's own making, beside the labels of schemas.metrics.
OTHER_LABELS = {"job", "le", "stage"}

# What the synthetic child's feed has too. Its agreement and its silence are in no metric.
OF_A_FEED = {
    name
    for name, labels in names().items()
    if "feed" in labels and name != "nightlight_feed_agreement_ends_timestamp_seconds"
}


def test_the_committed_boards_are_what_the_code_builds() -> None:
    built = files()

    committed = {path: path.read_text() for path in (GRAFANA / "boards").glob("*.json")}

    assert built == committed


@pytest.mark.parametrize("board", [pytest.param(board, id=name) for name, board in BOARDS.items()])
def test_a_board_has_a_fixed_name_london_time_and_asks_which_prometheus(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    ids = [panel["id"] for panel in board["panels"]]

    assert board["uid"].startswith("nightlight-")
    assert board["timezone"] == "Europe/London"
    assert board["editable"] is False
    assert board["title"]
    assert board["description"]
    assert variables["datasource"]["type"] == "datasource"
    assert {"authority", "type"} <= variables.keys()
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit_and_from_where(panel: dict[str, Any]) -> None:
    refs = [target["refId"] for target in panel["targets"]]

    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(refs)
    assert len(refs) == len(set(refs))
    assert all(target["datasource"]["uid"] == "${datasource}" for target in (panel, *panel["targets"]))


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_takes_its_windows_from_the_board(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        windows = set(re.findall(r"\[([^]]+)\]", target["expr"]))

        assert windows <= ({"$__range"} if target.get("instant") else {"$__rate_interval"})


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_uses_our_metrics_with_labels_of_the_budget(query: PanelQuery) -> None:
    stored = names()
    used = nodes(promql_parser.parse(query.expr))

    selectors = [node for node in used if isinstance(node, promql_parser.VectorSelector)]

    assert selectors
    for selector in selectors:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert selector.name is not None
        assert selector.name in stored
        assert labels <= {*stored[selector.name], *OTHER_LABELS}
    for node in used:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            known = {label for selector in selectors for label in stored[selector.name or ""]}
            assert set(node.modifier.labels) <= known | OTHER_LABELS


@pytest.mark.parametrize("query", QUERIES)
def test_a_counter_is_read_by_its_growth_and_a_gauge_is_not(query: PanelQuery) -> None:
    growing = re.findall(r"(?:increase|rate)\((\w+)", query.expr)
    named = re.findall(r"\bnightlight_\w+", query.expr)

    counters = [name for name in named if name.endswith(("_total", "_bucket", "_count", "_sum"))]

    assert sorted(growing) == sorted(counters)


def test_no_board_shows_a_mean() -> None:
    text = "".join(query.expr for board in BOARDS.values() for query in panel_queries(board))

    assert "avg" not in text
    assert "_sum" not in text


@pytest.mark.parametrize("query", QUERIES)
def test_no_panel_shows_the_synthetic_childs_feed(query: PanelQuery) -> None:
    used = nodes(promql_parser.parse(query.expr))

    feeds = [node for node in used if isinstance(node, promql_parser.VectorSelector) and node.name in OF_A_FEED]

    for selector in feeds:
        matchers = [(matcher.name, matcher.value) for matcher in selector.matchers.matchers]
        assert ("feed", "nightlight-probe") in matchers


def test_grafana_is_told_where_the_boards_and_prometheus_are_and_lets_nobody_change_them() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/nightlight.yml").read_text())["providers"]

    assert [(source["type"], source["url"]) for source in sources] == [("prometheus", "http://prometheus:9090")]
    assert all(source["editable"] is False for source in sources)
    assert all(provider["allowUiUpdates"] is False for provider in providers)


@pytest.mark.prometheus
def test_a_real_prometheus_answers_every_query_of_every_board(tmp_path: Path) -> None:
    rules = sorted(Path("deploy/prometheus/rules").glob("*.yml"))
    queries = [query for board in BOARDS.values() for query in panel_queries(board, range_="10s", rate_interval="5s")]

    with a_busy_night() as address, prometheus.start({"pager": [address]}, tmp_path, rules=rules) as server:
        server.wait_for("increase(nightlight_accepted_to_contact_seconds_count[5s]) > 0")
        time.sleep(3)  # so that each window holds several scrapes
        unanswered = [str(query) for query in queries if not server.query_range(query.expr, seconds=3)]
        unhealthy = {rule: health for rule, health in server.rules().items() if health != "ok"}

    assert unanswered == []
    assert unhealthy == {}


@contextmanager
def a_busy_night() -> Iterator[str]:
    """A `host:port` whose metrics grow until the body ends, as in a night on which everything happens at once."""
    registry = CollectorRegistry()
    metrics = Metrics.build(registry)
    over = threading.Event()
    server, serving = start_http_server(0, "127.0.0.1", registry)

    def go_on() -> None:
        while not over.wait(0.1):
            observe_everything(metrics)

    night = threading.Thread(target=go_on)
    night.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        over.set()
        night.join()
        server.shutdown()
        server.server_close()
        serving.join()


def observe_everything(metrics: Metrics) -> None:
    """One moment of each of two kinds in each of two places, from first to last."""
    for type_, authority, seconds in (
        ("nightlight.arrest.v1", "E09000019", 0.4),
        ("nightlight.admission.v1", "E09000019", 3.0),
        ("nightlight.arrest.v1", "E09000030", 12.0),
    ):
        metrics.events_accepted.labels(feed="custody-east", type=type_, door="http").inc()
        metrics.events_decided.labels(type=type_, lane="page").inc()
        metrics.occurred_to_received_seconds.labels(feed="custody-east", type=type_).observe(seconds * 60)
        metrics.received_to_matched_seconds.labels(type=type_).observe(seconds / 10)
        metrics.received_to_sent_seconds.labels(type=type_, authority=authority).observe(seconds)
        metrics.sent_to_delivered_seconds.labels(channel="sms", provider="twilio").observe(seconds * 2)
        metrics.sent_to_accepted_seconds.labels(type=type_, authority=authority).observe(seconds * 60)
        metrics.accepted_to_contact_seconds.labels(type=type_, authority=authority).observe(seconds * 600)
        metrics.moments_open.labels(authority=authority).set(2)
        metrics.moments_unanswered.labels(authority=authority).set(1)
        metrics.reviews_open.labels(authority=authority).set(1)
        metrics.reviews_undecided.labels(authority=authority).set(1)
        metrics.reviews_decided.labels(type=type_, outcome="paged").inc()
        metrics.asked_to_decided_seconds.observe(seconds * 60)
    metrics.attempts.labels(channel="sms", provider="twilio", outcome="delivered").inc()
    metrics.feed_last_seen_timestamp_seconds.labels(feed="custody-east").set(time.time())
    metrics.phones.labels(state="verified").set(3)
    metrics.phones.labels(state="failing").set(1)
    metrics.auditor_findings.labels(invariant="step-late").set(0)
    metrics.probe_seconds.observe(1.2)
    metrics.drills.labels(outcome="accepted").inc()
    metrics.drill_seconds.observe(40)
    metrics.drill_oldest_timestamp_seconds.set(time.time() - 86_400)
    metrics.events_refused.labels(feed="custody-east", reason="invalid").inc()
    metrics.identifiers_unusable.labels(feed="custody-east", field="nhs_number").inc()
    metrics.feed_silent.labels(feed="custody-east").set(0)
    metrics.feed_agreement_ends_timestamp_seconds.labels(feed="custody-east").set(time.time() + 86_400)


def nodes(expr: promql_parser.Expr) -> list[promql_parser.Expr]:
    """Every node of a PromQL expression; a selector over a window counts as its selector."""
    seen: list[promql_parser.Expr] = []

    def visit(node: promql_parser.Expr) -> None:
        seen.append(node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node)

    promql_parser.walk(expr, pre_visit=visit)
    return seen
