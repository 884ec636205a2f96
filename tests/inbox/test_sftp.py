"""Files fetched from an agency's SFTP server, a real one in this process: whole, once, and never lost between the two."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from connectors.inbox.sftp import CannotFetch, Place, fetch, load
from tests.inbox.cast import ARRESTS, aged


@dataclass
class Server:
    """A school's server: its `home` is what we see as `/`."""

    home: Path
    place: Place

    def put(self, name: str, content: str = ARRESTS) -> Path:
        path = self.home / "outgoing" / name
        path.write_text(content)
        aged(path, days=1)
        return path


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    home, key_file = tmp_path / "server", tmp_path / "client_key"
    (home / "outgoing").mkdir(parents=True)
    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    client_key.write_private_key(str(key_file))
    (tmp_path / "authorized").write_bytes(client_key.export_public_key())
    (tmp_path / "folder").mkdir()
    listening = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=str(tmp_path / "authorized"),
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(home).encode()),
    )
    place = Place(
        host="127.0.0.1",
        port=listening.get_port(),
        user="nightlight",
        key_file=key_file,
        host_key=host_key.export_public_key().decode().strip(),
        path="/outgoing",
    )
    yield Server(home, place)
    listening.close()
    await listening.wait_closed()


def here(server: Server) -> dict[str, str]:
    return {path.name: path.read_text() for path in (server.home.parent / "folder").iterdir()}


def there(server: Server) -> list[str]:
    return sorted(str(path.relative_to(server.home)) for path in server.home.rglob("*") if path.is_file())


async def test_whole_files_are_fetched_and_removed_over_there(server: Server) -> None:
    server.put("night.csv")
    server.put("half.csv.part")
    server.put("half.part.csv")
    server.put(".hidden.csv")
    server.put("notes.txt")

    count = await fetch(server.place, server.home.parent / "folder")

    assert count == 1
    assert here(server) == {"night.csv": ARRESTS}
    assert there(server) == [
        "outgoing/.hidden.csv",
        "outgoing/half.csv.part",
        "outgoing/half.part.csv",
        "outgoing/notes.txt",
    ]


async def test_a_fetched_file_can_be_moved_instead(server: Server) -> None:
    server.put("night.csv")
    place = server.place.model_copy(update={"afterwards": "done"})

    first = await fetch(place, server.home.parent / "folder")
    second = await fetch(place, server.home.parent / "folder")

    assert (first, second) == (1, 0)
    assert there(server) == ["outgoing/done/night.csv"]


async def test_a_file_waits_over_there_until_the_one_before_it_is_taken(server: Server) -> None:
    folder = server.home.parent / "folder"
    (folder / "night.csv").write_text("not taken yet")
    server.put("night.csv")

    count = await fetch(server.place, folder)

    assert count == 0
    assert here(server) == {"night.csv": "not taken yet"}
    assert there(server) == ["outgoing/night.csv"]


async def test_a_server_with_another_host_key_gets_and_gives_nothing(server: Server) -> None:
    server.put("night.csv")
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()

    with pytest.raises(CannotFetch, match="HostKeyNotVerifiable"):
        await fetch(server.place.model_copy(update={"host_key": other}), server.home.parent / "folder")

    assert here(server) == {}
    assert there(server) == ["outgoing/night.csv"]


async def test_a_server_that_is_away_is_said_in_one_sentence(server: Server) -> None:
    with pytest.raises(CannotFetch, match=r"look at sftp\.toml"):
        await fetch(server.place.model_copy(update={"port": 1}), server.home.parent / "folder")


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("host = ", "cannot be read"),
        ("host = 'a'", "user is required"),
        ("host = 'a'\nuser = 'b'\nkey_file = 'c'", "host_key is required"),
        (
            "host = 'a'\nuser = 'b'\nkey_file = 'c'\nhost_key = 'd'\npassword = 'secret'",
            "unknown field",
        ),
    ],
)
def test_a_wrong_file_is_said_in_one_sentence(tmp_path: Path, toml: str, says: str) -> None:
    (tmp_path / "sftp.toml").write_text(toml)

    with pytest.raises(CannotFetch, match=says) as problem:
        load(tmp_path / "sftp.toml")

    assert "secret" not in str(problem.value)
