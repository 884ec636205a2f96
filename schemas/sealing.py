"""Sealing: AES-256-GCM for what must be read again, HMAC-SHA256 for what must only be recognised.

A sealed value is `version (1 byte) | length of key id (1) | key id | nonce (12) | ciphertext and tag`. The associated data say where the
value belongs (topic and event, or table and row): a ciphertext that was moved does not open (NIST SP 800-38D).
"""

import base64
import hmac
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
NONCE = 12
KEY = 32


class SealBroken(Exception):
    """These bytes were not sealed with a key we hold, or not for this place."""


@dataclass(frozen=True)
class Keyring:
    """Several keys at once, one of them current: new values are sealed with it, old ones still open."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)
    marking: bytes = field(repr=False)

    @classmethod
    def make(cls, random: Callable[[int], bytes] = os.urandom) -> Self:
        return cls(current="k1", keys={"k1": random(KEY)}, marking=random(KEY))

    def rotated(self, random: Callable[[int], bytes] = os.urandom) -> "Keyring":
        """With one more key, and that one current. Marks do not change: they decide partitions and uniqueness."""
        name = f"k{max(int(known[1:]) for known in self.keys) + 1}"
        return Keyring(current=name, keys={**self.keys, name: random(KEY)}, marking=self.marking)

    def seal(self, value: bytes, *, place: str, random: Callable[[int], bytes] = os.urandom) -> bytes:
        name, nonce = self.current.encode(), random(NONCE)
        head = bytes((VERSION, len(name))) + name + nonce
        return head + AESGCM(self.keys[self.current]).encrypt(nonce, value, place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """The value again. Raises SealBroken, which says nothing of the value."""
        if len(sealed) < 2 or sealed[0] != VERSION:
            raise SealBroken("not sealed by Nightlight")
        end = 2 + sealed[1]
        key = self.keys.get(sealed[2:end].decode("ascii", "replace"))
        if key is None:
            raise SealBroken("sealed with a key that is not in the keyring")
        try:
            return AESGCM(key).decrypt(sealed[end : end + NONCE], sealed[end + NONCE :], place.encode())
        except (InvalidTag, ValueError) as problem:
            raise SealBroken("changed, or sealed for another place") from problem

    def mark(self, domain: str, *parts: str) -> str:
        """A keyed hash, 64 hex digits: equal for equal parts, and no way back without the key. Domains are never mixed."""
        message = b"".join([len(raw).to_bytes(4, "big") + raw for raw in [part.encode() for part in (domain, *parts)]])
        mac = _mac(self.marking).copy()
        mac.update(message)
        return mac.hexdigest()


@lru_cache(maxsize=4)
def _mac(key: bytes) -> hmac.HMAC:
    """To be copied: half of the work of a short hash is to take in the key."""
    return hmac.new(key, digestmod="sha256")


def load(path: Path) -> Keyring:
    """Read a keyring file. Raises ValueError with one sentence if it is not one."""
    try:
        held = json.loads(path.read_text())
        keys = {name: base64.b64decode(key) for name, key in held["keys"].items()}
        return Keyring(current=held["current"], keys=keys, marking=base64.b64decode(held["marking"]))
    except FileNotFoundError as problem:
        raise ValueError(
            f"NIGHTLIGHT_KEYRING_FILE: there is no file {path}; make one with 'nightlight keys make'"
        ) from problem
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise ValueError(f"NIGHTLIGHT_KEYRING_FILE: {path} is not a keyring; restore it from your backup") from problem


def save(keyring: Keyring, path: Path) -> None:
    """Write it whole or not at all, readable by its owner alone."""
    keys = {name: base64.b64encode(key).decode() for name, key in keyring.keys.items()}
    text = json.dumps({"current": keyring.current, "keys": keys, "marking": base64.b64encode(keyring.marking).decode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


class KeyringFile:
    """A keyring that notices its file: after `nightlight keys rotate`, running processes seal with the new key within a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = path.stat().st_mtime_ns if path.exists() else 0
        self._keyring = load(path)

    @property
    def keyring(self) -> Keyring:
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:  # being replaced, or gone: what we hold still opens what we sealed
            return self._keyring
        if stamp != self._seen:
            self._keyring, self._seen = load(self._path), stamp
        return self._keyring

    def seal(self, value: bytes, *, place: str) -> bytes:
        return self.keyring.seal(value, place=place)

    def open(self, sealed: bytes, *, place: str) -> bytes:
        return self.keyring.open(sealed, place=place)

    def mark(self, domain: str, *parts: str) -> str:
        return self._keyring.mark(domain, *parts)
