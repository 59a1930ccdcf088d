"""What the panel asks about a student's name, and what follows from the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from ipynb_telemetry.names import did_you_mean, normalize_student_name, on_roster, why_refused
from ipynb_telemetry.session import Session

MAX_CHOICES = 4

Purpose: TypeAlias = Literal["name", "typo", "another"]
"""What a typed name is for: the first one, the same student's, another student's."""


class Choice(NamedTuple):
    """A button."""

    label: str
    act: Callable[[], None]


class Question(NamedTuple):
    """Buttons to choose from, at most `MAX_CHOICES`, with the line above them."""

    line: str
    choices: Sequence[Choice]


class Dialogue:
    """Where one session's student is in giving or changing a name.

    Args:
        session: Whose name it is.
        clear_name: Empties the box in which a name is typed.
    """

    def __init__(self, session: Session, *, clear_name: Callable[[], None]) -> None:
        self._session = session
        self._clear_name = clear_name
        self.purpose: Purpose | None = None
        """What a name is typed for now; None when none is asked for."""
        self.question: Question | None = None
        self.refused = ""
        """Why the typed name cannot be taken, and what to do."""
        if not session.student:
            self._ask_for_the_first_name()

    def typed_on(self) -> None:
        """Whoever types on has answered 'Did you mean ...?', and mends what was refused."""
        self.refused = ""
        if self.purpose is not None:
            self.question = None

    def take(self, name: str) -> None:
        """Take a typed name, or say what is wrong, or ask what was meant."""
        refused = why_refused(name)
        if refused is not None:
            self.refused = refused
        elif self._session.roster and not on_roster(name, self._session.roster):
            self._ask_what_was_meant(name)
        else:
            self._accept(name)

    def choose(self, place: int) -> None:
        """The student has chosen one of the question's choices."""
        if self.question is not None and place < len(self.question.choices):
            self.question.choices[place].act()

    def ask_which(self) -> None:
        """'Not you?' means one of two things."""
        self.question = Question(
            f"Is {self._session.student} misspelled, or is somebody else working now?",
            (
                Choice("Fix a typo", partial(self._ask_for_name, "typo")),
                Choice("Another student", partial(self._ask_for_name, "another")),
                Choice("Cancel", self.stop),
            ),
        )

    def stop(self) -> None:
        self.purpose, self.question, self.refused = None, None, ""

    def _accept(self, name: str) -> None:
        purpose = self.purpose
        self.stop()
        if purpose == "typo":
            self._session.rename(name)
        elif purpose == "another" and name != self._session.student:
            self._session.hand_over(name)
        elif purpose == "name":
            self._session.take_name(name)

    def _ask_for_the_first_name(self) -> None:
        offered = self._session.offered
        if not offered:
            self.purpose = "name"
            return
        self.question = Question(
            "Who is working here?",
            (
                Choice(f"Continue as {offered}", partial(self._continue_as, offered)),
                Choice("Someone else", partial(self._ask_for_name, "name")),
            ),
        )

    def _continue_as(self, name: str) -> None:
        self.purpose, self.question = "name", None
        self.take(name)

    def _ask_for_name(self, purpose: Purpose) -> None:
        self.purpose, self.question, self.refused = purpose, None, ""
        if purpose == "another":
            self._clear_name()  # it was hidden until now: nobody is typing in it

    def _ask_what_was_meant(self, name: str) -> None:
        near = did_you_mean(name, self._session.roster)[: MAX_CHOICES - 1]
        line = f"{name} is not on the class list."
        self.question = Question(
            f"{line} Did you mean ...?" if near else line,
            (
                *(
                    Choice(each, partial(self._accept, normalize_student_name(each)))
                    for each in near
                ),
                Choice(f"No, I am {name}", partial(self._accept, name)),
            ),
        )
