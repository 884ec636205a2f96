"""What is said back to a reply, where the provider does not say it in the same conversation: a text of its own, at once.

It is not kept to be tried later: what it confirms is done, and a confirmation an hour later would be a riddle.
"""

from collections.abc import Iterable
from uuid import uuid4

from notifiers.channel import DeliveryError, Notifier
from notifiers.notify import Notify
from notifiers.sms import Twilio
from schemas.logs import logger
from schemas.settings import BadSettings, Settings

VALID_SECONDS = 300


async def answer(settings: Settings, to: str, text: str) -> None:
    """Send it through GOV.UK Notify, from whose number the reply came, or else through Twilio. Raises nothing."""
    for notifier in _in_order(settings):
        try:
            await notifier.send(to, text, attempt=uuid4(), valid_seconds=VALID_SECONDS)
        except DeliveryError as problem:
            logger().warning("answer-not-sent", provider=notifier.provider, reason=problem.reason.value)
            if not problem.certain:
                return
            continue
        finally:
            await notifier.close()
        return


def _in_order(settings: Settings) -> Iterable[Notifier]:
    for make in (Notify, Twilio):
        try:
            yield make(settings)
        except BadSettings as problem:
            logger().warning("answer-not-sent", provider=make.provider, error=type(problem).__name__)
