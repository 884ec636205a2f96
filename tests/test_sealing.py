"""Sealing: what is sealed opens with a key we hold, at the place it was sealed for, and nowhere else."""

import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.sealing import Keyring, KeyringFile, SealBroken, load, save

RING = Keyring.make()
PLACE = "children/C1"


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_what_is_sealed_opens_again_in_its_place(value: bytes, place: str) -> None:
    assert RING.open(RING.seal(value, place=place), place=place) == value


@given(st.binary(min_size=1, max_size=200), st.data())
def test_one_changed_byte_and_it_does_not_open(value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(RING.seal(value, place=PLACE))
    where = data.draw(st.integers(0, len(sealed) - 1))
    sealed[where] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealBroken):
        RING.open(bytes(sealed), place=PLACE)


@given(st.binary(max_size=300))
def test_bytes_that_we_did_not_seal_are_refused_and_never_crash(noise: bytes) -> None:
    with pytest.raises(SealBroken):
        RING.open(noise, place=PLACE)


def test_a_ciphertext_that_was_moved_to_another_row_does_not_open() -> None:
    sealed = RING.seal(b"who", place="children/C1")

    with pytest.raises(SealBroken, match="another place"):
        RING.open(sealed, place="children/C2")


def test_the_same_value_is_never_sealed_to_the_same_bytes() -> None:
    assert RING.seal(b"who", place=PLACE) != RING.seal(b"who", place=PLACE)


def test_after_a_rotation_new_values_have_the_new_key_and_old_ones_still_open() -> None:
    old = RING.seal(b"before", place=PLACE)

    rotated = RING.rotated()

    assert rotated.current == "k2"
    assert rotated.open(old, place=PLACE) == b"before"
    with pytest.raises(SealBroken, match="not in the keyring"):
        RING.open(rotated.seal(b"after", place=PLACE), place=PLACE)


def test_a_rotation_changes_no_mark_because_marks_decide_partitions() -> None:
    assert RING.rotated().mark("child", "C1") == RING.mark("child", "C1")


@given(st.text(max_size=20), st.text(max_size=20))
def test_marks_do_not_run_into_one_another(left: str, right: str) -> None:
    assert RING.mark("event", left, right) != RING.mark("event", left + right)
    assert RING.mark("event", left) != RING.mark("child", left)


def test_another_key_makes_another_mark() -> None:
    assert Keyring.make().mark("child", "C1") != RING.mark("child", "C1")


def test_a_running_process_notices_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    save(RING, path)
    held = KeyringFile(path)

    save(RING.rotated(), path)

    assert held.keyring.current == "k2"


def test_a_keyring_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"

    save(RING, path)

    assert path.stat().st_mode & 0o077 == 0
    assert load(path) == RING


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"current": "k1", "keys": 3, "marking": ""}', "\x00"])
def test_a_file_that_is_no_keyring_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(text)

    with pytest.raises(ValueError, match="NIGHTLIGHT_KEYRING_FILE"):
        load(path)


def test_keys_never_show_in_a_representation() -> None:
    assert repr(RING.marking) not in repr(RING)
    assert repr(RING.keys["k1"]) not in repr(RING)


@given(st.text(max_size=20), st.text(max_size=200))
def test_a_mark_is_the_hmac_of_its_parts_each_with_its_length(domain: str, part: str) -> None:
    lengths = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (domain.encode(), part.encode()))

    assert RING.mark(domain, part) == hmac.new(RING.marking, lengths, "sha256").hexdigest()
