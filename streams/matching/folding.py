"""Text to comparable words: one folding for the list, the events and the name tables. Takes any text without raising."""

import unicodedata
from typing import Final

MOST_WORDS: Final = 12
LONGEST_WORD: Final = 40

Words = tuple[str, ...]
"""A name as its folded words: `("anne", "marie")` of Anne-Marie."""

# Letters that NFKD leaves whole.
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "ı": "i", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ħ": "h"})
_APOSTROPHES = str.maketrans(dict.fromkeys("'’‘ʼ`´ʻ′\"", ""))

_TITLES: Final = frozenset(("mr", "mrs", "miss", "ms", "mx", "dr", "master", "prof", "rev", "sir"))
_BABY: Final = frozenset(("baby", "babe", "infant", "newborn", "twin", "triplet", "bby"))
_BABY_ALONE: Final = frozenset(
    ("boy", "girl", "male", "female", "child", "of", "one", "two", "three", "first", "second")
)
_UNKNOWN: Final = frozenset(
    (
        "unknown",
        "unk",
        "unknwn",
        "unkown",
        "nk",
        "anon",
        "anonymous",
        "unidentified",
        "notknown",
        "notgiven",
        "xx",
        "xxx",
        "xxxx",
    )
)
_UNKNOWN_PAIRS: Final = frozenset(
    {
        ("not", "known"),
        ("not", "given"),
        ("not", "stated"),
        ("no", "name"),
        ("name", "unknown"),
        ("john", "doe"),
        ("jane", "doe"),
    }
)


def fold(text: str | None) -> Words:
    """Lower-case words without accents, apostrophes and punctuation; hyphens part words. At most 12 words of 40 letters.

    Scripts other than Latin are kept as they are, without their combining marks: nothing is transliterated, so the same name
    in two scripts differs. Marks of direction and other invisible signs are dropped.
    """
    if not text:
        return ()
    if text.isascii() and text.isalpha():  # nearly all: one word
        return (text[:LONGEST_WORD].lower(),)
    text = text[:1000]
    if not text.isascii():
        text = "".join(
            sign for sign in unicodedata.normalize("NFKD", text) if unicodedata.category(sign) not in _DROPPED
        )
    text = text.casefold().translate(_APOSTROPHES)
    if not text.isascii():
        text = text.translate(_LETTERS)
    if not text.isalpha():
        text = "".join(sign if sign.isalnum() else " " for sign in text)
    return tuple(word[:LONGEST_WORD] for word in text.split()[:MOST_WORDS])


_DROPPED: Final = frozenset(("Mn", "Me", "Cf", "Cc", "Cs"))


def without_title(words: Words) -> Words:
    """`Miss Aisha` is Aisha; a lone `Master` is a name."""
    while len(words) > 1 and words[0] in _TITLES:
        words = words[1:]
    return words


def is_baby(words: Words) -> bool:
    """`Baby`, `Twin one of Sarah`, `Female infant`: a child not named yet, which says nothing."""
    return bool(words) and (words[0] in _BABY or all(word in _BABY or word in _BABY_ALONE for word in words))


def is_unknown(words: Words) -> bool:
    """`Unknown`, `Not Known`, `ZZZTEST`: nobody's name."""
    if not words:
        return False
    return words[0] in _UNKNOWN or words[:2] in _UNKNOWN_PAIRS or words[0].startswith("zzz")


def is_plain(words: Words) -> bool:
    """Whether it is one word, and none of those that the other questions here are about."""
    return len(words) == 1 and words[0] not in _ODD and not words[0].startswith("zzz")


_ODD: Final = _BABY | _BABY_ALONE | _UNKNOWN


def names_nobody(word: str) -> bool:
    """Thi, Van, bin: a word that many sisters or brothers have in their names, and that none of them is called by."""
    return word in _PARTICLES


_PARTICLES: Final = frozenset(("thi", "van", "bin", "binti", "bint", "ibn"))


def as_spelt(word: str) -> str:
    """What is left of a folded word when the letters that offices write for one another are made one: Millie and Milly, Lukas and
    Lucas, Jaxon and Jackson. Vowels stay as they are: Hassan and Hussain are twins."""
    for ending in SHORT_FORMS_END:
        if len(word) > len(ending) + 2 and word.endswith(ending):
            word = word.removesuffix(ending) + "Y"
            break
    for written, meant in _SPELT:
        word = word.replace(written, meant)
    word = word[:1] + word[1:].translate(_SPELT_INSIDE)
    return "".join(sign for place, sign in enumerate(word) if sign != word[place - 1 : place])


SHORT_FORMS_END: Final = ("ie", "ey", "y")
"""One name, as people please: Millie, Milley, Milly."""
_SPELT: Final = (
    *(("chr", "kr"), ("ch", "C"), ("sh", "S"), ("ck", "k"), ("ph", "f"), ("x", "ks")),
    *(("ce", "se"), ("ci", "si"), ("cy", "sy"), ("cY", "sY"), ("c", "k")),
)
"""In this order."""
_SPELT_INSIDE: Final = str.maketrans({"y": "i", "z": "s", "h": ""})
