"""The rota at an operator's terminal: imported from anywhere, refused where it leaves nobody, covered, drilled, and its phones proven."""

import contextlib
import datetime as dt
import ipaddress
import json
import re
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from commands.calendars import TookTooLong, within
from schemas.base import utc_now
from schemas.london import LONDON
from store.calendars import LARGEST
from tests.terminal import Terminal
from tests.test_calendars import calendar

HEAD = "team,person,role,starts,ends\n"
NOW = utc_now().astimezone(LONDON).replace(second=0, microsecond=0)


def wall(days: float) -> str:
    return f"{NOW + timedelta(days=days):%Y-%m-%d %H:%M}"


def shift(person: str, role: str, starts: float, ends: float) -> str:
    return f"Islington,{person},{role},{wall(starts)},{wall(ends)}\n"


# Imports that leave nobody


def test_a_rota_with_a_hole_in_its_midst_is_refused_and_changes_nothing(settled: Terminal) -> None:
    before = settled.does("rota", "show", "--days", "30")
    rota = settled.file("rota.csv", HEAD + shift("ada", "primary", 0, 3) + shift("bo", "backup", 4, 9))

    said = settled.refuses("rota", "import", rota)

    assert said.startswith("Islington: nobody on call from ")
    assert said.endswith("mend the rota, or import rota.csv again with --force --why 'the reason'.")
    assert settled.does("rota", "show", "--days", "30") == before


def test_a_rota_that_takes_away_who_was_on_call_is_refused(settled: Terminal) -> None:
    whole = settled.file("whole.csv", HEAD + shift("ada", "primary", 0, 20))
    settled.does("rota", "import", whole)

    less = settled.file("less.csv", HEAD + shift("ada", "primary", 0, 2) + shift("bo", "primary", 19, 20))

    assert settled.refuses("rota", "import", less).startswith("Islington: nobody on call from ")


def test_a_rota_that_only_ends_early_is_taken_with_a_word_of_when(settled: Terminal) -> None:
    rota = settled.file("rota.csv", HEAD + shift("ada", "primary", 0, 5))

    said = settled.does("rota", "import", rota).splitlines()

    assert said[0] == "1 shifts are in the rota. 'nightlight rota check' looks for gaps."
    assert re.fullmatch(r"Note: Islington: nobody on call from \S+ \S+ \S+ to \S+ \S+ \S+\.", said[1])


def test_a_rota_without_a_role_that_had_somebody_is_taken_with_a_word_for_each_such_role(settled: Terminal) -> None:
    everybody = "".join(shift(*who, 0, 20) for who in (("ada", "primary"), ("bo", "backup"), ("mo", "manager")))
    settled.does("rota", "import", settled.file("whole.csv", HEAD + everybody))

    alone = settled.file("alone.csv", HEAD + shift("ada", "primary", 0, 20))
    said = settled.does("rota", "import", alone).splitlines()

    assert [line.split(" from ")[0] for line in said[1:]] == [
        "Note: Islington: no backup on call",
        "Note: Islington: no manager on call",
    ]


def test_a_forced_import_is_taken_and_its_reason_and_its_holes_are_audited(settled: Terminal) -> None:
    rota = settled.file("rota.csv", HEAD + shift("ada", "primary", 0, 3) + shift("bo", "backup", 4, 9))

    settled.does("rota", "import", rota, "--force", "--why", "covered by telephone")

    ((detail,),) = settled.rows("SELECT detail FROM audit WHERE what = 'rota-imported' ORDER BY entry DESC LIMIT 1")
    assert isinstance(detail, dict)
    assert detail["forced"] == "covered by telephone"
    assert [sentence.split(" from ")[0] for sentence in detail["nobody"]] == ["Islington: nobody on call"]


def test_a_force_without_a_reason_is_wrong_usage(settled: Terminal) -> None:
    rota = settled.file("rota.csv", HEAD + shift("ada", "primary", 0, 3))

    assert settled("rota", "import", rota, "--force").exit_code == 2


# Calendars


def nights(person: str = "ada") -> str:
    start = NOW - timedelta(days=1)
    return (
        f"DTSTART;TZID=Europe/London:{start:%Y%m%dT%H%M%S}\nDURATION:P1D\nRRULE:FREQ=DAILY\n"
        f"SUMMARY:Islington primary: {person}"
    )


def test_a_calendar_file_is_a_rota(settled: Terminal) -> None:
    path = settled.directory / "rota.ics"
    path.write_bytes(calendar(nights("Bo Marsh")))

    settled.does("rota", "import", str(path))

    assert re.search(r"^Islington +primary +bo ", settled.does("rota", "show", "--days", "9"), re.MULTILINE)


