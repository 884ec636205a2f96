"""`nightlight reviews`: possible matches and who decides them, and taking a match back."""

from enum import StrEnum
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from commands.database import in_transaction
from commands.house import WHO, keyring, refuse
from commands.table import show as show_table
from schemas.base import utc_now
from schemas.person import Person
from schemas.sealing import SealBroken
from schemas.settings import Settings
from store import audit, children, deciding, reviews, undoing
from store.deciding import Decided, Verdict
from store.reviews import Review
from store.undoing import Undo

app = typer.Typer(help="Possible matches, and taking a match back.", no_args_is_help=True)
KEY_SHOWN = 12

Key = Annotated[str, typer.Argument(metavar="REVIEW", help="as 'reviews list' shows it; its beginning is enough")]
Why = Annotated[str, typer.Option(help="kept in the audit chain; no names, please")]


class Is(StrEnum):
    SAME = "same"
    DIFFERENT = "different"


@app.command("list")
def list_(team: Annotated[str | None, typer.Option(help="this team's alone")] = None) -> None:
    """Possible matches that nobody has decided, the soonest to run out first: never a name."""
    found = in_transaction(lambda connection, _: reviews.waiting(connection, [team] if team else None))
    now = utc_now()
    rows = [
        (
            each.event_key[:KEY_SHOWN],
            each.type.split(".")[1],
            each.authority,
            each.team,
            f"{each.asked_at:%d %b %H:%M}",
            f"{int((each.expires_at - now).total_seconds() // 60)} min",
        )
        for each in found
    ]
    show_table(("review", "kind", "authority", "team", "asked", "left"), rows)


@app.command()
def show(
    review: Key, score: Annotated[bool, typer.Option("--score", help="what the matcher makes of it, too")] = False
) -> None:
    """Both records side by side, without the score. This shows who it is, and the look is written down."""

    async def work(connection: AsyncConnection, given: Settings) -> tuple[Review, list[Any]]:
        sealer = keyring(given)
        found = await _find(connection, sealer, review)
        entries = [
            entry
            for child in sorted(await deciding.of_teams(connection, found, None))
            if (entry := await children.find(connection, sealer, child))
        ]
        about = f"event/{found.about.event_key}"
        detail = {"reason": "deciding-a-possible-match", "children": [entry.child_id for entry in entries]}
        detail["showed"] = ["both-records", "score"] if score else ["both-records"]
        await audit.record(connection, audit.What.REVIEW_VIEWED, who=WHO, about=about, at=utc_now(), detail=detail)
        return found, entries

    found, entries = _in_transaction(work)
    typer.echo(
        f"{found.about.state}, {found.about.team} team, {found.about.type}, until {found.about.expires_at:%d %b %H:%M %Z}"
    )
    said = [("", found.about.feed, *[entry.child_id for entry in entries])]
    rows = [
        (field, *[_text(getattr(known, field)) for known in (found.person, *entries)])
        for field in Person.model_fields
        if field not in ("date_of_birth_is", "identity_reliable")
    ]
    show_table(said[0], [row for row in rows if any(row[1:])])
    if score:
        for candidate in found.decision.candidates:
            typer.echo(f"{candidate.child}: {candidate.probability:.3f} ({candidate.weight:+.1f} bits)")
        for reason in found.decision.why:
            typer.echo(f"  {reason}")


