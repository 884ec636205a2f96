"""Why a request was refused, as the sender reads it: `application/problem+json` (RFC 9457), and never a value of theirs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from schemas.base import Shape
from schemas.web import CLOSED

MEDIA_TYPE: Final = "application/problem+json"
MOST_FINDINGS: Final = 50
"""A batch of 500 bad events is one mistake made 500 times: the first findings say it."""


class Reason(StrEnum):
    """Why: a closed list, so it is the metric's label and the end of the problem's `type` too."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    NOT_YOURS = "not-yours"
    NOT_AGREED = "not-agreed"
    NO_SUCH_PAGE = "no-such-page"
    NO_SUCH_METHOD = "no-such-method"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "media-type"
    INVALID = "invalid"
    TOO_FAST = "too-fast"
    FAILED = "failed"
    KAFKA_AWAY = "kafka-away"
    STARTING = "starting"


STATUS: Final[Mapping[Reason, HTTPStatus]] = {
    Reason.MALFORMED: HTTPStatus.BAD_REQUEST,
    Reason.UNKNOWN_KEY: HTTPStatus.UNAUTHORIZED,
    Reason.NOT_YOURS: HTTPStatus.FORBIDDEN,
    Reason.NOT_AGREED: HTTPStatus.FORBIDDEN,
    Reason.NO_SUCH_PAGE: HTTPStatus.NOT_FOUND,
    Reason.NO_SUCH_METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.TOO_FAST: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
    Reason.KAFKA_AWAY: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.STARTING: HTTPStatus.SERVICE_UNAVAILABLE,
}

TITLES: Final[Mapping[Reason, str]] = {
    Reason.MALFORMED: "The body cannot be read",
    Reason.UNKNOWN_KEY: "No key, or not a key in force",
    Reason.NOT_YOURS: "Not a source, type or authority of this key",
    Reason.NOT_AGREED: "No sharing agreement in force",
    Reason.NO_SUCH_PAGE: "There is nothing at this address",
    Reason.NO_SUCH_METHOD: "This address does not take this method",
    Reason.TOO_LARGE: "The body is too large",
    Reason.MEDIA_TYPE: "Not a content type that is taken here",
    Reason.INVALID: "The event is not as the contract says",
    Reason.TOO_FAST: "Too many events at once",
    Reason.FAILED: "Something failed on our side",
    Reason.KAFKA_AWAY: "Events cannot be kept just now",
    Reason.STARTING: "Not ready yet",
}


class Finding(Shape):
    """One thing that is wrong. `path` is where (`data.person.date_of_birth`, in a batch `[3].data…`), `message` what to do."""

    path: str
    message: str


class Problem(Shape):
    """The body of every refusal (RFC 9457). `errors` comes with 422."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Finding, ...] | None = None


@dataclass(eq=False)
class Refused(Exception):
    """A request that is not taken. `detail` and `errors` are ours alone: they never hold what was sent.

    `retry_after` is in seconds, for the refusals that pass.
    """

    reason: Reason
    detail: str
    errors: Sequence[Finding] = ()
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.reason is Reason.UNKNOWN_KEY:
            headers["WWW-Authenticate"] = 'Bearer realm="nightlight"'
        return headers


def invalid(errors: Sequence[Finding]) -> Refused:
    """A 422 with what is wrong, field by field."""
    return Refused(Reason.INVALID, "Nothing was taken: mend what `errors` names, and send it again.", errors)


def answer(refusal: Refused) -> JSONResponse:
    """The refusal as the sender gets it."""
    status = STATUS[refusal.reason]
    problem = Problem(
        type=f"urn:nightlight:problem:{refusal.reason}",
        title=TITLES[refusal.reason],
        status=status,
        detail=refusal.detail,
        errors=tuple(refusal.errors[:MOST_FINDINGS]) or None,
    )
    return JSONResponse(problem.model_dump(exclude_none=True), status, refusal.headers, MEDIA_TYPE)


def answer_with_problems(app: FastAPI, elsewhere: Mapping[str, Callable[[Refused], Response]] = {}) -> None:
    """Make every refusal of `app` a problem document: ours, the framework's (404, 405) and a fault of our own (500).

    `elsewhere`: paths below which another language is spoken, and how a refusal is said in it.
    """

    def say(request: Request, refusal: Refused) -> Response:
        for path, said in elsewhere.items():
            if request.url.path == path or request.url.path.startswith(f"{path}/"):
                return said(refusal)
        return answer(refusal)

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)  # noqa: S101 - it is registered for this type
        response = say(request, _from_framework(problem.status_code))
        response.headers.update(problem.headers or {})  # Allow, with 405
        return response

    @app.exception_handler(Exception)
    async def fail(request: Request, problem: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
        response = say(
            request,
            Refused(Reason.FAILED, "Send it again in a while: the same source and id count once.", retry_after=5),
        )
        response.headers.update(CLOSED)  # a fault is answered outside of the app's own layers
        return response


def _from_framework(status: int) -> Refused:
    known: dict[int, tuple[Reason, str]] = {
        404: (Reason.NO_SUCH_PAGE, "Events go to POST /v1/events; /docs says how."),
        405: (Reason.NO_SUCH_METHOD, "Events go to POST /v1/events; /docs says how."),
    }
    return Refused(*known.get(status, (Reason.MALFORMED, "The request cannot be read.")))


def documented(*reasons: Reason) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these refusals: their titles, the Problem document, and the headers they carry."""
    schema = {"$ref": "#/components/schemas/Problem"}
    answers: dict[int | str, dict[str, Any]] = {}
    for reason in reasons:
        said: dict[str, Any] = {"description": TITLES[reason], "content": {MEDIA_TYPE: {"schema": schema}}}
        if reason in (Reason.TOO_FAST, Reason.KAFKA_AWAY):
            said["headers"] = {"Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}}
        answers[int(STATUS[reason])] = said
    return answers
