"""The commands as an operator types them: what they print, how they refuse, and that a refusal is one sentence and never a traceback."""

import json
import os
import re
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

import nightlight
from embedded import broker
from schemas.base import utc_now
from schemas.london import LONDON
from schemas.sealing import load
from tests.house import RESPONDERS, ROOT, WHO, children, own_environment, rota
from tests.servers import libpq
from tests.terminal import TODAY, Terminal

NOBODY_THERE = "127.0.0.1:9"  # the discard port: nothing listens there
RIGHTS = ("--types", "arrest", "--authorities", "E09000019")


# The front door


def test_every_command_of_the_table_is_there_with_a_line_that_says_what_it_does(bare: Terminal) -> None:
    said = bare.does("--help")

    for command in nightlight.COMMANDS:
        assert re.search(rf"^  {command} +[A-Z]\S+ \S+", said, re.MULTILINE), command


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("children",),
        ("children", "nonsense"),
        ("children", "import"),
        ("children", "import", "nowhere.csv"),
        ("children", "import", "."),
        ("children", "due", "--within", "99999999999"),
        ("children", "due", "--within", "-1"),
        ("responders", "import", "nowhere.csv"),
        ("rota", "check", "--days", "0"),
        ("rota", "check", "--days", "soon"),
        ("rota", "show", "--days", "9999999999"),
        ("agencies", "add", "met"),
        ("agencies", "rotate"),
        ("audit", "export"),
        ("audit", "export", "--from", "yesterday", "--to", "2026-01-01"),
        ("audit", "export", "--from", "2026-01-02", "--to", "2026-01-01"),
        ("audit", "export", "--from", "0001-01-01", "--to", "2026-01-01"),
        ("audit", "export", "--from", "2026-01-01", "--to", "9999-12-31"),
        ("dead-letters", "show", "nightlight.moments"),
        ("dead-letters", "show", "nightlight.moments/0/x"),
        ("dead-letters", "replay", "//"),
        ("streams", "--lane", "c"),
        ("up", "--ports-from", "80"),
        ("match", "--children", "x.csv"),
        ("identifiers", "passport"),
        ("identifiers",),
    ],
)
def test_wrong_usage_ends_with_2_and_says_so_on_stderr(words: tuple[str, ...], terminal: Terminal) -> None:
    done = terminal(*words)

    assert done.exit_code == 2
    assert done.stdout == ""
    assert re.search("Error: |Usage: |Write the place as|There is no identifier", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("light",),
        ("--loud",),
        ("children", "import"),
        ("children", "import", "no-such-file.csv"),
        ("children", "import", "--really", "x.csv"),
        ("agencies", "add", "met"),
        ("streams", "--lane", "c"),
        ("rota", "check", "--days", "soon"),
    ],
)
def test_wrong_usage_is_said_in_one_sentence(words: tuple[str, ...], terminal: Terminal) -> None:
    done = terminal(*words)

    assert (done.exit_code, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("Error: ")
    assert sentence.endswith("--help' says what can be typed.")


# What needs nothing but itself


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("nhs-number", b"999 000 0018\n", "valid 9990000018\n"),
        ("nhs-number", b"9990000019\n", "invalid "),
        ("nhs-number", b"9990000018", "valid 9990000018\n"),
        ("nhs-number", b"9990000018\r\n9990000026\r\n", "valid 9990000018\nvalid 9990000026\n"),
        ("nhs-number", b"\n", "invalid "),
        ("nhs-number", b"\xff\xfe\x00\n", "invalid "),
        ("nhs-number", b"9990000018\x00\n", "invalid "),
        ("nhs-number", b"9990000018\r9990000026\n", "invalid "),
        ("nhs-number", b"9990000018\xe2\x80\xa89990000026\n", "invalid "),
        ("nhs-number", b"9" * 100_000 + b"\n", "invalid "),
        ("nhs-number", b"", ""),
        ("upn", b"A123\n", "invalid "),
        ("pnc", b"2001/1\n", "invalid "),
        ("cro", b"1\n", "invalid "),
    ],
)
def test_each_line_is_judged_whatever_its_bytes(kind: str, given: bytes, said: str, bare: Terminal) -> None:
    answered = bare.does("identifiers", kind, stdin=given)

    assert answered.startswith(said)
    assert answered.count("\n") == max(said.count("\n"), bool(given))


