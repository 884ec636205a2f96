"""The forms: for a sergeant, a nurse or a school office without a system of their own. They work without JavaScript, keep nothing
in the browser, put nothing into an address, and end in the same acceptance as every other door."""

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from connectors.acceptance import check_events, check_whose
from connectors.door import Door, Knock, count_refused, knocking, read_body
from connectors.forms import references
from connectors.forms.fields import BY_SLUG, PAGES, Kind, Page
from connectors.forms.reading import Answers, Filled
from connectors.forms.screens import PREFIX, Screens
from connectors.forms.session import Session, Sessions, check_origin
from connectors.problems import STATUS, Reason, Refused
from schemas.envelope import Envelope
from schemas.london import LONDON
from store.rights import Agency

DOOR: Final = "form"
MOST_FIELDS: Final = 200


def router(door: Door, screens: Screens, random: Callable[[int], bytes] = os.urandom) -> APIRouter:
    """Every address of the forms. None is in the OpenAPI document: they are for people."""
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)
    desk = _Desk(door, screens, Sessions(door), random)

    @routes.get("/static/form.css")
    async def style() -> Response:
        return Response(screens.style, media_type="text/css", headers={"Cache-Control": "public, max-age=86400"})

    @routes.get("")
    async def choose(request: Request) -> Response:
        return desk.choose(request)

    @routes.post("")
    async def sign_in(request: Request) -> Response:
        return await desk.guarded(request, desk.sign_in)

    @routes.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        return await desk.guarded(request, desk.sign_out)

    @routes.get("/{slug}")
    async def ask(slug: str, request: Request) -> Response:
        return desk.ask(request, slug)

    @routes.post("/{slug}")
    async def take(slug: str, request: Request) -> Response:
        return await desk.guarded(request, desk.take, slug)

    return routes


