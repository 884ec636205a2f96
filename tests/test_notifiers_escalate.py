"""What happens next with a page: one table."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from notifiers.escalate import Because, Next, decide
from schemas.pages import AttemptState, Channel, Role, Step
from store.escalating import OpenPage, Tried

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PLAN = (
    Step(step=1, role=Role.PRIMARY, channels=(Channel.SMS, Channel.VOICE), wait_seconds=120),
    Step(step=2, role=Role.BACKUP, channels=(Channel.SMS,), wait_seconds=120),
)


def page(*, step: int = 1, round_: int = 1, due: float = 120) -> OpenPage:
    return OpenPage(UUID(int=1), step, round_, PLAN, NOON + timedelta(seconds=due))


def tried(
    state: str, person: str = "ada", channel: str = "sms", *, number: int = 1, sent: float = 0, passed: bool = False
) -> Tried:
    sent_at = NOON - timedelta(seconds=sent) if state in ("sent", "delivered") else None
    due_at = NOON - timedelta(seconds=max(sent, 1))
    return Tried(person, Channel(channel), number, AttemptState(state), due_at, sent_at, NOON if passed else None)


HAS_TIME = Next(Because.HAS_TIME)


@pytest.mark.parametrize(
    ("stands", "attempts", "expected"),
    [
        pytest.param(page(), [tried("pending")], HAS_TIME, id="not yet sent"),
        pytest.param(page(), [tried("sending")], HAS_TIME, id="on its way"),
        pytest.param(page(), [tried("delivered", sent=100)], HAS_TIME, id="delivered, and time left"),
        pytest.param(page(), [tried("sent", sent=59)], HAS_TIME, id="no receipt for 59 s"),
        pytest.param(page(), [tried("unknown")], HAS_TIME, id="unknown: it is being looked up"),
        pytest.param(page(), [], HAS_TIME, id="nobody on call: its time was set when it began"),
        pytest.param(page(due=0), [tried("delivered")], Next(Because.WAIT_IS_OVER, 2), id="the wait is over"),
        pytest.param(
            page(step=2, due=0), [tried("sent")], Next(Because.WAIT_IS_OVER, 2, 2), id="the last step repeats"
        ),
        pytest.param(
            page(step=2, round_=7, due=0), [], Next(Because.WAIT_IS_OVER, 2, 8), id="and repeats, round after round"
        ),
        pytest.param(page(), [tried("delivered", passed=True)], Next(Because.PASSED_ON, 2), id="passed on"),
        pytest.param(
            page(),
            [tried("delivered", passed=True), tried("delivered", "ben")],
            Next(Because.PASSED_ON, 2),
            id="one of two passes: the next is told now",
        ),
        pytest.param(page(step=2), [tried("delivered", passed=True)], HAS_TIME, id="nobody comes after the last step"),
        pytest.param(
            page(),
            [tried("failed")],
            Next(Because.NEXT_CHANNEL, channels=(("ada", Channel.VOICE),)),
            id="failed: the next channel of the same person",
        ),
        pytest.param(
            page(),
            [tried("sent", sent=60)],
            Next(Because.NEXT_CHANNEL, channels=(("ada", Channel.VOICE),)),
            id="no receipt for a minute: the next channel",
        ),
        pytest.param(
            page(), [tried("undelivered"), tried("pending", channel="voice")], HAS_TIME, id="the next channel is coming"
        ),
        pytest.param(
            page(),
            [tried("undelivered"), tried("failed", channel="voice")],
            Next(Because.NOBODY_REACHED, 2),
            id="every channel has failed: the next step now",
        ),
        pytest.param(
            page(),
            [tried("failed"), tried("failed", channel="voice"), tried("delivered", "ben")],
            HAS_TIME,
            id="one is out of reach, the other is not",
        ),
        pytest.param(
            page(),
            [tried("failed"), tried("delivered", "ben")],
            Next(Because.NEXT_CHANNEL, channels=(("ada", Channel.VOICE),)),
            id="one is tried by the next channel while the other has it",
        ),
        pytest.param(page(), [tried("unknown"), tried("pending", number=2)], HAS_TIME, id="unknown, and tried again"),
        pytest.param(
            page(),
            [tried("unknown"), tried("unknown", number=2)],
            Next(Because.NEXT_CHANNEL, channels=(("ada", Channel.VOICE),)),
            id="unknown twice has failed",
        ),
        pytest.param(
            page(step=2),
            [tried("failed")],
            Next(Because.LAST_STEP_REPEATS, to=NOON + timedelta(seconds=14)),
            id="the last step failed: again, 15 s after it began",
        ),
    ],
)
def test_what_happens_next(stands: OpenPage, attempts: list[Tried], expected: Next) -> None:
    assert decide(stands, attempts, NOON) == expected