def test_a_file_of_events_is_answered_line_by_line(bare: Terminal) -> None:
    listed = bare.file("children.csv", "child_id,family_name,given_name,date_of_birth\nC1,Lampwick,Robin,2010-03-14\n")
    person = {"family_name": "Lampwick", "given_name": "Robin", "date_of_birth": "2010-03-14"}
    lines = [json.dumps({"id": "1", "person": person}), "no event", json.dumps({"id": "3", "person": person})]
    events = bare.file("events.jsonl", "\r\n".join((*lines, "")))

    answers = [json.loads(line) for line in bare.does("match", "--children", listed, "--events", events).splitlines()]

    assert [answer["id"] for answer in answers] == ["1", None, "3"]
    assert answers[1]["error"] == "not JSON"


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("--children", "the list of children cannot be read"),
        ("--events", "nowhere.jsonl cannot be read"),
        ("--model", "the model file cannot be read"),
    ],
)
def test_a_file_that_is_not_there_is_named(missing: str, says: str, bare: Terminal) -> None:
    given = {"--children": bare.file("c.csv", "child_id\nC1\n"), "--events": bare.file("e.jsonl", "")}
    given[missing] = str(
        bare.directory / {"--model": "nowhere.json", "--events": "nowhere.jsonl"}.get(missing, "nowhere.csv")
    )

    sentence = bare.refuses("match", *(word for pair in given.items() for word in pair))

    assert says in sentence


def test_a_stream_of_events_is_answered_as_it_comes_and_a_reader_may_leave(bare: Terminal) -> None:
    listed = bare.file("children.csv", "child_id,family_name,given_name,date_of_birth\nC1,Lampwick,Robin,2010-03-14\n")
    command = [sys.executable, "-m", "nightlight", "match", "--children", listed, "--events", "-"]
    environment = own_environment(bare.directory / "data", {"LC_ALL": "C", "PYTHONUTF8": "0"})

    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())
        for name in ("é", "2"):
            process.stdin.write(json.dumps({"id": name, "person": {}}, ensure_ascii=False).encode() + b"\xff\n")
            process.stdin.flush()
            answered = json.loads(process.stdout.readline())  # before the next line is written
            assert answered["lane"] == "none"
        process.stdout.close()
        process.stdin.write(b"{}\n")
        process.stdin.close()
        complaint = process.stderr.read()

    assert (ready["ready"], ready["children"]) == (True, 1)
    assert b"Traceback" not in complaint


def test_an_argument_that_is_no_text_is_refused(bare: Terminal) -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"nightlight", b"children", b"remove", b"\xff"],
        env=own_environment(bare.directory),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"An argument is not UTF-8: set the terminal to UTF-8, and type it again.\n"


# The list of children


def test_children_are_shown_before_they_are_imported_and_listed_without_names(terminal: Terminal) -> None:
    file = terminal.file("children.csv", children(TODAY))

    shown = terminal.does("children", "import", "--dry-run", file)
    before = terminal.does("children", "list")
    done = terminal.does("children", "import", file)
    listed = terminal.does("children", "list")

    assert shown == "would add: W-1, W-2, W-3, W-4\nWould be: 4 added, 0 updated, 0 removed.\n"
    assert before.splitlines()[1] == "(none)"
    assert done == "4 added, 0 updated, 0 removed.\n"
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [[who[0], "E09000019", "Islington"] for who in WHO]
    assert not any(who[1] in shown + done + listed for who in WHO)


def test_a_bad_row_is_named_by_line_and_column_and_nothing_is_imported(terminal: Terminal) -> None:
    good = children(TODAY).splitlines()
    bad = [*good[:2], good[2].replace("2011-06-02", "2011-06-31"), good[3].replace("E09000019", "Islington"), good[4]]

    for words in (("children", "import"), ("children", "import", "--dry-run")):
        sentence = terminal.refuses(*words, terminal.file("children.csv", "\n".join((*bad, ""))))

        lines = sentence.splitlines()
        assert lines[0].startswith("line 3, column date_of_birth: ")
        assert lines[1].startswith("line 4, column authority: ")
        assert lines[2:] == ["Nothing was imported: mend these and import children.csv again."]
        assert "2011-06-31" not in sentence
    assert terminal.does("children", "list").splitlines()[1:] == ["(none)"]


