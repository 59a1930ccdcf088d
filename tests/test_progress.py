from __future__ import annotations

import pytest
from class_events import BEGAN_MS, MINUTE_MS, Lesson, comparable, figures_of
from hypothesis import given
from hypothesis import strategies as st

from ipynb_telemetry.classroom.attempts import MAX_FAILURES, MAX_RECENT, PASSED, TRIED, Standing
from ipynb_telemetry.classroom.figures import (
    MAX_NAMED,
    SessionFigures,
    epoch_ms,
)
from ipynb_telemetry.classroom.protocol import StoredEvent
from ipynb_telemetry.classroom.spans import MAX_RUNS, SPELL_MS

NAMES = st.sampled_from(["one", "two", "three"])
HAPPENINGS = st.one_of(
    st.tuples(st.just("cell"), st.fixed_dictionaries({"cell_id": NAMES})),
    st.tuples(
        st.just("cell_end"),
        st.fixed_dictionaries({"cell_id": NAMES, "ok": st.booleans(), "err": NAMES}),
    ),
    st.tuples(
        st.just("test"),
        st.fixed_dictionaries(
            {
                "ex": NAMES,
                "ok": st.sampled_from([True, False, None]),
                "try": st.integers(1, 30),
                "err": NAMES,
            }
        ),
    ),
    st.tuples(st.just("hand"), st.fixed_dictionaries({"up": st.booleans()})),
    st.tuples(st.sampled_from(["start", "pause", "resume", "own"]), st.just({})),
    st.tuples(st.just("rename"), st.fixed_dictionaries({"prev": NAMES})),
)


@st.composite
def lessons(draw: st.DrawFn) -> list[StoredEvent]:
    """A session's events, at uneven times and now and then under a corrected name."""
    lesson = Lesson()
    for event, own in draw(st.lists(HAPPENINGS, min_size=1, max_size=60)):
        if event == "rename":
            lesson.rename(draw(NAMES))
        else:
            lesson.event(event, **own)
        lesson.wait(draw(st.sampled_from([0, 0, 1, 30])))
    return lesson.events


@given(lessons(), st.data())
def test_events_in_any_order_and_repeated_give_the_same_figures(
    events: list[StoredEvent], data: st.DataObject
) -> None:
    in_order = figures_of(events)
    again = data.draw(st.lists(st.sampled_from(events)))
    shuffled = data.draw(st.permutations([*events, *again]))

    assert comparable(figures_of(shuffled)) == comparable(in_order)


@given(lessons(), st.data())
def test_figures_kept_and_read_back_are_the_same_and_go_on(
    events: list[StoredEvent], data: st.DataObject
) -> None:
    kept_after = data.draw(st.integers(1, len(events)))
    figures = figures_of(events[:kept_after])

    read_back = SessionFigures.from_bytes(figures.to_bytes())
    for event in events:
        read_back.apply(event)

    assert comparable(read_back) == comparable(figures_of(events))


def test_each_exercise_has_its_attempts_its_first_pass_and_its_latest_result() -> None:
    lesson = Lesson().failed("one").failed("one", 2).passed("one", 3).failed("one", 4)

    exercise = lesson.figures.exercises["one"]

    assert exercise.standing.attempts == 4
    assert exercise.first_pass is not None
    assert (exercise.first_pass.number, exercise.first_pass.at_ms) == (3, BEGAN_MS + 2 * MINUTE_MS)
    assert not exercise.standing.passed


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
def test_the_first_attempts_are_known_where_only_the_latest_are_kept(order: int) -> None:
    lesson = Lesson().failed("one").passed("one", 2)
    for number in range(3, 16):
        lesson.failed("one", number)

    one = figures_of(lesson.events[::order]).exercises["one"]

    assert one.first is not None
    assert one.first_pass is not None
    assert (one.first.number, one.first_pass.number) == (1, 2)
    assert [attempt.number for attempt in one.recent] == [*range(6, 16)]
    assert one.standing == Standing(TRIED, attempts=15, ever_passed=1)


def test_attempts_that_have_not_arrived_are_counted_by_the_students_own_numbers() -> None:
    lesson = Lesson().failed("one").failed("one", 2).failed("one", 3)

    assert figures_of([lesson.events[2]]).exercises["one"].standing.attempts == 3


def test_a_skipped_test_is_no_attempt() -> None:
    skipped = Lesson().event("test", ex="one", ok=None, skipped=True)

    assert (skipped.figures.exercises, skipped.figures.standings) == ({}, {})


def test_events_that_have_not_arrived_are_missed_until_they_do() -> None:
    events = Lesson().cell("a").cell("b").cell("c").cell("d").events

    figures = figures_of([events[0], events[3]])

    assert (figures.received, figures.expected) == (2, 4)
    figures.apply(events[2])
    figures.apply(events[1])
    assert (figures.received, figures.expected) == (4, 4)
    assert figures.spans == [[0, 3]]


def test_every_other_number_does_not_grow_for_ever() -> None:
    [event] = Lesson().cell("a").events
    figures = SessionFigures("aaaaaaaa")

    taken = [figures.apply(event._replace(seq=number)) for number in range(0, 4 * MAX_RUNS, 2)]

    assert taken == [True] * MAX_RUNS + [False] * MAX_RUNS
    assert (len(figures.spans), figures.received) == (MAX_RUNS, MAX_RUNS)
    assert figures.expected == 2 * MAX_RUNS - 1


