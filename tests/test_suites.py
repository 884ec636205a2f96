"""A suite that cannot run is left out with a reason, and never in silence where everything must run."""

from pathlib import Path

import pytest

from tests.order import PLACES
from tests.suites import LeftOut, sort_out

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
HAS = {"kafka": lambda: None, "browser": lambda: None}
HAS_NO_JAVA = {"kafka": lambda: "no Java 17 on PATH; install openjdk-17 and maven", "browser": lambda: None}
TESTS = [("a", ["kafka"]), ("b", []), ("c", ["browser", "asyncio"]), ("d", ["kafka", "browser"])]

RUN = """
import pytest
from tests import suites
from tests.suites import *

suites.SUITES = {"kafka": lambda: "no Java 17 on PATH; install openjdk-17 and maven"}
"""
TWO_TESTS = """
import pytest

@pytest.mark.kafka
def test_on_kafka(): raise AssertionError("it was run")

def test_anywhere(): pass
"""


def test_every_test_stays_where_nothing_is_missing() -> None:
    kept, gone, left_out = sort_out(TESTS, HAS)

    assert kept == ["a", "b", "c", "d"]
    assert gone == []
    assert left_out == []


def test_the_tests_of_a_suite_that_cannot_run_go_and_its_line_says_why() -> None:
    kept, gone, left_out = sort_out(TESTS, HAS_NO_JAVA)

    assert kept == ["b", "c"]
    assert gone == ["a", "d"]
    assert [str(line) for line in left_out] == [
        "left out: kafka (2 tests): no Java 17 on PATH; install openjdk-17 and maven"
    ]


def test_a_suite_without_tests_is_not_asked_what_it_lacks() -> None:
    def ask() -> str | None:
        raise AssertionError("it was asked")

    kept, _, _ = sort_out([("b", [])], {"kafka": ask})

    assert kept == ["b"]


def test_every_file_that_is_to_come_first_is_there() -> None:
    assert [path for path in PLACES if not path.is_file()] == []


def test_one_test_is_not_called_tests() -> None:
    assert str(LeftOut("browser", 1, "no chromium")) == "left out: browser (1 test): no chromium"


@pytest.mark.parametrize(
    ("ci", "processes", "code"),
    [
        ("", "0", pytest.ExitCode.OK),
        ("true", "0", pytest.ExitCode.TESTS_FAILED),
        ("true", "2", pytest.ExitCode.TESTS_FAILED),
    ],
)
def test_a_run_ends_with_what_was_left_out_and_fails_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, code: pytest.ExitCode, processes: str
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # half a minute of plugins that none of it needs
    pytester.makeini("[pytest]\nmarkers = kafka")
    pytester.makeconftest(RUN)
    pytester.makepyfile(TWO_TESTS)

    result = pytester.runpytest_subprocess("-p", "xdist.plugin", "-n", processes)

    assert result.ret == code
    result.assert_outcomes(passed=1)
    last = [line for line in result.outlines if line.strip()][-2 if ci else -1]
    assert last == "left out: kafka (1 test): no Java 17 on PATH; install openjdk-17 and maven"
    assert ("ERROR: in CI no suite may be left out." in result.outlines) == bool(ci)