def test_whose_review_comes_soon_is_due(settled: Terminal) -> None:
    assert "(none)" in settled.does("children", "due")
    assert settled.does("children", "due", "--within", "61").count("W-") == 4


def test_a_child_is_removed_once_with_its_reason_in_the_chain(settled: Terminal) -> None:
    done = settled.does("children", "remove", "W-2", "--why", "moved away")
    again = settled.refuses("children", "remove", "W-2")

    assert done == "W-2 is no longer watched.\n"
    assert again == "There is no child W-2 on the list: 'nightlight children list' names those there are."
    assert "W-2" not in settled.does("children", "list")
    assert settled.rows("SELECT detail ->> 'why' FROM audit WHERE what = 'child-removed'") == [("moved away",)]


# People


def test_a_rota_is_imported_shown_and_checked(settled: Terminal) -> None:
    shown = settled.does("rota", "show").splitlines()
    checked = settled("rota", "check", "--days", "3")
    gaps = checked.stderr.removesuffix("\n")

    assert checked.exit_code == 1
    assert [line.split()[:3] for line in shown[1:]] == [
        ["Islington", role, person] for role, person in (("primary", "ada"), ("backup", "bo"), ("manager", "mo"))
    ]
    assert all(line.endswith("now") for line in shown[1:])
    assert re.fullmatch(
        r"(Islington: no (primary|backup|manager) on call from \S+ \S+ \S+ to \S+ \S+ \S+\n?){3}", gaps + "\n"
    )


def test_a_rota_without_a_gap_is_found_good(settled: Terminal) -> None:
    whole = rota(utc_now().astimezone(LONDON)).replace(
        f"{utc_now().astimezone(LONDON) + timedelta(days=1):%Y-%m-%d}", f"{TODAY + timedelta(days=30):%Y-%m-%d}"
    )
    settled.does("rota", "import", settled.file("rota.csv", whole))

    *notes, last = settled.does("rota", "check").splitlines()
    assert last == "Somebody who can be reached is on call in every role for the next 14 days."
    assert notes == [
        f"Note: Islington: {who}'s phone has not been verified: 'nightlight phones verify {who}'."
        for who in ("ada", "bo", "mo")
    ]


@pytest.mark.parametrize(
    ("noun", "text", "says"),
    [
        ("responders", RESPONDERS.replace("+447700900102", "07700 900102x"), "line 3, column mobile: "),
        ("responders", "person,name\n", "line 1, column mobile: is missing from the header"),
        (
            "rota",
            "team,person,role,starts,ends\nIslington,ada,primary,2026-13-01 08:00,2026-12-01 20:00\n",
            "line 2, column starts: ",
        ),
        ("rota", "team,person,role,starts,ends\nIslington,zoe,primary,2026-12-01 08:00,2026-12-01 20:00\n", "line 2, "),
        (
            "policies",
            "team,step,role,channels,wait_seconds\nIslington,1,primary,pigeon,60\n",
            "line 2, column channels: ",
        ),
        ("policies", "", "line 1, "),
    ],
)
def test_a_bad_file_of_people_is_named_by_line_and_column(noun: str, text: str, says: str, settled: Terminal) -> None:
    sentence = settled.refuses(noun, "import", settled.file("file.csv", text))

    assert sentence.startswith(says)
    assert sentence.endswith("\nNothing was imported: mend these and import file.csv again.")


def test_policies_and_people_say_how_many_they_are(settled: Terminal) -> None:
    one = settled.file("policies.csv", "team,step,role,channels,wait_seconds\nIslington,1,manager,sms,60\n")

    assert settled.does("policies", "import", one) == "1 team has a policy from this file.\n"
    assert settled.does("responders", "import", settled.file("r.csv", RESPONDERS)) == "3 people can be paged now.\n"


