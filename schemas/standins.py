"""Which addresses are this machine's own, or a stand-in's beside it: all that a rehearsal may reach."""

import ipaddress

REAL = frozenset({"api.twilio.com", "api.notifications.service.gov.uk"})
"""The providers' own addresses. A rehearsal never asks them, whatever else is set."""

_MADE_UP = (".localhost", ".test", ".example", ".invalid", "example.com", "example.org", "example.net")
"""Names that belong to nobody (RFC 2606, RFC 6761): no mail and no request to them reaches anybody."""


def is_stand_in(host: str | None) -> bool:
    """This machine, a made-up name, or a name without a dot, as a service beside us in compose has."""
    if not host:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host or is_made_up(host)


def is_made_up(domain: str) -> bool:
    """Does this domain belong to nobody, for good?"""
    return f".{domain.lower().rstrip('.')}".endswith(tuple(f".{name.lstrip('.')}" for name in _MADE_UP))
