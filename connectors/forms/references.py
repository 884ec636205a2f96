"""The reference of what a form sent: short enough to be read out, and a slip in it is noticed."""

import re
from collections.abc import Callable
from typing import Final

from schemas.wire import Sealer

LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O."""

_WRITTEN: Final = re.compile(rf"\s*(?:FORM)?[\s-]*([{LETTERS}]{{5}})[\s-]*([{LETTERS}]{{5}})\s*")
_FREE: Final = 8


def make(sealer: Sealer, random: Callable[[int], bytes]) -> str:
    """A new one, as `form-7K2M9-QXDAB`: forty random bits and two letters that check them."""
    letters = "".join(LETTERS[byte % len(LETTERS)] for byte in random(_FREE))
    return _written(letters + _check(sealer, letters))


def read(sealer: Sealer, text: str) -> str | None:
    """One that we made, however it was typed; None for anything else."""
    found = _WRITTEN.fullmatch(text.upper())
    letters = "".join(found.groups()) if found else ""
    return _written(letters) if letters and letters[_FREE:] == _check(sealer, letters[:_FREE]) else None


def _written(letters: str) -> str:
    return f"form-{letters[:5]}-{letters[5:]}"


def _check(sealer: Sealer, letters: str) -> str:
    mark = bytes.fromhex(sealer.mark("form/reference", letters))
    return "".join(LETTERS[byte % len(LETTERS)] for byte in mark[:2])