def test_a_sign_in_is_made_for_somebody_who_can_be_paged_and_for_nobody_else(settled: Terminal) -> None:
    made = settled.does("accounts", "add", "ada")
    nobody = settled.refuses("accounts", "add", "zoe")

    password = re.search(r"shown this once: (\S+)", made)
    assert password
    assert "otpauth://totp/" in made
    assert password[1] not in str(settled.rows("SELECT * FROM accounts")) + str(settled.rows("SELECT * FROM audit"))
    assert "zoe" in nobody


# Agencies


def test_a_key_is_shown_once_and_only_its_digest_is_kept(terminal: Terminal) -> None:
    first = terminal.does("agencies", "add", "met-custody", *RIGHTS)
    second = terminal.does("agencies", "rotate", "met-custody")
    listed = terminal.does("agencies", "list")
    ended = terminal.does("agencies", "revoke", "met-custody")

    keys = re.findall(r"\bnl_[0-9a-f]{40}\b", first + second)
    kept = str([terminal.rows(f"TABLE {table}") for table in ("agencies", "agency_keys", "audit")])
    assert len(set(keys)) == 2
    assert not any(key in kept + listed + ended or key[11:] in kept for key in keys)
    assert re.search(r"^met-custody +arrest +E09000019 .* no agreement +never +nothing$", listed, re.MULTILINE)
    assert ended == "met-custody may send no more: 2 keys ended.\n"
    assert "revoked" in terminal.does("agencies", "list")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "Met Custody", *RIGHTS), "letters, digits, dots, hyphens and underscores"),
        (("add", "met", "--types", "arrests", "--authorities", "E09000019"), "There is no type 'arrests'"),
        (("add", "met", "--types", "arrest", "--authorities", "Islington"), "'Islington' is not the GSS code"),
        (("rotate", "nobody"), "There is no agency 'nobody'"),
        (("add", "nightlight-probe", *RIGHTS), "the synthetic child's own feed"),
        (("revoke", "nobody"), "There is no agency 'nobody'"),
    ],
)
def test_a_wrong_agency_is_refused_in_one_sentence(words: tuple[str, ...], says: str, terminal: Terminal) -> None:
    sentence = terminal.refuses("agencies", *words)

    assert says in sentence
    assert "\n" not in sentence


# Keys


def test_a_keyring_is_made_once_and_for_its_owner_alone(bare: Terminal) -> None:
    path = bare.directory / "safe" / "keyring.json"

    made = bare.does("keys", "make", KEYRING_FILE=str(path))
    before = path.read_bytes()
    again = bare.refuses("keys", "make", KEYRING_FILE=str(path))

    assert made == f"Made {path}. Keep a copy in your safe.\n"
    assert again == f"{path} is there already: 'nightlight keys rotate' adds a key to it."
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rotation_adds_a_key_that_seals_and_keeps_those_that_open(terminal: Terminal) -> None:
    terminal.does("keys", "make")
    path = terminal.directory / "data" / "keyring.json"
    before = load(path)

    said = terminal.does("keys", "rotate")
    listed = terminal.does("keys", "list")

    after = load(path)
    assert said.startswith("New values are sealed with k2 from now on.")
    assert listed == "k1\nk2  (current)\n"
    assert after.open(before.seal(b"x", place="p"), place="p") == b"x"
    assert before.mark("d", "x") == after.mark("d", "x")
    assert terminal.rows("SELECT detail ->> 'current' FROM audit WHERE what = 'keyring-rotated'") == [("k2",)]


def test_two_rotations_at_once_lose_no_key(terminal: Terminal) -> None:
    """A key that sealed something and was written over would be a list that never opens again."""
    terminal.does("keys", "make")
    environment = own_environment(terminal.directory, terminal.environment)
    command = [sys.executable, "-m", "nightlight", "keys", "rotate"]
    rotating = [subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]

    said = sorted(process.communicate()[0].split()[5] for process in rotating)

    assert said == [b"k2", b"k3"]
    assert terminal.does("keys", "list") == "k1\nk2\nk3  (current)\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "there is no file"), ("{}", "is not a keyring"), ("not JSON", "is not a keyring")],
)
def test_a_keyring_that_cannot_be_read_names_itself(content: str | None, says: str, bare: Terminal) -> None:
    path = bare.directory / "named.json"
    if content is not None:
        path.write_text(content)

    sentence = bare.refuses("keys", "list", KEYRING_FILE=str(path))

    assert sentence.startswith("NIGHTLIGHT_KEYRING_FILE: ")
    assert says in sentence


