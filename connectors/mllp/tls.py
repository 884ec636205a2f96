"""TLS for the MLLP door: our certificate, and theirs, which must be signed by the authority that we name."""

import contextlib
import ipaddress
import ssl
from pathlib import Path

from schemas.settings import BadSettings, Mode, Settings


def context(settings: Settings) -> ssl.SSLContext | None:
    """What to serve with; None to serve without TLS, where that may be.

    Without TLS any machine on the way can read and write, and MSH-3 is whatever somebody types: in `live` mode that is for
    this machine alone, unless a proxy ends the TLS and the operator says so.

    Raises:
        BadSettings: one file of three without the others, one that cannot be read, or no TLS where there must be.
    """
    files = (settings.mllp_certificate_file, settings.mllp_key_file, settings.mllp_client_ca_file)
    certificate, key, authority = (_said(path) for path in files)
    if not (certificate or key or authority):
        _may_be_plain(settings)
        return None
    if not (certificate and key and authority):
        raise BadSettings(
            "NIGHTLIGHT_MLLP_CERTIFICATE_FILE, _KEY_FILE or _CLIENT_CA_FILE is not set, or its file is empty: TLS at the MLLP "
            "door needs all three."
        )
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_mode = ssl.CERT_REQUIRED
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        made.load_verify_locations(authority)
        made.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as problem:
        raise BadSettings(
            f"NIGHTLIGHT_MLLP_CERTIFICATE_FILE, _KEY_FILE or _CLIENT_CA_FILE cannot be used ({type(problem).__name__}): "
            "they are PEM files, the key belongs to the certificate, and this user may read them."
        ) from problem
    return made


def _said(path: Path | None) -> Path | None:
    """An empty file says nothing: what is mounted for everybody need not be filled by everybody."""
    with contextlib.suppress(OSError):
        return path if path is not None and path.stat().st_size else None
    return path  # it is not there, and that will be said


def _may_be_plain(settings: Settings) -> None:
    if settings.mode is Mode.REHEARSAL or settings.mllp_plain or _is_here(settings.mllp_host):
        return
    raise BadSettings(
        "NIGHTLIGHT_MLLP_CERTIFICATE_FILE is not set: in live mode HL7 from other machines comes over TLS. Set it with its key "
        "and client CA, listen on 127.0.0.1 alone, or set NIGHTLIGHT_MLLP_PLAIN=true if a proxy beside it ends the TLS."
    )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
