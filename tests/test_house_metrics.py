"""A night in a running Nightlight, seen by a real Prometheus: the board has an answer to everything that happened."""

import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import httpx2
import pyotp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.base import utc_now
from schemas.metrics import LABELS, names
from tests import prometheus
from tests.desk_cast import form_token
from tests.events import DATA, cloud_event
from tests.house import WHO, House, eventually, house, settle_in
from tests.prometheus import PanelQuery, Prometheus, panel_queries
from tests.web import WEB

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(240)]

BOARDS = [json.loads(path.read_text()) for path in sorted(Path("deploy/grafana/boards").glob("*.json"))]
QUERIES = [query for board in BOARDS for query in panel_queries(board, range_="10m", rate_interval="10m")]
RULES = sorted(Path("deploy/prometheus/rules").glob("*.yml"))
PROCESSES = ("gateway", "mllp-http", "inbox", "desk", "pager", "streams-a", "streams-b")
ADA = "+447700900101"
SENDERS = {
    "nightlight.arrest.v1": "met-custody",
    "nightlight.admission.v1": "whittington",
    "nightlight.exclusion.v1": "highbury-school",
    "nightlight.missing.v1": "met-missing",
}
FIELDS = ("family_name", "given_name", "date_of_birth", "sex", "postcode", "nhs_number")
UNUSABLE = "9990000000"
"""Of the synthetic range, and its check digit is wrong."""
DOUBT = {"family_name": WHO[0][1], "date_of_birth": WHO[0][3], "postcode": WHO[0][5]}
"""That is a brother's as well."""
STRANGER = {"family_name": "Strangways", "given_name": "Ptolemy", "date_of_birth": "2012-05-05", "postcode": "SW9 8XX"}
SCRAPES = 2.2
"""Seconds for two scrapes."""

PYTHONS_OWN = {"generation", "implementation", "major", "minor", "patchlevel", "version"}
"""Labels that the client library puts on what it says of the interpreter."""


class Night(NamedTuple):
    home: House
    server: Prometheus


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Four kinds of event about four children, each page accepted and each child reached, scraped all the while."""
    with house(tmp_path_factory.mktemp("night")) as home:
        settle_in(home, waits=(600, 600, 600))
        targets: dict[str, list[str]] = {}
        for process in PROCESSES:
            targets.setdefault(process.partition("-")[0], []).append(home.urls[process].removeprefix("http://"))
        answered: set[str] = set()
        with prometheus.start(targets, tmp_path_factory.mktemp("prometheus"), rules=RULES) as server:
            server.wait_for(f"count(up == 1) == {len(PROCESSES)}")
            server.wait_for("nightlight_sent_to_accepted_seconds_count == 0")  # the desk knows the list's authority
            for (kind, sender), who in zip(SENDERS.items(), WHO, strict=True):
                tell(home, kind, sender, f"known-{sender}", dict(zip(FIELDS, who[1:], strict=True)))
                page = eventually(lambda: references(home) - answered, within=60).pop()
                answered.add(page)
                home.reply(ADA, f"{page} 1")
                home.reply(ADA, f"{page} 3")
                time.sleep(SCRAPES)  # what is born with its first event shows its growth with its second
            for kind, sender in SENDERS.items():
                tell(home, kind, sender, f"unknown-{sender}", {**STRANGER, "nhs_number": UNUSABLE})
            decide(home)
            practise(home)
            agree(home)
            server.wait_for("nightlight_drill_seconds_count > 0")
            server.wait_for("nightlight_drill_oldest_timestamp_seconds > 0", seconds=40)
            time.sleep(SCRAPES)
            yield Night(home, server)


def tell(home: House, kind: str, sender: str, name: str, person: dict[str, str]) -> None:
    """One event about this person, accepted; and the same from a source that is not the sender's, refused."""
    event = cloud_event(kind, id=name, source=sender, authority="E09000019", data={**DATA[kind], "person": person})
    assert home.send(event, agency=sender).status_code == 202
    assert home.send({**event, "source": "elsewhere"}, agency=sender).status_code == 403


def decide(home: House) -> None:
    """A possible match, decided at the desk by somebody who has signed in."""
    tell(home, "nightlight.arrest.v1", "met-custody", "doubt", DOUBT)
    said = home.does("accounts", "add", "ada")
    secret = pyotp.parse_uri(found(r"(otpauth://\S+)", said)).secret
    signing_in = {"name": "ada", "password": found(r"once: (\S+)", said), "code": pyotp.TOTP(secret).now()}
    with httpx2.Client(base_url=home.urls["desk"], headers={"Sec-Fetch-Site": "same-origin"}) as browser:
        browser.post("/sign-in", data=signing_in)
        review = eventually(lambda: re.findall(r'href="(/reviews/\w{64})"', browser.get("/reviews").text), within=30)[0]
        token = form_token(browser.get(review).text)
        browser.post(f"{review}/same", data={"token": token, "child": WHO[0][0], "why": "known"})


def practise(home: House) -> None:
    """A drill, accepted by whoever is on call."""
    home.does("drill", "Islington")
    texts = eventually(lambda: [text["body"] for text in home.texts(ADA) if "DRILL" in text["body"]])
    reference = found(r"Nightlight (\w{4}): DRILL", texts[0])
    home.reply(ADA, f"{reference} 1")


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"no {pattern}"
    return match[1]


def agree(home: House) -> None:
    """An agency sends under an agreement from now on."""
    dates = ("--from", "2026-01-01", "--until", f"{utc_now() + timedelta(days=300):%Y-%m-%d}")
    home.does("agencies", "agree", "met-custody", "ISA/2026-7", *dates)


def references(home: House) -> set[str]:
    """The pages that Ada has been texted about."""
    found = (re.match(r"Nightlight (\w{4}): new moment", text["body"]) for text in home.texts(ADA))
    return {each[1] for each in found if each}


def test_every_process_is_scraped_and_every_rule_is_healthy(night: Night) -> None:
    eventually(lambda: set(night.server.rules().values()) == {"ok"})

    assert night.server.targets_up() == {"gateway": 1, "mllp": 1, "inbox": 1, "desk": 1, "pager": 1, "streams": 2}


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_the_board_shows_what_happened(night: Night, query: PanelQuery) -> None:
    assert eventually(lambda: night.server.query_range(query.expr, seconds=3))  # some are set by a round, then scraped


@pytest.mark.parametrize("process", PROCESSES)
def test_no_label_is_outside_the_budget(night: Night, process: str) -> None:
    families = list(text_string_to_metric_families(night.home.metrics(process)))

    samples = [sample for family in families for sample in family.samples]
    ours = {sample.name: set(sample.labels) for sample in samples if sample.name.startswith("nightlight_")}
    foreign = {label for sample in samples if sample.name not in ours for label in sample.labels}
    declared = names()
    assert ours
    assert foreign <= PYTHONS_OWN
    assert {label for labels in ours.values() for label in labels} <= {*LABELS, "le"}
    assert {
        name: labels
        for name, labels in ours.items()
        if not name.endswith("_created") and labels != set(declared.get(name, ()))
    } == {}


@pytest.mark.parametrize("process", PROCESSES)
def test_no_value_of_a_label_is_a_child_a_worker_or_a_phone(night: Night, process: str) -> None:
    said = WEB.get(f"{night.home.urls[process]}/metrics").text

    assert [word for who in WHO for word in who[:3] if word in said] == []
    assert re.search(r"\b(ada|bo|mo)\b|\+?4477\d{6}", said) is None