def test_a_keyring_that_cannot_be_written_is_named(bare: Terminal) -> None:
    in_the_way = bare.file("file", "")

    assert f"{in_the_way}/keyring.json cannot be written" in bare.refuses(
        "keys", "make", KEYRING_FILE=f"{in_the_way}/keyring.json"
    )


# The audit chain


def test_the_chain_holds_and_is_exported_with_links_that_can_be_checked(settled: Terminal) -> None:
    assert settled.does("audit", "verify") == "The chain holds.\n"

    day = f"{TODAY:%Y-%m-%d}"
    entries = [json.loads(line) for line in settled.does("audit", "export", "--from", day, "--to", day).splitlines()]
    other = settled.does("audit", "export", "--from", "2020-01-01", "--to", "2020-01-02")

    assert [entry["what"] for entry in entries] == ["children-imported", "responders-imported", "rota-imported"]
    assert [entry["previous"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    assert other == ""


@pytest.mark.parametrize(
    ("tampering", "says"),
    [
        (
            "UPDATE audit SET who = 'nobody' WHERE entry = 2",
            "entry 2 (responders-imported) was changed after it was written",
        ),
        ("DELETE FROM audit WHERE entry = 2", "entry 2 is missing: the next one found is 3"),
    ],
)
def test_the_first_broken_link_is_named(tampering: str, says: str, settled: Terminal) -> None:
    with psycopg.connect(libpq(settled.environment["NIGHTLIGHT_DATABASE_URL"])) as superuser:
        superuser.execute("ALTER TABLE audit DISABLE TRIGGER audit_is_append_only")
        superuser.execute(tampering)

    assert settled.refuses("audit", "verify") == f"The chain is broken: {says}."


# What is away, missing or wrong


COMMANDS_WITH_A_DATABASE = [
    ("migrate",),
    ("children", "list"),
    ("children", "due"),
    ("children", "check"),
    ("reviews", "list"),
    ("rota", "show"),
    ("rota", "check"),
    ("agencies", "list"),
    ("audit", "verify"),
    ("audit", "export", "--from", "2026-01-01", "--to", "2026-01-02"),
    ("keys", "rotate"),
]


@pytest.mark.parametrize("words", COMMANDS_WITH_A_DATABASE, ids=" ".join)
def test_a_database_that_is_away_gives_one_sentence(words: tuple[str, ...], bare: Terminal) -> None:
    sentence = bare.refuses(*words, DATABASE_URL=f"postgresql://nobody@{NOBODY_THERE}/none", KAFKA=NOBODY_THERE)

    assert sentence == "PostgreSQL does not answer at NIGHTLIGHT_DATABASE_URL: start it, or mend the address."


@pytest.mark.parametrize("words", [("children", "list"), ("audit", "verify"), ("keys", "rotate")], ids=" ".join)
def test_a_database_without_our_tables_says_to_migrate(
    words: tuple[str, ...], bare: Terminal, postgres_url: str
) -> None:
    empty = postgres_url.rpartition("/")[0] + "/postgres"

    assert bare.refuses(*words, DATABASE_URL=empty) == "The database is not at this version: run 'nightlight migrate'."


@pytest.mark.parametrize(
    "words", [("topics",), ("dead-letters", "list"), ("dead-letters", "replay", "t/0/0")], ids=" ".join
)
def test_kafka_that_is_away_gives_one_sentence(words: tuple[str, ...], terminal: Terminal) -> None:
    sentence = terminal.refuses(*words, KAFKA=NOBODY_THERE)

    assert re.fullmatch(r"Kafka [^\n]+: [^\n]+\.", sentence)


@pytest.mark.parametrize(
    ("words", "given", "name"),
    [
        (("gateway",), {}, "NIGHTLIGHT_KAFKA"),
        (("gateway",), {"KAFKA": NOBODY_THERE}, "NIGHTLIGHT_DATABASE_URL"),
        (("streams", "--lane", "b"), {"KAFKA": NOBODY_THERE}, "NIGHTLIGHT_DATABASE_URL"),
        (("pager",), {}, "NIGHTLIGHT_DATABASE_URL"),
        (("desk",), {}, "NIGHTLIGHT_DATABASE_URL"),
        (("desk",), {"DATABASE_URL": "postgresql://h/d"}, "NIGHTLIGHT_KEYRING_FILE"),
        (("topics",), {}, "NIGHTLIGHT_KAFKA"),
        (("children", "list"), {"DATABASE_URL": "nonsense"}, "NIGHTLIGHT_DATABASE_URL"),
        (("migrate",), {"DATABASE_URL": "mysql://h/d"}, "NIGHTLIGHT_DATABASE_URL"),
        (("migrate",), {"DATABASE_URL": "postgresql://h:port/d"}, "NIGHTLIGHT_DATABASE_URL"),
        (("children", "list"), {"MODE": "pretend"}, "NIGHTLIGHT_MODE"),
        (("up",), {"LISTEN": "8080"}, "NIGHTLIGHT_LISTEN"),
        (("up",), {"KAFKA_PARTITIONS": "many"}, "NIGHTLIGHT_KAFKA_PARTITIONS"),
        (("keys", "list"), {"TWILIO_AUTH_TOKEN_FILE": "/nowhere/token"}, "NIGHTLIGHT_TWILIO_AUTH_TOKEN_FILE"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_names_itself(
    words: tuple[str, ...], given: dict[str, str], name: str, bare: Terminal
) -> None:
    sentence = bare.refuses(*words, **given)

    assert name in sentence
    assert "\n" not in sentence


def test_migrating_and_making_topics_are_safe_to_repeat(terminal: Terminal, home: Path) -> None:
    assert [terminal.does("migrate") for _ in range(2)] == ["The database is at this version.\n"] * 2

    with broker.start(home) as running:
        kafka = running.url
        first, second = (terminal.does("topics", KAFKA=kafka, KAFKA_PARTITIONS="4") for _ in range(2))

        assert first.count("nightlight.") == 9
        assert "made" not in second
        assert terminal.does("dead-letters", "list", KAFKA=kafka).splitlines()[1:] == ["(none)"]
        assert "No dead letter points to nightlight.moments/0/1" in terminal.refuses(
            "dead-letters", "show", "nightlight.moments/0/1", KAFKA=kafka
        )


def test_without_up_a_command_starts_the_embedded_database_for_a_moment(bare: Terminal) -> None:
    bare.does("children", "import", bare.file("children.csv", children(TODAY)))

    assert bare.does("children", "list").count("W-") == 4
    assert not (bare.directory / "data" / "postgres" / "postmaster.pid").exists()
    assert stat.S_IMODE((bare.directory / "data").stat().st_mode) == 0o700


def test_what_up_left_behind_when_it_was_killed_is_not_believed(bare: Terminal) -> None:
    data = bare.directory / "data"
    data.mkdir()
    held = {"pid": os.getpid(), "kafka": NOBODY_THERE, "database": f"postgresql://nobody@{NOBODY_THERE}/none"}
    (data / "running.json").write_text(json.dumps(held))
    (data / "running.lock").touch()

    assert "(none)" in bare.does("children", "list")


@pytest.mark.parametrize(
    ("command", "unwanted"),
    [
        (("identifiers", "cro"), ("sqlalchemy", "kafka", "aiokafka", "fastapi", "faust", "twilio", "numpy")),
        (("gateway",), ("alembic", "faust", "twilio", "embedded", "numpy", "notifiers", "desk")),
        (("pager",), ("alembic", "faust", "kafka", "embedded", "numpy", "connectors", "desk")),
        (("streams",), ("alembic", "twilio", "embedded", "desk", "connectors")),
    ],
)
def test_a_command_brings_in_no_more_than_it_needs(
    command: tuple[str, ...], unwanted: tuple[str, ...], bare: Terminal
) -> None:
    """All of it together takes two seconds of a processor; the identifiers alone a third of one."""
    program = (
        "import sys, nightlight\n"
        "try: nightlight.app(sys.argv[1:])\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        input="",
        env=own_environment(bare.directory),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert {"typer", "schemas.settings"} <= set(done.stderr.split())
    assert set(done.stderr.split()) & set(unwanted) == set()
