"""Suites that need a program not every machine has: left out with a reason, and in CI never left out.

A test belongs to a suite by its marker. Where the suite's program is missing its tests are deselected, and the run
ends with one line for each such suite. With `CI` set, that is an error: a green run must mean that they were run.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import asyncapi_schema
from tests.kafka import broker as apache_kafka

LEFT_OUT = pytest.StashKey[list["LeftOut"]]()
TOLD = "left_out"  # under which a process of pytest-xdist tells the one that reports


@dataclass(frozen=True)
class LeftOut:
    """A suite that this machine cannot run: how many tests, and why, in a few words that say what to install."""

    suite: str
    tests: int
    reason: str

    def __str__(self) -> str:
        return f"left out: {self.suite} ({self.tests} {'test' if self.tests == 1 else 'tests'}): {self.reason}"


@cache
def find_chromium() -> str | None:
    """The path of the browser for the browser tests."""
    return shutil.which("chromium") or ("/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None)


def missing_chromium() -> str | None:
    """Why the browser tests cannot run."""
    return None if find_chromium() else "no chromium on PATH; install chromium"


def missing_prometheus() -> str | None:
    """Why the tests against a real Prometheus cannot run."""
    absent = [program for program in ("prometheus", "promtool") if shutil.which(program) is None]
    return f"no {' and no '.join(absent)} on PATH; install prometheus" if absent else None


SUITES: Mapping[str, Callable[[], str | None]] = {
    "kafka": apache_kafka.missing,
    "browser": missing_chromium,
    "prometheus": missing_prometheus,
    "npm": asyncapi_schema.missing,
}


def sort_out(
    tests: Sequence[tuple[Any, Iterable[str]]], suites: Mapping[str, Callable[[], str | None]]
) -> tuple[list[Any], list[Any], list[LeftOut]]:
    """Which tests stay, which go, and one line for each suite that goes.

    `tests` are pairs of a test and its markers' names. A suite is asked what it lacks only if it has tests.
    """
    kept: list[Any] = []
    gone: list[Any] = []
    counts = dict.fromkeys(suites, 0)
    reasons = {name: suites[name]() for name in suites if any(name in markers for _, markers in tests)}
    for test, markers in tests:
        without = [name for name in markers if reasons.get(name)]
        for name in without:
            counts[name] += 1
        (gone if without else kept).append(test)
    return kept, gone, [LeftOut(name, counts[name], reason) for name, reason in reasons.items() if reason]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tests = [(item, {mark.name for mark in item.iter_markers()}) for item in items]
    items[:], gone, left_out = sort_out(tests, SUITES)
    config.hook.pytest_deselected(items=gone)
    config.stash[LEFT_OUT] = left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process of pytest-xdist has ended; each has sorted out the same tests."""
    told = getattr(node, "workeroutput", {}).get(TOLD, [])
    node.config.stash[LEFT_OUT] = [LeftOut(*each) for each in told]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    left_out = session.config.stash.get(LEFT_OUT, [])
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[TOLD] = [astuple(each) for each in left_out]
    refused = bool(left_out) and is_ci(os.environ)
    if refused:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

    yield  # pytest says how the run went; these are the last lines

    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    for each in left_out:
        reporter.write_line(str(each), yellow=True)
    if refused:
        reporter.write_line("ERROR: in CI no suite may be left out.", red=True)


def is_ci(environment: Mapping[str, str]) -> bool:
    """Are we where everything must be run?"""
    return environment.get("CI", "").lower() in {"1", "true", "yes"}


if __name__ == "__main__":  # .ci/run fetches what the suites need while the tests are being collected
    for name, lacks in SUITES.items():
        print(f"{name}: {lacks() or 'here'}")
