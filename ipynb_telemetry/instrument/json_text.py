"""JSON read in order, a window at a time, with the place of each value in the file.

The values are scanned by the standard library's own scanner, so what it takes for broken is
broken here too. Bytes are read as Latin-1: JSON's signs are ASCII, so each character is one
byte, and a place in the text is a place in the file. Whoever keeps a value decodes its bytes.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any, BinaryIO, NamedTuple, NoReturn

WINDOW_BYTES = 2 * 1024 * 1024
_GROWTH = 4  # a value larger than the window is scanned again in one of this many times its size
_SPACE = re.compile(r"[ \t\n\r]*")
# After a number in a window that ends in it: `1.5` begins with a `1`, and so does `12`.
_NUMBER_GOES_ON = ("", ".", "e", "E")
_ESCAPE_LENGTH = 6
_NOT_UTF_8 = "it is not UTF-8"


class NotReadableError(ValueError):
    """This is no JSON, or not the JSON of a notebook; the message says why, for a person."""


class Raw(NamedTuple):
    """One value as it stands in the file."""

    start: int
    """Bytes from the beginning of the file."""
    text: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def value(self) -> Any:
        return json.loads(self.text.decode())


class JsonText:
    """A file of JSON from which values are taken one after the other.

    Holds a window of the file, or what was asked for as one where that is larger.

    Args:
        file: At its beginning. A byte order mark is passed over.
    """

    def __init__(self, file: BinaryIO, window_bytes: int = WINDOW_BYTES) -> None:
        self._file, self._window_bytes = file, window_bytes
        self._utf_8 = codecs.getincrementaldecoder("utf-8")()
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at = "", 0
        self._dropped_bytes = 0
        self.is_ascii = True
        """Whether all that was read so far is."""
        self._more()
        if self._text.startswith("\xef\xbb\xbf"):
            self._at, self.is_ascii = 3, self._text[3:].isascii()

    @property
    def position(self) -> int:
        """Of the next byte, from the beginning of the file."""
        return self._dropped_bytes + self._at

    def space(self) -> bytes:
        """Pass over white space, and tell it."""
        passed = ""
        while True:
            end = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # or empty
            passed += self._text[self._at : end]
            self._at = end
            if self._at < len(self._text) or not self._more():
                return passed.encode("latin-1")

    def peek(self) -> str:
        """The character with which the next value begins; empty at the end of the file."""
        character = self._text[self._at : self._at + 1]
        if not character or character in " \t\n\r":
            self.space()
            character = self._text[self._at : self._at + 1]
        return character

    def skip(self) -> None:
        """Pass over the next value, and hold no more of it than a window."""
        if self.peek() == "[":
            for _ in self.items():
                self._skip_part()
        else:
            self._skip_part()

    def raw(self) -> Raw:
        """Take the next value as one."""
        start = self._scan()
        text = self._text[start : self._at].encode("latin-1")
        return Raw(self._dropped_bytes + start, text)

    def items(self) -> Iterator[bytes]:
        """Go into a list: before each item, the white space before it. Take the item then."""
        self._take("[")
        gap = self.space()
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            yield gap
            if not self._goes_on("]"):
                return
            gap = self.space()

    def members(self) -> Iterator[tuple[bytes, str, bytes]]:
        """Go into an object: the space before a key, the key, the space before its value."""
        self._take("{")
        gap = self.space()
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                self._fail("Expecting property name enclosed in double quotes")
            key = self.raw().value()
            self._take(":")
            yield gap, key, self.space()
            if not self._goes_on("}"):
                return
            gap = self.space()

    def finish(self) -> None:
        """Nothing but white space may follow."""
        if self.peek():
            self._fail("Extra data")
        try:
            self._utf_8.decode(b"", final=True)
        except UnicodeDecodeError:
            raise NotReadableError(_NOT_UTF_8) from None

    def _goes_on(self, end: str) -> bool:
        sign = self.peek()
        if sign not in (",", end) or not sign:
            self._fail("Expecting ',' delimiter")
        self._at += 1
        return sign == ","

    def _take(self, sign: str) -> None:
        if self.peek() != sign:
            self._fail(f"Expecting {sign!r}")
        self._at += 1

    def _skip_part(self) -> None:
        """As `skip`; but a list is passed over as one, for its items can be short and many."""
        self.space()
        if self._skip_in_window():
            return
        if len(self._text) - self._at < self._window_bytes:
            if not self._more():
                self._scan()  # the scanner says what is wrong with it
                return
            if self._skip_in_window():
                return
        if self.peek() == "{":
            for _ in self.members():
                self._skip_part()
        elif self.peek() == '"':
            self._skip_string()
        else:
            self._scan()

    def _skip_in_window(self) -> bool:
        try:
            _, end = self._decode(self._text, self._at)
        except (JSONDecodeError, RecursionError):
            return False  # it goes on, or it is broken: who reads on will see
        if self._text[end : end + 1] in _NUMBER_GOES_ON:
            return False
        self._at = end
        return True

    def _skip_string(self) -> None:
        """What of it is in the window is scanned as a string of its own, and what follows too."""
        self._at += 1
        while True:
            self._at, is_over = self._string_part()
            if is_over:
                return
            if not self._more():
                self._fail("Unterminated string")

    def _string_part(self) -> tuple[int, bool]:
        """Up to where the window has a string, and whether that is its end."""
        for cut in range(_ESCAPE_LENGTH):  # an escape may go on behind the window
            end = len(self._text) - cut
            try:
                _, length = self._decode(f'"{self._text[self._at : end]}"')
            except JSONDecodeError:
                continue
            at = self._at + length - 1  # without the quote before it
            return (at, True) if at <= end else (end, False)
        return self._fail("Unterminated string, or what no string has,")

    def _scan(self) -> int:
        """Pass over the next value as one; where it begins in the window."""
        self.peek()
        while True:
            try:
                _, end = self._decode(self._text, self._at)
            except JSONDecodeError as wrong:
                if not self._more():
                    self._fail(wrong.msg, wrong.pos)
                continue
            except RecursionError:
                self._fail("Values in values in values, too many to read,")
            if self._text[end : end + 1] not in _NUMBER_GOES_ON or not self._more():
                start, self._at = self._at, end
                return start

    def _more(self) -> bool:
        """Make the window longer at its end, without what has been taken; False: there is no more.

        Raises:
            NotReadableError: What was read is not UTF-8.
        """
        kept = self._text[self._at :]
        wanted = max(self._window_bytes, _GROWTH * len(kept) if self._at == 0 else 0)
        read = self._file.read(wanted)
        if not read:
            return False
        is_ascii = read.isascii()
        if not (is_ascii and self.is_ascii):  # half a character may wait in the decoder
            try:
                self._utf_8.decode(read)
            except UnicodeDecodeError:
                raise NotReadableError(_NOT_UTF_8) from None
        self._dropped_bytes += self._at
        self._text, self._at = kept + read.decode("latin-1"), 0
        self.is_ascii = self.is_ascii and is_ascii
        return True

    def _fail(self, what: str, at: int | None = None) -> NoReturn:
        line = 1 + self._newlines_in_file(self._dropped_bytes + (self._at if at is None else at))
        msg = f"it is not JSON: {what} in line {line}"
        raise NotReadableError(msg) from None

    def _newlines_in_file(self, left: int) -> int:
        """How many there are in its first bytes; it is not read on after this."""
        newlines = 0
        self._file.seek(0)
        while left > 0 and (part := self._file.read(min(left, self._window_bytes))):
            newlines += part.count(b"\n")
            left -= len(part)
        return newlines
