"""Prometheus's rules: each says what to do in plain words, and each has a test that it rings and that it does not."""

import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from schemas.metrics import names
from tests.test_boards import nodes

HERE = Path("deploy/prometheus")
RULES = [
    rule
    for path in sorted((HERE / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [pytest.param(rule, id=rule["alert"]) for rule in RULES if "alert" in rule]
RECORDED = [rule["record"] for rule in RULES if "record" in rule]
TESTS = [test for path in sorted((HERE / "tests").glob("*.yml")) for test in yaml.safe_load(path.read_text())["tests"]]
COMPOSE_PROCESSES = {"gateway", "mllp", "inbox", "streams-a", "streams-b", "pager", "desk"}


@pytest.mark.prometheus
def test_promtool_finds_nothing_to_complain_of() -> None:
    rules = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, (HERE / "rules").glob("*.yml")))
    config = promtool("check", "config", "--syntax-only", str(HERE / "prometheus.yml"))

    assert rules.returncode == 0, rules.stdout + rules.stderr
    assert config.returncode == 0, config.stdout + config.stderr


@pytest.mark.prometheus
def test_promtools_own_tests_of_the_rules_pass() -> None:
    run = promtool("test", "rules", *map(str, sorted((HERE / "tests").glob("*.yml"))))

    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_test_in_which_it_rings_and_one_in_which_it_does_not(alert: dict[str, Any]) -> None:
    cases = [
        case["exp_alerts"]
        for test in TESTS
        for case in test.get("alert_rule_test", ())
        if case["alertname"] == alert["alert"]
    ]

    assert any(cases)
    assert any(not case for case in cases)


@pytest.mark.parametrize("record", RECORDED)
def test_a_recorded_figure_has_a_test(record: str) -> None:
    tested = {case["expr"] for test in TESTS for case in test.get("promql_expr_test", ()) if case["exp_samples"]}

    assert record in tested


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_in_one_sentence_what_is_wrong_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    summary, runbook = alert["annotations"]["summary"], alert["annotations"]["runbook_url"]

    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert summary.endswith(".")
    assert "nightlight_" not in summary
    assert runbook.startswith("docs/runbooks/")
    assert Path(runbook).is_file()


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(Path("docs/runbooks").glob("*"))])
def test_a_runbook_says_what_it_means_what_to_look_at_and_what_to_do(path: Path) -> None:
    text = path.read_text()
    links = re.findall(r"\]\(([^)]+)\.md\)", text)

    used = {rule["annotations"]["runbook_url"] for rule in RULES if "alert" in rule}

    assert str(path) in used
    assert text.index("**It means**") < text.index("**Look at**") < text.index("**Do**")
    assert len(text.splitlines()) <= 15
    assert all((path.parent / f"{link}.md").is_file() for link in links)


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.get("alert") or rule["record"]) for rule in RULES])
def test_a_rule_reads_metrics_that_exist_with_labels_that_they_have(rule: dict[str, Any]) -> None:
    stored = names() | {"up": ()} | dict.fromkeys(RECORDED, ())

    selectors = [
        node for node in nodes(promql_parser.parse(rule["expr"])) if isinstance(node, promql_parser.VectorSelector)
    ]

    assert selectors
    for selector in selectors:
        assert selector.name is not None
        assert selector.name in stored
        assert {matcher.name for matcher in selector.matchers.matchers} <= {*stored[selector.name], "job"}


def test_the_edges_that_rules_read_are_written_as_python_writes_them() -> None:
    edges = [edge for rule in RULES for edge in re.findall(r'le="([^"]+)"', rule["expr"])]

    assert edges
    assert all(edge == str(float(edge)) for edge in edges)


def test_prometheus_scrapes_each_process_under_its_own_name() -> None:
    config = yaml.safe_load((HERE / "prometheus.yml").read_text())

    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}

    assert jobs.keys() - {"prometheus"} == COMPOSE_PROCESSES
    assert all(jobs[name] == [f"{name}:8080"] for name in COMPOSE_PROCESSES)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60)
