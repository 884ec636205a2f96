"""How a hurried hand changes what it copies: letters, digits, dates, short forms, dropped words."""

from datetime import date
from random import Random

from streams.matching.names import Names

_NEAR = {
    "a": "sq",
    "e": "wr",
    "i": "uo",
    "o": "ip",
    "u": "yi",
    "n": "mb",
    "m": "n",
    "s": "ad",
    "t": "ry",
    "r": "et",
    "l": "k",
    "h": "gj",
    "d": "sf",
}


def letters(random: Random, word: str) -> str:
    """One slip: a letter dropped, doubled, changed for its neighbour, or two changed over."""
    if len(word) < 3:
        return word
    at = random.randrange(1, len(word) - 1)
    return random.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + random.choice(_NEAR.get(word[at].lower(), "aeo")) + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )


def digits(random: Random, text: str) -> str:
    """One digit changed, or two neighbours changed over."""
    places = [place for place, sign in enumerate(text) if sign.isdigit()]
    at = random.choice(places)
    if random.random() < 0.4 and at + 1 in places:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + str((int(text[at]) + random.randint(1, 9)) % 10) + text[at + 1 :]


def birth_date(random: Random, born: date) -> date:
    """Day and month changed over, the day or the year off by a little, or 1 January."""
    kind = random.random()
    if kind < 0.3 and born.day <= 12:
        return born.replace(month=born.day, day=born.month)
    if kind < 0.65:
        return born.replace(day=random.randint(1, 28))
    if kind < 0.8:
        return born.replace(month=random.randint(1, 12), day=min(born.day, 28))
    if kind < 0.92:
        return born.replace(year=born.year + random.choice((-1, 1)), day=min(born.day, 28))
    return born.replace(month=1, day=1)


def postcode(random: Random, place: str) -> str:
    """O for 0, a letter of the end changed, or a digit."""
    kind = random.random()
    if kind < 0.3 and "0" in place:
        return place.replace("0", "O", 1)
    if kind < 0.6:
        return place[:-1] + random.choice("ABDEFGHJLNPQRSTUWXYZ")
    return digits(random, place)


def other_name(random: Random, given: str, names: Names, nickname: float, spelling: float) -> str:
    """The short form, or another spelling of the same name."""
    first, *rest = given.split()
    word = first.lower()
    if random.random() < nickname and (short := sorted(names.nicknames.get(word, ()))):
        return random.choice(short).title()
    if random.random() < spelling and (families := names.spellings.get(word)):
        others = sorted(each for each, own in names.spellings.items() if each != word and not families.isdisjoint(own))
        return " ".join([random.choice(others).title(), *rest]) if others else given
    return given
