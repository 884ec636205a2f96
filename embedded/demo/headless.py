"""The whole story without a person: one moment of each kind, each accepted by a reply, and one that leaves nothing."""

from collections.abc import Callable

from embedded.demo.scenes import SCENES
from embedded.demo.seen import Seen, Sent
from embedded.demo.stage import Stage, now_and_then
from embedded.demo.story import NOT_WATCHED, timeline
from schemas.moments import Outcome
from schemas.pages import PageState

WITHIN = 60.0
"""Seconds for all four to be paged and accepted."""

TEXTED_WITHIN = 15.0
"""Seconds that we wait for all four texts before answering any, so that a reply must say which page it means."""

AGAIN_AFTER = 3.0
"""Seconds without an acceptance after which we reply once more."""


async def play_all(
    stage: Stage, *, say: Callable[[object], None], stopping: Callable[[], bool], within: float = WITHIN
) -> list[str]:
    """Play them, print each timeline, and return what was missing, one sentence each; nothing if all went well."""
    sent = [await stage.play(scene, watched=True) for scene in SCENES.values()]
    await now_and_then(lambda: stopping() or all(_texted(stage, each) for each in sent), seconds=TEXTED_WITHIN)
    for _ in range(int(within / AGAIN_AFTER)):
        await stage.answer_all()
        done = await now_and_then(
            lambda: stopping() or all(stage.find(each).ended for each in sent), seconds=AGAIN_AFTER
        )
        if done:
            break
    nobody = await stage.play(SCENES["arrest"], watched=False)
    await now_and_then(lambda: stopping() or stage.find(nobody).outcome is not None, seconds=TEXTED_WITHIN)
    say("")
    for each in (*sent, nobody):
        for line in timeline(stage.find(each)):
            say(line)
    missing = [sentence for each in sent if (sentence := lacking(stage.find(each)))]
    if stage.find(nobody).outcome is not Outcome.NOT_WATCHED:
        missing.append(f"The arrest of a child who is not watched did not end as '{NOT_WATCHED}'.")
    if not missing:
        say("")
        say("All four were paged and accepted; of the child who is not watched nothing was kept.")
    return missing


def lacking(seen: Seen) -> str:
    """What one moment lacks to be paged and accepted, in a sentence; nothing if it lacks nothing."""
    name = f"{SCENES[seen.sent.kind].button} ({seen.sent.child_id})"
    if "matched" not in seen.at:
        return f"{name} was taken by the gateway and not matched: see the workers' log."
    if seen.outcome is not Outcome.PAGED:
        return f"{name} was decided as {seen.outcome} and not paged."
    if "sent" not in seen.at:
        return f"{name} has a page {seen.reference} and no text was sent: see the pager's log."
    if not seen.accepted_by or seen.state == PageState.OPEN:
        return f"{name} was texted and page {seen.reference} was not accepted: see the desk's log."
    return ""


def _texted(stage: Stage, sent: Sent) -> bool:
    seen = stage.find(sent)
    return seen.ended or "delivered" in seen.at
