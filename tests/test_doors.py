"""Every way in, through a whole Nightlight: a file, a FHIR message and a form each end as a text on the phone of the worker on call."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from tests.fhir import cast as fhir
from tests.forms.cast import hidden
from tests.house import WHO, House, eventually, house, settle_in
from tests.inbox.cast import arrest_row, table
from tests.web import WEB

pytestmark = pytest.mark.timeout(240)  # a whole house

ADA = "+447700900101"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("doors")) as running:
        settle_in(running, waits=(60, 60, 60))
        yield running


def texts_of(home: House, place: str) -> list[str]:
    return [text["body"] for text in home.texts(ADA) if f"new moment at {place}" in text["body"]]


def person(place: int) -> dict[str, Any]:
    _, family, given, born, sex, postcode, number = WHO[place]
    return {"family": family, "given": given, "born": born, "sex": sex, "postcode": postcode, "nhs_number": number}


def test_a_row_of_a_file_becomes_a_text(home: House) -> None:
    child = person(0)
    row = arrest_row(
        1,
        time=None,
        arrested_at="2026-11-21 02:06",
        family_name=child["family"],
        given_name=child["given"],
        date_of_birth=child["born"],
        nhs_number=child["nhs_number"],
    )
    folder = home.data / "inbox" / "met-custody"
    folder.mkdir()
    (folder / "night.csv.part").write_text(table([row, arrest_row(2, suite="")]))

    (folder / "night.csv.part").rename(folder / "night.csv")

    eventually(lambda: texts_of(home, "a custody suite"), within=60)
    assert sorted(path.name for path in folder.iterdir()) == ["night.rejected.csv", "night.summary.json"]
    counted = re.search(r'accepted_total\{door="inbox",feed="met-custody".*\} 1\.0', home.metrics("inbox"))
    assert counted


def test_an_encounter_becomes_a_text(home: House) -> None:
    child = person(1)
    patient = {
        "identifier": [{"system": fhir.NHS, "value": child["nhs_number"]}],
        "name": [{"use": "official", "family": child["family"], "given": [child["given"]]}],
        "birthDate": child["born"],
        "gender": child["sex"],
        "address": [],
    }
    headers = {"authorization": f"Bearer {home.keys['whittington']}", "content-type": fhir.FHIR}

    answer = WEB.post(
        f"{home.urls['gateway']}/fhir/$process-message", json=fhir.message(patient=patient), headers=headers, timeout=15
    )

    assert answer.status_code == 202, answer.text
    eventually(lambda: texts_of(home, "an A&E department"), within=60)


def test_a_form_becomes_a_text(home: House) -> None:
    child = person(2)
    year, month, day = child["born"].split("-")
    filled = {
        "report": "M-7",
        "force": "01",
        "risk": "high",
        "reported_at-time": "00:01",
        "family_name": child["family"],
        "given_name": child["given"],
        "date_of_birth-day": day,
        "date_of_birth-month": month,
        "date_of_birth-year": year,
        "nhs_number": child["nhs_number"],
    }

    with httpx2.Client(base_url=home.urls["gateway"], timeout=15, follow_redirects=True) as browser:
        form = {"content-type": "application/x-www-form-urlencoded"}
        browser.post("/form", content=urlencode({"key": home.keys["met-missing"]}).encode(), headers=form)
        page = browser.get("/form/missing")
        came_with = dict(re.findall(r'name="(reported_at-\w+)" value="(\d+)"', page.text))
        answers = {**hidden(page), **came_with, **filled}
        sent = browser.post("/form/missing", content=urlencode(answers).encode(), headers=form)

    assert sent.status_code == 202, sent.text
    assert "Received" in sent.text
    eventually(lambda: texts_of(home, "a missing-person unit"), within=60)
