"""A student's name: its one spelling, whether it is refused, and which one was meant.

A name loses the marks that people leave out when they type (accents of Latin letters and of
Greek, whose capitals have none; Arabic tashkeel, Hebrew points, Russian stress) and keeps
those that make another letter or another vowel of it: Й, أ, が, कि, ที่.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_CHARS = 80
MAX_BYTES = 200  # PostHog's newer endpoint drops an event whose id is longer
MIN_LETTERS = 2
MAX_SUGGESTIONS = 3

# Sorting marks takes time squared, and no name is longer, even one drowned in marks.
_READ_CHARS = 2_000
# By number, since most of them look alike. They vanish before NFKD, which makes a space and a
# mark of some, and once more after it, since it brings others out.
_VANISHING = frozenset(
    "'`\u00b4\u2018\u2019\u201b\u2032\u2035"  # apostrophes, and what is typed for one
    "\u0384\u1fbd\u1fbf\u1ffe"  # in Greek
    "\u055a\u05f3\u07f4\u07f5\ua78b\ua78c"  # in Armenian, Hebrew, N'Ko, Nahuatl
    "\u0640\u06e5\u06e6"  # tatweel; two signs of the Quran that count as letters
    "\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f"  # what nobody can see, Hangul first
).union(
    map(chr, range(0x02B9, 0x0300)),  # spacing modifiers: okina, ayn, apostrophe, tones
    map(chr, range(0xFE00, 0xFE10)),  # variation selectors, here and in the next line
    map(chr, range(0xE0100, 0xE01F0)),
)

# Scripts, and marks, by the words with which Unicode begins their names.
_SCRIPTS_WITHOUT_MARKS = ("LATIN", "GREEK")
_OPTIONAL_MARKS = ("COMBINING ", "ARABIC ", "HEBREW ")  # COMBINING: of no one script
_KANA_MARKS = "\u3099\u309a"  # COMBINING KATAKANA-HIRAGANA..., and yet never optional
# What NFC did not compose: anything after a first consonant, or before a vowel or a last one.
_LOOSE_HANGUL = re.compile("[\u1100-\u115f\ua960-\ua97c].|.[\u1160-\u11ff\ud7b0-\ud7ff]")
_VIRAMA = 9  # the combining class of the mark that joins the letters around it

_ANONYMOUS_SESSION = re.compile(r"ANONYMOUS-[0-9A-F]{8}")
_NEAR = 0.66  # tried on the names in tests/test_names.py: people below it are other people


def normalize_student_name(text: str) -> str:
    """The one spelling under which a student is recorded: `John Doe` -> `JOHN-DOE`.

    Pure, total and idempotent: never raises, and normalizing twice changes nothing.

    Args:
        text: What was typed, any length, any script, NFC or NFD.

    Returns:
        Upper-case letters, with the marks that their script needs, and digits, joined by
        single `-`: 0 to 80 characters, at most 200 bytes of UTF-8, in NFKC.
        Empty when nothing in `text` is a letter or digit; ask `why_refused`
        before using it.

    Source:
        NFKC: Unicode Standard Annex 15. Tashkeel and tatweel: Unicode block
        U+0600, the marks of category Mn and U+0640.
    """
    text = text.strip()[:_READ_CHARS]
    text = _without_vanishing(unicodedata.normalize("NFD", text))
    text = _without_vanishing(unicodedata.normalize("NFKD", text))
    text = text.upper().replace("\u1e9e", "SS")  # upper() leaves a capital sharp s as it is
    parts: list[str] = []  # each a letter with its marks, a digit, or "-"
    for character in unicodedata.normalize("NFKD", text):
        kind = unicodedata.category(character)
        if kind[0] == "L" or kind == "Nd":
            parts.append(character)
        elif kind[0] == "M":
            if parts and _needs(parts[-1], character):
                parts[-1] += character
        elif parts and parts[-1] != "-":
            parts.append("-")
    return _cut(unicodedata.normalize("NFC", "".join(parts)))


def _without_vanishing(text: str) -> str:
    return "".join(
        character
        for character in text
        if character not in _VANISHING
        and (character.isspace() or unicodedata.category(character) not in ("Cc", "Cf"))
    )


def _needs(letter: str, mark: str) -> bool:
    """Whether `letter`, with the marks it has so far, would be another one without `mark`."""
    script = unicodedata.name(letter[0], "").partition(" ")[0]
    if not letter[0].isalpha() or script in _SCRIPTS_WITHOUT_MARKS:
        return False
    if mark in _KANA_MARKS or not unicodedata.name(mark, "").startswith(_OPTIONAL_MARKS):
        return True
    return len(unicodedata.normalize("NFC", letter + mark)) == 1  # such as Й or أ


def _cut(name: str) -> str:
    end = min(len(name), MAX_CHARS)
    while end and (len(name[:end].encode()) > MAX_BYTES or _is_inside_a_character(name, end)):
        end -= 1
    return name[:end].rstrip("-")


def _is_inside_a_character(name: str, end: int) -> bool:
    if end == len(name):
        return False
    before, after = name[end - 1], name[end]
    return (
        unicodedata.category(after)[0] == "M"
        or unicodedata.combining(before) == _VIRAMA
        or _LOOSE_HANGUL.fullmatch(before + after) is not None
    )


# PostHog takes these for nobody in particular: it keeps their events, but without a person.
_RESERVED = frozenset(
    normalize_student_name(distinct_id)
    for distinct_id in (
        "0",
        "00000000-0000-0000-0000-000000000000",
        "[object object]",
        "anonymous",
        "anonymous-user",
        "backend",
        "distinct_id",
        "distinctid",
        "email",
        "false",
        "guest",
        "id",
        "nan",
        "none",
        "not_authenticated",
        "null",
        "system",
        "true",
        "undefined",
        "user",
    )
)


def why_refused(name: str) -> str | None:
    """What to tell a student whose name cannot be used, or None when it can.

    Args:
        name: As `normalize_student_name` returns it.

    Source:
        The ids that PostHog reserves: `v1/analytics/constants.rs` of its capture service.
    """
    if sum(character.isalpha() for character in name) < MIN_LETTERS:
        return "This needs at least two letters. Type the name your teacher knows."
    if normalize_student_name(name) in _RESERVED:
        return "This word has a special meaning here. Type your first and last name."
    if _ANONYMOUS_SESSION.fullmatch(normalize_student_name(name)):
        return "This stands for a student without a name. Type the name your teacher knows."
    return None


def on_roster(name: str, roster: Sequence[str]) -> bool:
    """Whether `name` is a spelling of a name in `roster`."""
    wanted = normalize_student_name(name)
    return wanted != "" and wanted in map(normalize_student_name, roster)


def did_you_mean(name: str, roster: Sequence[str]) -> list[str]:
    """The entries of `roster` nearest to `name`, best first, at most three.

    The order of the words does not matter, and a first or a last name is enough.

    Returns:
        Entries as they stand in the roster, each student once; none when nobody is near.
    """
    wanted = normalize_student_name(name)
    entries: dict[str, str] = {}
    for entry in roster:
        entries.setdefault(normalize_student_name(entry), entry)
    nearness = {spelling: _nearness(wanted, spelling) for spelling in entries if spelling}
    near = [spelling for spelling in nearness if nearness[spelling] >= _NEAR]
    near.sort(key=nearness.__getitem__, reverse=True)
    return [entries[spelling] for spelling in near[:MAX_SUGGESTIONS]]


def _nearness(wanted: str, spelling: str) -> float:
    """How near two normalized names are: 1 when they are equal, below it when they are not."""
    few, many = sorted(
        (wanted.split("-"), spelling.split("-")), key=lambda words: len("".join(words))
    )
    found = sum(len(word) * max(_likeness(word, other) for other in many) for word in few)
    share = found / max(1, len("".join(few)))  # of the shorter name, whatever the order
    whole = _likeness(wanted, spelling)
    return max(whole, (3 * share + whole) / 4)


def _likeness(one: str, other: str) -> float:
    from difflib import SequenceMatcher  # noqa: PLC0415  # few classes have a roster

    return SequenceMatcher(None, one, other, autojunk=False).ratio()
