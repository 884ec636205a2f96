"""What every HTTP process answers: alive, ready or why not, its metrics, its reference page; and closed headers on all of it."""

from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, Counter

from schemas.web import CLOSED, service

BECAUSE = ["Kafka does not answer: look at NIGHTLIGHT_KAFKA."]


def client(because: list[str]) -> TestClient:
    async def ready() -> list[str]:
        return because

    registry = CollectorRegistry()
    Counter("nightlight_things", "Things", registry=registry).inc()
    return TestClient(service("A <process>", ready=ready, registry=registry, description="Does a thing."))


def test_a_process_that_cannot_work_is_alive_and_says_why_it_is_not_ready() -> None:
    browser = client(BECAUSE)

    assert browser.get("/healthz").json() == {"alive": True}
    answer = browser.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "because": BECAUSE})


def test_a_process_that_can_work_says_so() -> None:
    answer = client([]).get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"ready": True, "because": []})


def test_metrics_are_in_the_format_of_prometheus() -> None:
    answer = client([]).get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "nightlight_things_total 1.0" in answer.text


def test_the_reference_page_names_every_path_and_loads_nothing_from_elsewhere() -> None:
    page = client([]).get("/docs").text

    assert "GET /readyz" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "A &lt;process&gt;" in page


def test_every_answer_has_its_closed_headers_the_missing_page_too() -> None:
    browser = client([])

    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/nothing"):
        answer = browser.get(path)
        assert {name: answer.headers[name] for name in CLOSED} == CLOSED
