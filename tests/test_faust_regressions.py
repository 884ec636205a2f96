"""What we know of Faust 0.15.3 and built around. A failure here is news: read the reliability page, section 1.3, before mending.

When faust-streaming's pull request 707 ships, the rows marked lost turn right: then, and only then, may `concurrency` and
stepping past a record be thought about again.
"""

from importlib.metadata import version
from pathlib import Path

import faust
import pytest
from faust.transport.consumer import Consumer
from faust.types import TP

from schemas.settings import Settings
from streams.app import build
from streams.pipeline import TOPICS
from tests.streams_cast import House

PLACE = TP("nightlight.events.arrests", 0)


class Offsets(Consumer):
    """Faust's bookkeeping of offsets and nothing else of a consumer."""

    def __init__(self, committed: int | None, acked: list[int]) -> None:
        self._acked = {PLACE: list(acked)}
        self._acked_index = {PLACE: set(acked)}
        self._gap = {PLACE: None}
        self._committed_offset = {PLACE: committed}


Offsets.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("committed", "acked", "commits"),
    [
        pytest.param(None, [0, 1, 3, 4], 2, id="2 not acked, nothing committed: right"),
        pytest.param(2, [3, 4], 5, id="2 not acked, 2 committed: 2 is lost"),
        pytest.param(5, [6], 7, id="5 not acked, 5 committed: 5 is lost"),
        pytest.param(0, [1, 2], 3, id="0 not acked, 0 committed: 0 is lost"),
        pytest.param(None, [1, 2], 3, id="0 not acked, nothing committed: 0 is lost"),
        pytest.param(5, [7, 8], None, id="5 and 6 not acked, 5 committed: right, a hole of two"),
    ],
)
def test_faust_commits_past_a_record_that_was_not_acknowledged(
    committed: int | None, acked: list[int], commits: int | None
) -> None:
    assert Offsets(committed, acked)._new_offset(PLACE) == commits


def test_the_faust_of_this_table_is_the_one_we_run() -> None:
    assert version("faust-streaming") == "0.15.3"


@pytest.fixture
async def app(tmp_path: Path) -> faust.App:
    settings = Settings(kafka="127.0.0.1:9,127.0.0.1:10", kafka_session_seconds=6)
    return build(settings, "b", make_loop=lambda publish: House().loop(publish=publish), datadir=tmp_path)


async def test_no_agent_runs_concurrently_and_each_partition_is_by_itself(app: faust.App) -> None:
    app.finalize()

    agents = [agent for agent in app.agents.values() if agent.name in TOPICS]
    assert len(agents) == len(TOPICS)
    assert all(agent.concurrency == 1 and agent.isolated_partitions for agent in agents)


async def test_the_worker_has_the_timings_that_lost_nothing_in_trials(app: faust.App) -> None:
    conf = app.conf

    assert conf.id == "nightlight-b"
    assert (conf.broker_session_timeout, conf.broker_heartbeat_interval, conf.broker_rebalance_timeout) == (6, 1, 6)
    assert (conf.broker_commit_interval, conf.stream_wait_empty, conf.producer_acks) == (0.2, True, -1)
    assert str(conf.processing_guarantee.value) == "at_least_once"
    assert (conf.consumer_auto_offset_reset, conf.consumer_metadata_max_age_ms) == ("earliest", 10_000)
    assert (conf.topic_allow_declare, conf.topic_disable_leader, conf.autodiscover) == (False, True, False)
    assert [str(broker) for broker in conf.broker] == ["aiokafka://127.0.0.1:9", "aiokafka://127.0.0.1:10"]
