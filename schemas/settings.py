"""Every setting, once, typed. docs/settings.md is made from this file."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from schemas.standins import REAL, is_stand_in

PREFIX = "NIGHTLIGHT_"

_POSTGRES = re.compile(r"postgres(ql)?(\+\w+)?://([^:/]*(:[^@]*)?@)?(\[[\da-fA-F:.]+\]|[^/:@?]*)(:\d+)?([/?].*)?")


class Mode(StrEnum):
    """`rehearsal` takes made-up phones and children only, and ends every channel on the screen. `live` is live."""

    REHEARSAL = "rehearsal"
    LIVE = "live"


class BadSettings(Exception):
    """A setting is missing or wrong. The message names it and says what to do."""


class Settings(BaseModel):
    """Read from the environment with `read`. A `_FILE` suffix reads the value from a file instead."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    kafka: str | None = Field(
        None, description="Kafka bootstrap servers, `host:port` with commas between. Unset: the embedded broker."
    )
    kafka_security_protocol: str = Field("PLAINTEXT", description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.")
    kafka_sasl_mechanism: str | None = Field(None, description="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.")
    kafka_sasl_username: str | None = Field(None, description="User at the Kafka cluster.")
    kafka_sasl_password: SecretStr | None = Field(None, description="Password at the Kafka cluster.")
    kafka_ca_file: Path | None = Field(None, description="Certificate authority of the Kafka cluster (PEM).")
    kafka_partitions: Annotated[int, Field(ge=1, le=1000)] = Field(
        12, description="Partitions of each topic when `nightlight topics` makes it."
    )
    kafka_replication: Annotated[int, Field(ge=1, le=9)] = Field(
        1, description="Copies of each topic; 3 on a real cluster."
    )
    kafka_session_seconds: Annotated[float, Field(ge=1, le=300)] = Field(
        6,
        description="After how long a silent worker is given up. The broker's `group.min.session.timeout.ms` is its floor.",
    )
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or newer, `postgresql://…`. Unset: the embedded one in `DATA_DIR`."
    )
    data_dir: Path = Field(Path(".nightlight"), description="Where the embedded broker, database and keyring live.")
    twilio_account_sid: str | None = Field(None, description="Twilio account, for texts and calls.")
    twilio_auth_token: SecretStr | None = Field(None, description="Twilio's token; its callbacks are signed with it.")
    twilio_next_auth_token: SecretStr | None = Field(
        None, description="The next token while it is being changed: both are accepted."
    )
    twilio_from: str | None = Field(
        None, description="The number that texts come from (E.164). It must be able to take replies."
    )
    twilio_api: str = Field(
        "https://api.twilio.com", description="Where Twilio is. A test or a rehearsal names another address."
    )
    notify_api_key: SecretStr | None = Field(None, description="GOV.UK Notify key, the second SMS provider.")
    notify_template_id: str | None = Field(None, description="GOV.UK Notify template with the one field `((text))`.")
    notify_api: str = Field("https://api.notifications.service.gov.uk", description="Where GOV.UK Notify is.")
    notify_callback_token: SecretStr | None = Field(
        None,
        description="The bearer token that GOV.UK Notify is told to send with its callbacks. Unset: none is taken.",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server, `smtps://user:password@host:465` or `smtp://…:587` (STARTTLS): the last resort channel.",
    )
    smtp_from: str | None = Field(
        None, description="The address that mails come from. Unset: `nightlight@` and the host of `PUBLIC_URL`."
    )
    webhook_urls: SecretStr | None = Field(
        None,
        description="Where the channel `webhook` posts for each team's chat: `Islington=https://…`, one a line; `*` is every other team.",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signs what is posted to a team's chat (header `X-Nightlight-Signature`). Unset: not signed."
    )
    mode: Mode = Field(Mode.REHEARSAL, description="`rehearsal` (made-up phones and children only) or `live`.")
    public_url: str | None = Field(
        None,
        description="The address at which phones and providers reach the desk. Unset: the desk's own address on this machine.",
    )
    keyring_file: Path | None = Field(
        None,
        description="The keys that seal payloads and identifiers. Unset: `DATA_DIR/keyring.json`, made on first start.",
    )
    matcher_file: Path | None = Field(
        None,
        description="The model to match with, as `nightlight model fit` writes it: try it first. Unset: the one of this version.",
    )
    keep_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="Days for which moments and reviews that are over are kept; then they are erased with all that hangs on them.",
    )
    heartbeat_url: str | None = Field(
        None, description="Outside dead-man's switch, pinged only while the auditor finds nothing wrong."
    )
    gateway_url: str | None = Field(
        None, description="Where the auditor tells of the synthetic child, every minute: the gateway. Unset: no probe."
    )
    inbox: Path | None = Field(
        None, description="The watched folder: files dropped in it, or in `AGENCY/` below it. Unset: `DATA_DIR/inbox`."
    )
    inbox_keep_days: Annotated[int, Field(ge=1, le=90)] = Field(
        30, description="Days until what is left in the inbox (refused rows that nobody mended, summaries) is removed."
    )
    mllp_listen: str = Field(
        "127.0.0.1:2575", description="`host:port` at which `nightlight mllp` takes HL7 v2 messages."
    )
    mllp_certificate_file: Path | None = Field(
        None, description="The MLLP door's own certificate and chain (PEM). With it the door takes TLS alone."
    )
    mllp_key_file: Path | None = Field(None, description="The private key of that certificate (PEM).")
    mllp_client_ca_file: Path | None = Field(
        None, description="Who signs the certificates of HL7 senders (PEM): with TLS every sender must show one."
    )
    mllp_plain: bool = Field(
        False,
        description="Take HL7 without TLS in `live` mode, from other machines too: for a proxy beside it that ends the TLS.",
    )
    mllp_idle_seconds: Annotated[float, Field(ge=1, le=86_400)] = Field(
        3600, description="After how long without a message an HL7 sender's connection is closed."
    )
    listen: str = Field(
        "127.0.0.1:8080", description="`host:port` this process serves on: health, metrics, and what it is for."
    )

    @field_validator("twilio_api", "notify_api", "public_url", "heartbeat_url", "gateway_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https address")
        return value.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _mail_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
                raise ValueError("must be an address as smtps://user:password@host:465 or smtp://host:587")
        return value

    @field_validator("webhook_urls")
    @classmethod
    def _addresses_of_chats(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_webhooks(value)
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _POSTGRES.fullmatch(value.get_secret_value()):
            raise ValueError("must be an address as postgresql://user:password@host:5432/database")
        return value

    @field_validator("listen", "mllp_listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError("must be host:port, for example 0.0.0.0:8080")
        return value

    @model_validator(mode="after")
    def _rehearsal_reaches_nobody(self) -> Self:
        if (
            self.mode is Mode.REHEARSAL
            and self.twilio_account_sid
            and urlsplit(self.twilio_api).hostname == "api.twilio.com"
        ):
            raise ValueError(
                "TWILIO_ACCOUNT_SID is set while MODE is rehearsal, which may not reach a real phone: "
                "set NIGHTLIGHT_MODE=live, or point NIGHTLIGHT_TWILIO_API at a stand-in"
            )
        if self.mode is Mode.REHEARSAL and self.notify_api_key and urlsplit(self.notify_api).hostname in REAL:
            raise ValueError(
                "NOTIFY_API_KEY is set while MODE is rehearsal, which may not reach a real phone: "
                "set NIGHTLIGHT_MODE=live, or point NIGHTLIGHT_NOTIFY_API at a stand-in"
            )
        smtp = self.smtp_url.get_secret_value() if self.smtp_url else "smtp://localhost"
        if self.mode is Mode.REHEARSAL and not is_stand_in(urlsplit(smtp).hostname):
            raise ValueError(
                "SMTP_URL names a real mail server while MODE is rehearsal, which may not reach anybody: "
                "set NIGHTLIGHT_MODE=live, or name one on this machine"
            )
        chats = [urlsplit(url) for url in self.webhooks.values()]
        if self.mode is Mode.REHEARSAL and not all(is_stand_in(chat.hostname) for chat in chats):
            raise ValueError(
                "WEBHOOK_URLS names a real address while MODE is rehearsal, which may not reach anybody: "
                "set NIGHTLIGHT_MODE=live, or name one on this machine"
            )
        if self.mode is Mode.LIVE and not all(chat.scheme == "https" for chat in chats):
            raise ValueError("WEBHOOK_URLS holds an http address: name https ones only")
        return self

    @property
    def webhooks(self) -> dict[str, str]:
        """The address of each team's chat; `*` for every team that is not named."""
        return read_webhooks(self.webhook_urls) if self.webhook_urls else {}

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def mllp_host(self) -> str:
        return self.mllp_listen.rpartition(":")[0].strip("[]")

    @property
    def mllp_port(self) -> int:
        return int(self.mllp_listen.rpartition(":")[2])

    @property
    def inbox_path(self) -> Path:
        return self.inbox or self.data_dir / "inbox"

    @property
    def keyring_path(self) -> Path:
        return self.keyring_file or self.data_dir / "keyring.json"

    @property
    def base_url(self) -> str:
        """The address in links and callbacks, without a slash at its end."""
        return self.public_url or f"http://{self.listen}"

    def need(self, name: str) -> str:
        """The value of a setting that this command cannot do without. Raises BadSettings naming it."""
        value = getattr(self, name)
        if value is None:
            what = type(self).model_fields[name].description or ""
            raise BadSettings(
                f"{PREFIX}{name.upper()} is not set ({what.split('.')[0]}): set it, or run 'nightlight up', which brings its own."
            )
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def read_webhooks(value: SecretStr) -> dict[str, str]:
    """Team → address, from lines (or parts between `;`) of `team=https://…`. Raises ValueError, which repeats no address."""
    found = {}
    for line in filter(None, (part.strip() for part in re.split(r"[\n;]", value.get_secret_value()))):
        team, given, url = (part.strip() for part in line.partition("="))
        parts = urlsplit(url)
        if not team or not given or parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("must be lines of team=https://address, without a user in the address")
        found[" ".join(team.split())] = url
    return found


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises BadSettings with one sentence that names the first bad one."""
    try:
        return Settings.model_validate(dict(_given(environment)))
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise BadSettings(f"{PREFIX}{name}: {first['msg'].removeprefix('Value error, ')}.") from problem


def _given(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    given = []
    for field in Settings.model_fields:
        name = PREFIX + field.upper()
        path = environment.get(f"{name}_FILE")
        # An empty file is no value: an empty token would be a key with which anybody can sign.
        if value := environment.get(name) or (_from_file(name, Path(path)) if path else ""):
            given.append((field, value))
    return given


def _from_file(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as problem:
        raise BadSettings(
            f"{name}_FILE names {path}, which cannot be read ({problem.strerror}): mend the path or its permissions."
        ) from problem