def test_a_calendar_that_is_wrong_is_named_by_line_and_nothing_is_imported(settled: Terminal) -> None:
    path = settled.directory / "rota.ics"
    path.write_bytes(calendar(nights("Zoe Nobody")))

    said = settled.refuses("rota", "import", str(path))

    assert said == (
        "line 4, column person: is not known: import responders first\n"
        "Nothing was imported: mend these and import rota.ics again."
    )


@contextlib.contextmanager
def publishing(directory: Path, answers: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, str]]:
    """An https server on this machine: its address, and the file that says to trust it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # whoever asked may have had enough
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trust, secret = directory / "trust.pem", directory / "secret.pem"
    trust.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trust, secret)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}", str(trust)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def test_a_published_calendar_is_a_rota_and_its_address_is_told_to_nobody(
    settled: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {
        "/private-key/rota.ics": (302, {"Location": "/elsewhere"}, b""),
        "/elsewhere": (200, {"Content-Type": "text/calendar"}, calendar(nights("bo"))),
    }
    with publishing(tmp_path, answers) as (address, trust):
        monkeypatch.setenv("SSL_CERT_FILE", trust)
        settled.does("rota", "import", f"{address.replace('https', 'webcal')}/private-key/rota.ics")

    assert re.search(r"^Islington +primary +bo ", settled.does("rota", "show", "--days", "9"), re.MULTILINE)
    assert "private-key" not in json.dumps(settled.rows("SELECT detail::text FROM audit"))


@pytest.mark.parametrize(
    ("path", "answer", "says"),
    [
        ("/gone", (404, {}, b""), "The calendar's address answers 404"),
        ("/http", (302, {"Location": "http://127.0.0.1:9/"}, b""), "from an https address only"),
        ("/file", (302, {"Location": "file:///etc/passwd"}, b""), "from an https address only"),
        ("/round", (302, {"Location": "/round"}, b""), "only leads on to others"),
        ("/huge", (200, {}, b"x" * (LARGEST + 1)), "is larger than 5 MB"),
        ("/page", (200, {}, b"<html>Please sign in</html>"), "is not an iCalendar file"),
    ],
)
def test_an_address_that_has_no_calendar_is_refused_in_a_sentence(
    path: str,
    answer: tuple[int, dict[str, str], bytes],
    says: str,
    settled: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with publishing(tmp_path, {path: answer}) as (address, trust):
        monkeypatch.setenv("SSL_CERT_FILE", trust)

        said = settled.refuses("rota", "import", f"{address}{path}")
    assert says in said
    assert "127.0.0.1" not in said


@pytest.mark.parametrize("address", ["https://127.0.0.1:9/rota", "https://[bad/rota", "ftp://127.0.0.1/rota"])
def test_an_address_that_does_not_answer_is_refused_in_a_sentence(address: str, settled: Terminal) -> None:
    assert settled.refuses("rota", "import", address).count("\n") == 0


def test_a_certificate_that_nobody_trusts_is_refused(settled: Terminal, tmp_path: Path) -> None:
    with publishing(tmp_path, {"/rota": (200, {}, calendar(nights()))}) as (address, _):
        assert "does not answer" in settled.refuses("rota", "import", f"{address}/rota")


def test_what_takes_too_long_is_ended() -> None:
    def never_ends() -> None:
        with within(0.05):
            while True:
                pass

    with pytest.raises(TookTooLong):
        never_ends()


# Changes for a time


def test_cover_swap_override_and_undo_at_the_terminal(settled: Terminal) -> None:
    times = ("--from", "now", "--to", wall(0.5))

    covered = settled.does("rota", "cover", "Islington", "--person", "mo", "--for", "ada", *times)
    settled.does("rota", "swap", "Islington", "--person", "mo", "--with", "bo", *times)
    settled.does("rota", "override", "Islington", "--person", "ada", "--role", "backup", *times)
    listed = settled.does("rota", "changes").splitlines()
    shown = [line.split()[1:3] for line in settled.does("rota", "show").splitlines() if line.endswith("now")]
    for line in listed[1:]:
        settled.does("rota", "undo", line.split()[0])
    back = [line.split()[1:3] for line in settled.does("rota", "show").splitlines() if line.endswith("now")]

    assert covered.splitlines()[1].startswith("  mo is primary from ")
    assert [line.split()[2] for line in listed[1:]] == ["cover", "swap", "override"]
    assert shown == [["primary", "bo"], ["backup", "ada"], ["manager", "bo"]]
    assert back == [["primary", "ada"], ["backup", "bo"], ["manager", "mo"]]


def test_a_swap_of_one_time_for_another_is_two_covers(settled: Terminal) -> None:
    rota = HEAD + shift("ada", "primary", 0, 4) + shift("bo", "primary", 4, 9)
    settled.does("rota", "import", settled.file("rota.csv", rota))

    there, back = (wall(1), wall(2)), (wall(5), wall(6))
    words = ("--from", there[0], "--to", there[1], "--back-from", back[0], "--back-to", back[1])
    settled.does("rota", "swap", "Islington", "--person", "ada", "--with", "bo", *words)

    shown = [
        line.split()[2] for line in settled.does("rota", "show", "--days", "9").splitlines() if " primary " in line
    ]
    assert shown == ["ada", "bo", "ada", "bo", "ada", "bo"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("cover", "Islington", "--person", "zoe", "--for", "ada"), "There is no responder zoe"),
        (("cover", "Islington", "--person", "ada", "--for", "mo"), None),
        (("cover", "Camden", "--person", "mo", "--for", "ada"), "mo is not of the team Camden"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_what_to_do(
    words: tuple[str, ...], says: str | None, settled: Terminal
) -> None:
    words = ("rota", *words, "--from", "now", "--to", wall(0.5))
    if says is None:
        settled.does(*words)
        return

    assert says in settled.refuses(*words)


@pytest.mark.parametrize("time", ["soon", "2027-03-28 01:30", ""])
def test_a_time_that_is_none_is_wrong_usage(time: str, settled: Terminal) -> None:
    words = ("cover", "Islington", "--person", "mo", "--for", "ada", "--from", "now", "--to", time)

    assert settled("rota", *words).exit_code == 2


def test_a_number_that_no_change_has_is_refused(settled: Terminal) -> None:
    assert "'nightlight rota changes' lists" in settled.refuses("rota", "undo", "7")


# Phones and drills


def test_a_phone_is_verified_at_the_terminal(settled: Terminal) -> None:
    settled.does("phones", "verify", "ada")
    ((code,),) = settled.rows("SELECT code FROM phones")

    wrong = settled.refuses("phones", "confirm", "ada", "000000" if code != "000000" else "111111")
    settled.does("phones", "confirm", "ada", str(code))
    again = settled.refuses("phones", "confirm", "ada", str(code))
    listed = settled.does("phones", "list").splitlines()

    assert wrong.startswith("That is not the code")
    assert again.startswith("No code is in force")
    assert re.fullmatch(r"ada +Islington +101 +verified +\S+ \S+ +\S+ \S+", listed[1])
    assert re.fullmatch(r"bo +Islington +102 +unverified +never +never", listed[2])
    assert "+4477" not in "\n".join(listed)


def test_a_test_is_a_text_and_a_call(settled: Terminal) -> None:
    settled.does("phones", "test", "ada")

    assert settled.rows("SELECT purpose, channel, state FROM attempts ORDER BY channel") == [
        ("test", "sms", "pending"),
        ("test", "voice", "pending"),
    ]


@pytest.mark.parametrize("words", [("verify", "zoe"), ("test", "zoe")])
def test_a_phone_of_nobody_is_refused(words: tuple[str, ...], settled: Terminal) -> None:
    assert "There is no responder zoe" in settled.refuses("phones", *words)


def test_a_drill_begins_once_and_is_scheduled(settled: Terminal) -> None:
    began = settled.does("drill", "Islington")
    again = settled.refuses("drill", "Islington")
    nobody = settled.refuses("drill", "Atlantis")
    settled.does("drill", "Islington", "--every", "14")

    assert re.match(r"Drill [A-Z0-9]{4} has begun", began)
    assert "under way" in again
    assert "Nobody is of a team Atlantis" in nobody
    assert settled.rows("SELECT team, every_days FROM drill_schedules") == [("Islington", 14)]


def test_strict_checking_fails_for_a_note(settled: Terminal) -> None:
    whole = HEAD + "".join(
        shift(who, role, 0, 20) for who, role in (("ada", "primary"), ("bo", "backup"), ("mo", "manager"))
    )
    settled.does("rota", "import", settled.file("rota.csv", whole))

    assert settled("rota", "check").exit_code == 0
    assert "phone has not been verified" in settled.refuses("rota", "check", "--strict")


def test_a_policy_that_does_not_end_with_the_manager_is_taken_with_a_word(settled: Terminal) -> None:
    file = settled.file("policies.csv", "team,step,role,channels,wait_seconds\nIslington,1,primary,sms,60\n")

    assert "Note: the last step of Islington" in settled.does("policies", "import", file)
