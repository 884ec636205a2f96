"""Did Twilio send this? Its signature, checked in constant time, against the current and the next token (reliability R22).

The SDK's own `validate` compares letter by letter in Python; only its computing is used here.
"""

import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlparse

from twilio.request_validator import RequestValidator, add_port, remove_port

from notifiers.sms import RETRY_CALLBACKS
from schemas.settings import Settings


def tokens_of(settings: Settings) -> tuple[str, ...]:
    """The tokens that may have signed: the current one, and the next one while it is being changed."""
    held = (settings.twilio_auth_token, settings.twilio_next_auth_token)
    return tuple(token.get_secret_value() for token in held if token is not None)


def is_signed(url: str, fields: Mapping[str, str], signature: str, tokens: Iterable[str]) -> bool:
    """Is `signature` Twilio's over this public address and these form fields, by one of the tokens? No token: no.

    Twilio signs some addresses with their port and some without: both are tried (twilio-python, RequestValidator). And
    what stands in for Twilio may sign the address as we gave it, with the fragment that a request never carries.
    Every candidate is computed and compared whatever the others were, so the time taken says nothing.
    """
    addresses = (urlparse(url), urlparse(url + RETRY_CALLBACKS))
    candidates = [form(address) for address in addresses for form in (remove_port, add_port)]
    good = False
    for token in tokens:
        validator = RequestValidator(token)
        for candidate in candidates:
            expected = validator.compute_signature(candidate, dict(fields))
            good |= hmac.compare_digest(expected.encode(), signature.encode())
    return good