def test_a_session_with_many_gaps_goes_on_and_can_be_made_whole() -> None:
    [event] = Lesson().cell("a").events
    figures = figures_of(event._replace(seq=number) for number in range(0, 2 * MAX_RUNS, 2))

    assert all(figures.apply(event._replace(seq=number)) for number in range(1, 2 * MAX_RUNS, 2))

    assert figures.spans == [[0, 2 * MAX_RUNS - 1]]
    assert (figures.received, figures.expected) == (2 * MAX_RUNS, 2 * MAX_RUNS)


def test_a_session_heard_of_once_an_hour_for_years_does_not_grow_for_ever() -> None:
    lesson = Lesson()
    for _ in range(MAX_RUNS + 5):
        lesson.cell("a").wait(60)

    figures = lesson.figures

    assert len(figures.spells) == MAX_RUNS
    assert figures.first_ms == BEGAN_MS
    assert figures.last_ms == epoch_ms(lesson.events[-1].timestamp)


def test_the_current_cell_is_that_of_the_highest_seq() -> None:
    events = Lesson().cell("a").cell("b").events

    assert figures_of(reversed(events)).cell.what == "b"


def test_a_cell_is_reached_when_it_is_first_run() -> None:
    lesson = Lesson().cell("a").cell("b").cell("a")

    assert lesson.figures.cells["a"].at_ms == BEGAN_MS


def test_a_hand_is_up_until_it_is_lowered() -> None:
    lesson = Lesson().hand(up=True)
    assert lesson.figures.hand.what == "up"

    lesson.hand(up=False)

    assert lesson.figures.hand.what == ""


def test_the_name_is_the_corrected_one_and_the_others_are_known() -> None:
    figures = Lesson("SARRA").cell("a").rename("SARA").cell("b").figures

    assert figures.student == "SARA"
    assert {*figures.names} == {"SARRA", "SARA"}


def test_a_pause_of_minutes_parts_what_happened_into_spells() -> None:
    longer = SPELL_MS / MINUTE_MS + 1
    figures = Lesson().cell("a").cell("b").wait(longer).cell("c").figures

    assert len(figures.spells) == 2
    assert figures.first_ms == BEGAN_MS


def test_events_without_a_number_are_put_in_order_by_their_times() -> None:
    lesson = Lesson().cell("a").failed("one").cell("b").passed("one", 2)
    figures = figures_of(event._replace(seq=None) for event in reversed(lesson.events))

    one = figures.exercises["one"]
    assert one.standing == Standing(PASSED, attempts=2, ever_passed=1)
    assert one.first is not None
    assert not one.first.ok
    assert (figures.cell.what, [*figures.cells]) == ("b", ["b", "a"])
    assert (figures.student, figures.unnumbered) == ("SARA", 4)
    assert (figures.received, figures.expected) == (0, 0)
    assert comparable(SessionFigures.from_bytes(figures.to_bytes())) == comparable(figures)


def test_events_without_a_number_of_one_millisecond_are_taken_as_they_come() -> None:
    lesson = Lesson().passed("one").failed("one", 2).failed("one", 3).passed("one", 4)
    at = lesson.events[0].timestamp
    figures = figures_of(event._replace(seq=None, timestamp=at) for event in lesson.events)

    one = figures.exercises["one"]
    assert [attempt.number for attempt in one.recent] == [1, 2, 3, 4]
    assert one.first is not None
    assert (one.first.number, one.standing.passed) == (1, True)


@pytest.mark.parametrize("without", ["sess", "nb"])
def test_what_another_program_sends_without_a_number_changes_nothing(without: str) -> None:
    event = Lesson().cell("a").events[0]._replace(seq=None, **{without: ""})
    figures = SessionFigures("aaaaaaaa")

    assert not figures.apply(event)

    assert figures == SessionFigures("aaaaaaaa")


@pytest.mark.parametrize("event", ["start", "cell", "cell_end", "test", "hand", "rename", "own"])
@pytest.mark.parametrize("value", [None, 7, [], {"a": [1]}, "x" * 10_000, True], ids=repr)
def test_properties_of_any_type_are_taken(event: str, value: object) -> None:
    names = ["cell_id", "ex", "err", "ok", "try", "up", "prev", "frontend", "cell_num"]
    lesson = Lesson().event(event, **dict.fromkeys(names, value))

    figures = lesson.figures

    assert comparable(SessionFigures.from_bytes(figures.to_bytes())) == comparable(figures)
    assert len(figures.to_bytes()) < 3_000


def test_a_loop_that_fails_for_ever_does_not_grow_for_ever() -> None:
    lesson = Lesson()
    for number in range(1, 501):
        lesson.cell(f"cell {number}").failed("one", number).end("cell")

    figures = lesson.figures

    assert len(figures.exercises["one"].recent) == MAX_RECENT
    assert len(figures.tests.failures) == MAX_FAILURES
    assert figures.ends.failures == ()
    assert len(figures.cells) == MAX_NAMED
    assert figures.exercises["one"].standing.attempts == 500


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01+00:00", 1000),
        ("1970-01-01T00:00:01.5Z", 1500),
        ("1970-01-01T01:00:00+01:00", 0),
        ("yesterday", 0),
    ],
)
def test_a_time_is_milliseconds_since_1970(text: str, ms: int) -> None:
    assert epoch_ms(text) == ms
