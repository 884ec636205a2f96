"""One hospital and its messages: made-up people, a sender's table, a listener with a shelf in Kafka's place."""

import itertools
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from connectors.door import Door
from connectors.doorkeeper import Doorkeeper
from connectors.hl7.header import read_header
from connectors.hl7.message import parse
from connectors.hl7.translate import translate
from connectors.mllp.framing import Frame
from connectors.mllp.known import Peer, Senders
from connectors.mllp.listener import Listener
from connectors.visits.known import Visits
from connectors.visits.reading import Reading
from schemas.metrics import Metrics
from schemas.sealing import Keyring
from schemas.settings import Mode
from store.rights import Agency, expand
from store.senders import Sender
from tests.gateway import Shelf, unreachable

NOW = datetime(2026, 11, 21, 2, 6, 30, tzinfo=UTC)
SAMPLES = Path(os.environ.get("NIGHTLIGHT_TEST_SAMPLES", Path(__file__).parents[3] / "shared" / "samples")) / "hl7v2"
HERE = Peer("127.0.0.1")

ROYAL = Sender(
    sender="royal", agency="barts", application="PAS", facility="R1H12", site="R1H12", site_name="The Royal London"
)
BARTS = Agency(
    name="barts",
    sources=("barts",),
    types=expand(["nightlight.admission.v1"]),
    authorities=frozenset({"E09000030"}),
)

PID = "PID|1||9990000018^^^NHS^NH~T100^^^R1H^MR||LAMPWICK^ROBIN^JUDE^^MSTR^^L||20100314|1|||12 MADE UP ROAD^^LONDON^^N1 9GU^GBR^H"
NOBODY = "PID|1||T100^^^R1H^MR||UNKNOWN^MALE|||1"


def message(
    event: str = "A04",
    *,
    at: str = "20261121020600",
    control_id: str = "C1",
    processing: str = "P",
    version: str = "2.4",
    pid: str = PID,
    visit: str = "V77",
    patient_class: str = "E",
    ward: str = "RNJ ED",
    arrived: str = "20261121020100",
    left: str = "",
    acknowledge: str = "||",
    charset: str = "",
    more: Iterable[str] = (),
    sender: str = "PAS|R1H12",
) -> bytes:
    """One ADT message. Segments end with CR; the text is UTF-8."""
    pv1 = [""] * 46
    pv1[0:4] = ["PV1", "1", patient_class, f"{ward}^^^R1H12"]
    pv1[19], pv1[44], pv1[45] = visit, arrived, left
    segments = [
        f"MSH|^~\\&|{sender}|NIGHTLIGHT|LBTH|{at}||ADT^{event}|{control_id}|{processing}|{version}|{acknowledge}|||{charset}",
        f"EVN|{event}|{at}||||{at}",
        pid,
        "|".join(pv1).rstrip("|"),
        *more,
    ]
    return "\r".join(segments).encode() + b"\r"


class Hospital:
    """One sender whose messages are translated one after the other, and what is remembered between them."""

    def __init__(self, sender: Sender = ROYAL) -> None:
        self.sender = sender
        self.visits = Visits()
        self.sealer = Keyring.make(lambda count: b"k" * count)

    def sends(self, data: bytes, *, now: datetime = NOW) -> Reading:
        read = parse(data)
        reading = translate(
            read, read_header(read), self.sender, "barts", visits=self.visits, sealer=self.sealer, now=now
        )
        for known in reading.visits:
            self.visits.keep(known)
        return reading

    def says(self, data: bytes) -> list[str]:
        """The short names of the types of event that a message becomes; or why it becomes none."""
        reading = self.sends(data)
        return [said.type.split(".")[1] for said in reading.said] or [str(reading.nothing)]


class DoorKept:
    """A listener with nothing real behind it but the checks."""

    def __init__(self, sender: Sender = ROYAL, agency: Agency = BARTS, mode: Mode = Mode.REHEARSAL) -> None:
        self.shelf = Shelf()
        self.registry = CollectorRegistry()
        self.metrics = Metrics.build(self.registry)
        self.now = NOW
        keeper = Doorkeeper(unreachable(), self.metrics, lambda: self.now)
        self.senders = Senders(unreachable(), lambda: self.now)
        self.senders.know([(sender, agency)])
        numbers = itertools.count(1)
        door = Door(keeper, self.shelf, self.metrics, lambda: self.now, mode, Keyring.make(lambda count: b"k" * count))
        self.listener = Listener(door, self.senders, new_id=lambda: f"N{next(numbers)}")

    async def send(self, data: bytes, peer: Peer = HERE) -> str:
        """The text of the answer."""
        return (await self.listener.answer(Frame(data), peer)).text

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def fields(answer: str, segment: str = "MSA") -> list[str]:
    """A segment of an answer, split at its bars; empty if there is none."""
    found = [line.split("|") for line in answer.split("\r") if line.startswith(segment)]
    assert len(found) <= 1
    return found[0] if found else []


def samples() -> list[Any]:
    """Every message that others wrote; none where they are absent."""
    return sorted(SAMPLES.glob("*/*.hl7"))
