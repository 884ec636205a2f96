"""An answer that is lost on its way back, whatever was done."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from embedded.behaviour import Mode

CUT = frozenset({Mode.LOST_REPLY, Mode.LOST_SILENT})


class CutOff(Response):
    """An answer that breaks off in the middle: the headers promise more than comes, and the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"sid": "', "more_body": True})