@app.command()
def decide(
    review: Key,
    decision: Annotated[Is, typer.Argument(help="same or different")],
    child: Annotated[str | None, typer.Argument(metavar="CHILD", help="with 'same': whose id it is")] = None,
    why: Why = "",
) -> None:
    """The same child pages the team at once, within the window; not the same is remembered for each pair that was asked about."""
    if not why or (decision is Is.SAME) != (child is not None):
        typer.echo(
            "Write: reviews decide REVIEW same CHILD --why …, or: reviews decide REVIEW different --why …", err=True
        )
        raise typer.Exit(2)

    async def work(connection: AsyncConnection, given: Settings) -> Decided:
        sealer = keyring(given)
        key = (await _find(connection, sealer, review)).about.event_key
        told: dict[str, Any] = {"who": WHO, "why": why, "teams": None, "at": utc_now()}
        if child is None:
            return await deciding.different(connection, sealer, key, **told)
        return await deciding.same(connection, sealer, key, child, **told)

    done = _in_transaction(work)
    if done.verdict is Verdict.ALREADY:
        refuse(f"It was decided before: {done.state}, by {done.by or 'nobody'}. Nothing was changed.")
    if done.verdict is Verdict.NO_CANDIDATE:
        refuse("It was not asked about that child, or the child is off the list: 'reviews show' names those it may be.")
    typer.echo(SAYS[done.verdict])
    if done.verdict in (Verdict.DIFFERENT, Verdict.HANDED_ON) and not done.remembered:
        typer.echo("Everything that was said fits the child too: the next such event will be asked about again.")


@app.command()
def reopen(review: Key, why: Why) -> None:
    """ "Not the same" was wrong: the pairs are forgotten, and within the window the question is open again."""

    async def work(connection: AsyncConnection, given: Settings) -> Decided:
        sealer = keyring(given)
        key = (await _find(connection, sealer, review)).about.event_key
        return await deciding.reopen(connection, sealer, key, who=WHO, why=why, at=utc_now())

    done = _in_transaction(work)
    if done.verdict is not Verdict.REOPENED:
        refuse(
            f"Only 'not the same' can be taken back, and this one is: {done.state}. To undo a match: 'reviews undo PAGE'."
        )
    typer.echo(f"The pairs are forgotten; the review is {done.state}.")


@app.command()
def undo(
    page: Annotated[str, typer.Argument(metavar="PAGE|REFERENCE", help="as the text says it, K7Q4")],
    why: Why,
) -> None:
    """It was another child: the page is recalled with a text to whoever was told, and the pair is remembered."""

    async def work(connection: AsyncConnection, given: Settings) -> undoing.Undone:
        found = await undoing.page_named(connection, page)
        if found is None:
            return undoing.Undone(Undo.UNKNOWN)
        return await undoing.undo(connection, keyring(given), found, who=WHO, why=why, at=utc_now())

    done = _in_transaction(work)
    match done.undo:
        case Undo.UNKNOWN:
            refuse("There is no such page: give its id, or the reference of its text.")
        case Undo.ALREADY:
            refuse(f"Page {done.reference} tells of nobody any more: it was taken back, or cancelled, before.")
        case Undo.RECORDED:
            typer.echo(f"Page {done.reference} had ended: it is written down and remembered, and nobody is texted.")
        case Undo.RECALLED:
            typer.echo(f"Page {done.reference} is recalled: whoever was told of it is being told so.")


SAYS = {
    Verdict.PAGED: "The same child: the team is being paged.",
    Verdict.JOINED: "The same child: added to the page that is open for them.",
    Verdict.CONFIRMED: "The same child: the team had been paged as possible, and the page is sure now.",
    Verdict.LATE: "The same child, and the window is over: written down, nobody is paged.",
    Verdict.NOT_WATCHED: "Nobody watches over this child any more: written down, nobody is paged.",
    Verdict.DIFFERENT: "Not the same: remembered.",
    Verdict.HANDED_ON: "Not the same: remembered. It may be a child of another team, who is asked now.",
}


async def _find(connection: AsyncConnection, sealer: Any, start: str) -> Review:
    keys = await reviews.keys_like(connection, start.lower())
    if len(keys) > 1:
        refuse("Several reviews begin so: write more of it.")
    found = await reviews.find(connection, sealer, keys[0]) if keys else None
    if found is None:
        refuse("There is no such review: 'nightlight reviews list' shows those that wait.")
    return found


def _in_transaction(work: Any) -> Any:
    try:
        return in_transaction(work)
    except SealBroken:
        refuse("A record of it does not open with the keys of this house: see NIGHTLIGHT_KEYRING_FILE.")


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value or "")
