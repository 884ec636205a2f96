"""What stands in front of every route: where a request comes from, how large it is, and the headers of every answer."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.settings import Settings
from schemas.web import CLOSED

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST_BODY = 64 * 1024  # a form, or what Twilio posts: a few hundred bytes

KEPT = ("Cache-Control",)
"""A route may say otherwise: a style sheet may be kept."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def headers(settings: Settings) -> dict[str, str]:
    """The headers of every answer, 404 and 500 among them (ASVS 5.0, 3.4)."""
    always = {**CLOSED, "Content-Security-Policy": POLICY, "X-Robots-Tag": "noindex"}
    if is_https(settings):
        return {**always, "Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
    return always


def is_https(settings: Settings) -> bool:
    return settings.base_url.startswith("https://")


def refusal(method: str, sent: Headers, home: str) -> tuple[int, str] | None:
    """Why a request may not pass, as status and one sentence; None if it may. `home` is our own host and port.

    A browser says where a form comes from: in Sec-Fetch-Site, or on older phones in Origin. Providers' webhooks say neither,
    and are signed instead. "null" is what a browser makes of Origin under our own no-referrer policy: it says nothing.
    """
    if method in SAFE:
        return None
    if "transfer-encoding" in sent:
        return 411, "Say how long the body is."
    length = sent.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        return 413, "That is too large."
    site, origin = sent.get("sec-fetch-site"), sent.get("origin", "null")
    if site is not None and site not in ("same-origin", "none"):
        return 403, "That form is on another site. Open the page here, and try again."
    if origin != "null" and urlsplit(origin).netloc.lower() not in (home, sent.get("host", "").lower()):
        return 403, "That form is on another site. Open the page here, and try again."
    return None


class Guard:
    """Refuses what may not pass, and puts the headers on whatever is answered."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._headers: Mapping[str, str] = headers(settings)
        self._home = urlsplit(settings.base_url).netloc.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                given.update(
                    {name: value for name, value in self._headers.items() if name not in KEPT or name not in given}
                )
            await send(message)

        refused = refusal(scope["method"], Headers(scope=scope), self._home)
        if refused:
            status, sentence = refused
            await PlainTextResponse(sentence + "\n", status_code=status)(scope, receive, closed)
            return
        await self._app(scope, receive, closed)