class _Desk:
    """Behind the addresses."""

    def __init__(self, door: Door, screens: Screens, sessions: Sessions, random: Callable[[int], bytes]) -> None:
        self._door = door
        self._screens = screens
        self._sessions = sessions
        self._random = random

    async def guarded(self, request: Request, handle: Callable[..., Any], *more: Any) -> Response:
        """Read what was posted and hand it on; refusals are counted, and said as a page."""
        try:
            with knocking(self._door) as knock:
                check_origin(request)
                answer: Response = await handle(request, await _read(request), knock, *more)
        except Refused as refusal:
            return self._screens.refuse(refusal)
        return answer

    def choose(self, request: Request) -> Response:
        session = self._sessions.find(request)
        if session is None:
            return self._screens.show("sign_in.html", problem="", kept=(), action=PREFIX)
        pages = [page for page in PAGES if page.type in session.agency.types]
        return self._shown(request, session, "list.html", pages=pages)

    async def sign_in(self, request: Request, answers: Answers, knock: Knock) -> Response:
        try:
            session = await self._session_of_key(answers, knock)
        except Refused as refusal:
            if refusal.reason is not Reason.UNKNOWN_KEY:
                raise
            return self._ask_for_key(knock, answers, PREFIX, ())
        answer = RedirectResponse(PREFIX, 303)
        self._sessions.put(request, answer, session)
        return answer

    async def sign_out(self, request: Request, answers: Answers, _: Knock) -> Response:
        if session := self._sessions.find(request):
            self._sessions.check_token(session, _one(answers, "token"))
        answer = self._screens.show("told.html", heading="You have signed out", lines=())
        self._sessions.end(request, answer)
        return answer

    def ask(self, request: Request, slug: str) -> Response:
        session = self._sessions.find(request)
        if session is None:
            return RedirectResponse(PREFIX, 303)
        try:
            page = _page(slug, session.agency)
        except Refused as refusal:
            return self._screens.refuse(refusal)
        return self._form(
            request,
            session,
            page,
            _today(page, self._door.clock()),
            id=references.make(self._door.sealer, self._random),
        )

    async def take(self, request: Request, answers: Answers, knock: Knock, slug: str) -> Response:
        """A form that was filled in. If its writer was signed out meanwhile, the key is asked for and nothing they wrote is lost."""
        session = self._sessions.find(request)
        if session is None:
            kept = [
                (name, value) for name, values in answers.items() if name not in ("key", "token") for value in values
            ]
            try:
                session = await self._session_of_key(answers, knock)
            except Refused as refusal:
                if refusal.reason is not Reason.UNKNOWN_KEY:
                    raise
                return self._ask_for_key(knock, answers, f"{PREFIX}/{_page(slug, None).slug}", kept)
        else:
            self._sessions.check_token(session, _one(answers, "token"))
            knock.feed = session.agency.name
        page = _page(slug, session.agency)
        # The page came with its reference: sent twice, by an impatient hand or a poor line, it is one event.
        id_ = references.read(self._door.sealer, _one(answers, "id")) or references.make(
            self._door.sealer, self._random
        )
        filled = Filled(page, answers, self._door.clock(), self._door.sealer)
        envelope = self._envelope(filled, session.agency, id_)
        if envelope is None:
            self._refused(knock, Reason.INVALID)
            again = {"id": id_, "problems": filled.problems, "doubted": filled.doubted}
            return self._form(request, session, page, answers, status=STATUS[Reason.INVALID], **again)
        self._door.doorkeeper.admit(session.agency)
        await knock.keep([envelope], session.agency)
        clock = f"{envelope.received_at.astimezone(LONDON):%H:%M:%S on %-d %B %Y}"
        trial = bool(filled.one("trial"))
        return self._shown(request, session, "sent.html", status=202, id=envelope.id, clock=clock, trial=trial)

    def _envelope(self, filled: Filled, agency: Agency, id_: str) -> Envelope | None:
        """The event in its envelope; None after noting what is wrong with which field."""
        told = filled.told(agency, id_)
        if filled.problems:
            return None
        try:
            known = check_whose([told], agency)
            checked = check_events(known, agency, entrance=DOOR, mode=self._door.mode, received_at=self._door.clock())
        except Refused as refusal:
            if refusal.reason is not Reason.INVALID:
                raise
            filled.note(refusal.errors)
            return None
        return checked[0]

    async def _session_of_key(self, answers: Answers, knock: Knock) -> Session:
        key = _one(answers, "key").strip()
        agency = await knock.recognise(f"Bearer {key}")
        return self._sessions.begin(agency, key)

    def _ask_for_key(self, knock: Knock, answers: Answers, action: str, kept: Any) -> Response:
        """The page that asks for the key, with a problem if one was given."""
        status, problem = STATUS[Reason.UNKNOWN_KEY], ""
        if _one(answers, "key"):
            self._refused(knock, Reason.UNKNOWN_KEY)
            problem = "This key is not known, or it has ended"
        return self._screens.show("sign_in.html", status=status, problem=problem, kept=kept, action=action)

    def _refused(self, knock: Knock, reason: Reason) -> None:
        count_refused(knock.feed, reason, self._door)

    def _form(self, request: Request, session: Session, page: Page, answers: Answers, **values: Any) -> Response:
        again = self._sessions.again(session)
        answer = self._screens.form(page, answers, who=session.agency.name, token=self._sessions.token(again), **values)
        self._sessions.put(request, answer, again)
        return answer

    def _shown(self, request: Request, session: Session, name: str, **values: Any) -> Response:
        again = self._sessions.again(session)
        answer = self._screens.show(name, who=session.agency.name, token=self._sessions.token(again), **values)
        self._sessions.put(request, answer, again)
        return answer


def _page(slug: str, agency: Agency | None) -> Page:
    """Raises Refused: there is none, or this agency may not send it (which is the same to it)."""
    page = BY_SLUG.get(slug)
    if page is None or (agency is not None and page.type not in agency.types):
        raise Refused(Reason.NO_SUCH_PAGE, "")
    return page


def _today(page: Page, now: datetime) -> Answers:
    """What a form comes with: today, wherever something has just happened. Never a time of day: that would be a guess."""
    today = now.astimezone(LONDON)
    parts = {"day": today.day, "month": today.month, "year": today.year}
    asked = [each.name for each in page.place if each.required and each.kind is Kind.WHEN]
    return {f"{name}-{part}": [str(value)] for name in asked for part, value in parts.items()}


async def _read(request: Request) -> Answers:
    """What a form posted. Raises Refused: not a form, too large, not UTF-8."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(Reason.MEDIA_TYPE, "Open the form again, and send it from there.")
    body = await read_body(request)
    try:
        answers = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refused(Reason.MALFORMED, "Open the form again, and send it from there.") from None
    if "%00" in body.decode() or "\0" in body.decode():
        raise Refused(Reason.MALFORMED, "Open the form again, and send it from there.")
    return answers


def _one(answers: Answers, name: str) -> str:
    return next(iter(answers.get(name, ())), "")
