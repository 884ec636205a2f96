"""The clocks that an answer stops: from sent to accepted, and from accepted to contact."""

from schemas.kinds import DRILL
from schemas.metrics import Metrics
from store.answers import Answer, Answered


def observe(metrics: Metrics, answered: Answered) -> None:
    """Call it once for every answer, wherever it came in; only one that has just stopped a clock is counted."""
    if answered.seconds is None:
        return
    if answered.type == DRILL:
        if answered.answer is Answer.ACCEPTED:
            metrics.drill_seconds.observe(answered.seconds)
        return
    stopped = {
        Answer.ACCEPTED: metrics.sent_to_accepted_seconds,
        Answer.CONTACT: metrics.accepted_to_contact_seconds,
    }
    clock = stopped.get(answered.answer)
    if clock is not None:
        clock.labels(type=answered.type, authority=answered.authority).observe(answered.seconds)
