"""The order of the files: those that take longest come first, so that no core waits at the end for the last of them.

pytest-xdist's own order is by the number of tests; those with a whole house have four, and would be begun last.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

LONGEST = (
    "test_streams_kafka.py",
    "test_doors.py",
    "test_promises.py",
    "test_up.py",
    "test_house_reviews.py",
    "hl7/test_house.py",
    "fhir/test_house.py",
    "test_notifiers_process.py",
    "test_probe_house.py",
    "test_real_kafka.py",
    "test_demo_browser.py",
    "forms/test_forms_browser.py",
    "test_matching_population.py",
    "test_openapi.py",
    "inbox/test_inbox_process.py",
    "test_demo.py",
    "test_house_metrics.py",
    "test_browser.py",
    "hl7/test_process.py",
    "test_publish.py",
    "test_desk_process.py",
    "test_matching_bounds.py",
    "test_examples.py",
    "test_pager_contact.py",
    "test_drills.py",
    "test_embedded.py",
    "test_doctor.py",
    "test_channels.py",
    "hl7/test_fuzz.py",
    "test_duties.py",
    "test_pager_chaos.py",
    "test_timeline.py",
)
"""As measured with four processes on two cores: from two minutes to twenty seconds. Every other file is shorter."""

PLACES = {TESTS / name: place for place, name in enumerate(LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that are not named keep their order after those, and the tests of each file theirs."""
    items.sort(key=lambda item: PLACES.get(item.path, len(PLACES)))
