"""A real Prometheus on 127.0.0.1 for the tests, and every query of a board as Grafana would send it to it."""

import json
import math
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError

import yaml

from embedded.server import HOST, Running, choose_port

Point = tuple[float, float]


class PanelQuery(NamedTuple):
    """One target of one panel, its variables filled in."""

    panel: str
    ref: str
    expr: str

    def __str__(self) -> str:
        return f"{self.panel!r} {self.ref}: {self.expr}"


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus. `url` has no slash at its end."""

    url: str

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The answer to an instant query. Raises ValueError with Prometheus's own words if it refuses the query."""
        return list(self._get("/api/v1/query", query=expr)["result"])

    def query_range(self, expr: str, *, seconds: float, step: float = 1) -> list[list[Point]]:
        """One list of (time, value) per series over the last `seconds`; NaN is no point: a board shows nothing there.

        Raises ValueError with Prometheus's own words if it refuses the query.
        """
        now = time.time()
        found = self._get("/api/v1/query_range", query=expr, start=now - seconds, end=now, step=step)["result"]
        series = [[(float(at), float(value)) for at, value in each["values"]] for each in found]
        return [points for each in series if (points := [point for point in each if math.isfinite(point[1])])]

    def targets_up(self) -> dict[str, int]:
        """Job to number of its targets that answered the last scrape."""
        return {each["metric"]["job"]: int(each["value"][1]) for each in self.query("sum by (job) (up)")}

    def rules(self) -> dict[str, str]:
        """Rule to its health: `ok`, `err`, or `unknown` before its first evaluation."""
        groups = self._get("/api/v1/rules")["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def wait_for(self, expr: str, *, seconds: float = 20) -> None:
        """Return once `expr` has an answer. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.query(expr):
            if time.monotonic() > deadline:
                raise TimeoutError(f"Prometheus has no answer to {expr} after {seconds:.0f} s")
            time.sleep(0.2)

    def _get(self, path: str, **parameters: object) -> dict[str, Any]:
        request = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                data: dict[str, Any] = json.load(answer)["data"]
                return data
        except HTTPError as refusal:
            with refusal:
                raise ValueError(json.load(refusal)["error"]) from None


@contextmanager
def start(targets: Mapping[str, Sequence[str]], directory: Path, *, rules: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `targets` (job to `host:port`s) each second, until the body ends.

    `directory` keeps its data, configuration and log; `rules` are rule files to evaluate each second.
    """
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path.absolute()) for path in rules],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]} for job, addresses in targets.items()
        ],
    }
    file = directory / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    port = choose_port("Prometheus", 0)
    url = f"http://{HOST}:{port}"
    command = [
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=warn",
    ]
    with Running("Prometheus", command, url=url, log=directory / "prometheus.log") as running:
        running.wait_until(lambda: _ready(url), seconds=30)
        yield Prometheus(url)


def panel_queries(board: Mapping[str, Any], *, range_: str = "1h", rate_interval: str = "1m") -> list[PanelQuery]:
    """Every target of every panel of a board's JSON, with `All` chosen in each variable."""
    values = {"$__rate_interval": rate_interval, "$__range": range_}
    for variable in board["templating"]["list"]:
        values[f"${variable['name']}"] = variable.get("allValue", "")
    return [
        PanelQuery(panel["title"], target["refId"], _fill(target["expr"], values))
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def _fill(expr: str, values: Mapping[str, str]) -> str:
    for name in sorted(values, key=len, reverse=True):
        expr = expr.replace(name, values[name])
    return expr


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, TimeoutError, ConnectionError):
        return False
