# ruff: noqa: RUF001 -- names in other scripts are the data
"""One student, one spelling: whatever the keyboard, the script or the mood."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipynb_telemetry.names import did_you_mean, normalize_student_name, on_roster, why_refused

# Characters on which normalizers break: those that expand, reorder, join, hide or stand alone.
_TRICKY = (
    "ßẞİıŉǰſﬁΐᾳς\u0345\u0301\u0308\u0327\u0653\u0654\u0655\u064e\u0640\u0670ﷺﹱاأوي'’ʼ´῏῭"
    "\u200b\u200d\u200e\u202e\ufeff\u034f\ufe0f\u1160\u3164\u3099゛かがｶﾞк\u0306Йеё한\u1112\u1161\u11ab"
    "क\u093c\u094d\u093fিোেાที่ำ²①⑴½Ⅷ1_-. \t\n\x00\x85\u2028\u3000\ud800\udfff😀\ue000"
)
_ANY_TEXT = st.text(st.characters() | st.sampled_from(_TRICKY))
_SHORT_NAME = st.text("abcABC 'éßकि한م-1", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        pytest.param("John Doe", "JOHN-DOE", id="as a student types"),
        pytest.param(" john   doe ", "JOHN-DOE", id="spaces around and within"),
        pytest.param("JOHN-DOE", "JOHN-DOE", id="as recorded"),
        pytest.param("john.doe", "JOHN-DOE", id="as in an address"),
        pytest.param("__john__doe__", "JOHN-DOE", id="underscores"),
        pytest.param("john\tdoe\r\n", "JOHN-DOE", id="tab and line end"),
        pytest.param("john\u00a0doe", "JOHN-DOE", id="no-break space"),
        pytest.param("john\u3000doe", "JOHN-DOE", id="ideographic space"),
        pytest.param("john\u0085doe", "JOHN-DOE", id="next line"),
        pytest.param("john\u2028doe", "JOHN-DOE", id="line separator"),
        pytest.param("Jo\u200bhn\ufeff Doe\u200e", "JOHN-DOE", id="zero width"),
        pytest.param("\u202eJohn\u202c \u2067Doe\u2069", "JOHN-DOE", id="bidirectional"),
        pytest.param("J\x00oh\x1bn D\x7foe", "JOHN-DOE", id="control"),
        pytest.param("Jo\u00adhn D\u034foe\ufe0f", "JOHN-DOE", id="soft hyphen, joiner, selector"),
        pytest.param("Ｊｏｈｎ　Ｄｏｅ", "JOHN-DOE", id="full width"),
        pytest.param("𝓙𝓸𝓱𝓷 𝕯𝖔𝖊", "JOHN-DOE", id="mathematical"),
        pytest.param("John Doe 😀", "JOHN-DOE", id="emoji"),
        pytest.param("John\ud83d Doe", "JOHN-DOE", id="half an emoji"),
        pytest.param("Sara ❶", "SARA", id="a sign that counts is no digit"),
        pytest.param("12\u093f क", "12-क", id="a vowel sign on a digit"),
        pytest.param("ि क\u20dd", "क", id="a vowel sign on nothing, a ring around a letter"),
        pytest.param("team 12", "TEAM-12", id="digits"),
        pytest.param("1\ufe0f\u20e3 team²", "1-TEAM2", id="keycap and superscript"),
        pytest.param("José Núñez", "JOSE-NUNEZ", id="Spanish, NFC"),
        pytest.param("Jose\u0301 Nu\u0301n\u0303ez", "JOSE-NUNEZ", id="Spanish, NFD"),
        pytest.param("Nguyễn Thị Đào", "NGUYEN-THI-ĐAO", id="Vietnamese keeps its own letter"),
        pytest.param("Søren Wałęsa", "SØREN-WAŁESA", id="letters with a stroke are letters"),
        pytest.param("Strauß", "STRAUSS", id="German"),
        pytest.param("STRAUẞ", "STRAUSS", id="German in capitals"),
        pytest.param("İpek Yıldız", "IPEK-YILDIZ", id="Turkish"),
        pytest.param("İPEK YILDIZ", "IPEK-YILDIZ", id="Turkish in capitals"),
        pytest.param("J\u0335ohn\u0336", "JOHN", id="struck through"),
        pytest.param("Γιώργος Μαΐου", "ΓΙΩΡΓΟΣ-ΜΑΙΟΥ", id="Greek"),
        pytest.param("ΓΙΩΡΓΟΣ ΜΑΪΟΥ", "ΓΙΩΡΓΟΣ-ΜΑΙΟΥ", id="Greek in capitals"),
        pytest.param("Андрей Семёнов", "АНДРЕЙ-СЕМЁНОВ", id="Russian"),
        pytest.param("Андре\u0438\u0306", "АНДРЕЙ", id="Russian, NFD"),
        pytest.param("Андре\u0301й", "АНДРЕЙ", id="Russian, stressed"),
        pytest.param("И\u0306\u0308ван", "ЙВАН", id="Russian, more marks than a letter has"),
        pytest.param("Юлія Їжак", "ЮЛІЯ-ЇЖАК", id="Ukrainian"),
        pytest.param("محمد علي", "محمد-علي", id="Arabic"),
        pytest.param("مُحَمَّدٌ عَلِيّ", "محمد-علي", id="Arabic with tashkeel"),
        pytest.param("محـــمد عـلي", "محمد-علي", id="Arabic with tatweel"),
        pytest.param("رَحْمٰن", "رحمن", id="Arabic with superscript alef"),
        pytest.param("عَلِىٌّۭ ۥ", "على", id="Arabic with signs of the Quran"),
        pytest.param("أحمد إيمان آمنة لؤي عائشة", "أحمد-إيمان-آمنة-لؤي-عائشة", id="hamza carriers"),
        pytest.param("ا\u0654حمد ا\u0655يمان ا\u0653منة", "أحمد-إيمان-آمنة", id="hamza, NFD"),
        pytest.param("ا\u064e\u0654حمد", "أحمد", id="hamza after a vowel sign"),
        pytest.param("ﻣﺤﻤﺪ", "محمد", id="Arabic presentation forms"),
        pytest.param("علی\u200cرضا", "علیرضا", id="Persian with a non-joiner"),
        pytest.param("שָׂרָה", "שרה", id="Hebrew with points"),
        pytest.param("ג׳ורג׳", "גורג", id="Hebrew geresh"),
        pytest.param("किरण शर्मा", "किरण-शर्मा", id="Devanagari"),
        pytest.param("ज़ैनब", "ज\u093cैनब", id="Devanagari with nukta"),
        pytest.param("สมชัย ที่รัก", "สมชัย-ที่รัก", id="Thai"),
        pytest.param("தமிழ் செல்வி", "தமிழ்-செல்வி", id="Tamil"),
        pytest.param("অনিতা ঘোষ", "অনিতা-ঘোষ", id="Bengali"),
        pytest.param("အောင်ဆန်း", "အောင်ဆန်း", id="Burmese"),
        pytest.param("މުޙައްމަދު", "މުޙައްމަދު", id="Maldivian"),
        pytest.param("김민수", "김민수", id="Korean"),
        pytest.param("\u1100\u1175\u11b7 민수", "김-민수", id="Korean, NFD"),
        pytest.param("なかがわ", "なかがわ", id="Japanese"),
        pytest.param("なかか\u3099わ", "なかがわ", id="Japanese, NFD"),
        pytest.param("ﾅｶｶﾞﾜ ﾊﾞｰﾄ", "ナカガワ-バート", id="Japanese, half width"),
        pytest.param("ㇷ\u309aリ", "ㇷ\u309aリ", id="Ainu, which has no composed form"),
        pytest.param("佐々木", "佐々木", id="Japanese repetition mark"),
        pytest.param("王小明", "王小明", id="Chinese"),
        pytest.param("მარიამ", "ᲛᲐᲠᲘᲐᲛ", id="Georgian"),
        pytest.param("", "", id="nothing"),
        pytest.param(" -_.\u0301\u200d😀 ", "", id="no letter and no digit"),
    ],
)
def test_a_name_has_one_spelling(typed: str, recorded: str) -> None:
    assert ascii(normalize_student_name(typed)) == ascii(recorded)


@pytest.mark.parametrize(
    "apostrophe",
    list("'’‘‛ʼʻʾʿ`´＇｀′‵ʹˈ՚׳ꞌ\u1fbd\u1fbf"),
    ids=lambda character: unicodedata.name(character).lower(),
)
def test_an_apostrophe_of_any_kind_is_dropped(apostrophe: str) -> None:
    assert normalize_student_name(f"O{apostrophe}Brien") == "OBRIEN"


@pytest.mark.parametrize(
    "invisible",
    list("\u200b\u2060\u034f\u115f\u1160\u3164\uffa0\u17b4\u180b\ufe00\ufe0f\U000e0100\U000e01ef"),
    ids=lambda character: unicodedata.name(character).lower(),
)
def test_what_nobody_can_see_vanishes(invisible: str) -> None:
    assert normalize_student_name(f"{invisible}王{invisible}明{invisible}") == "王明"


@given(_ANY_TEXT)
@example("И\u1fcd\u0301")  # decomposes to an apostrophe and a mark
@example("e\u200d\u0301")  # a mark that finds its letter only when the joiner has gone
@example("ᄒ\u1160\u1161")
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize_student_name(text)

    assert normalize_student_name(once) == once


@given(_ANY_TEXT)
@example("İ")
@example("ẞ")
def test_only_capitals_digits_and_needed_marks_are_recorded(text: str) -> None:
    name = normalize_student_name(text)

    words = name.split("-") if name else []
    assert all(words)  # no "-" at the ends, no two in a row
    assert {unicodedata.category(word[0])[0] for word in words} <= {"L", "N"}
    assert {unicodedata.category(character)[0] for word in words for character in word} <= set(
        "LMN"
    )
    assert name == name.upper() == unicodedata.normalize("NFKC", name)


@given(st.text(st.characters() | st.sampled_from(_TRICKY), min_size=60, max_size=300))
@example("\u1161" * 300)
@example("क" + "\u093f" * 300)
@example("SARA " + "क" + "\u093f" * 300)
@example("ﷺ" * 300)
def test_a_name_is_at_most_80_characters_or_200_bytes(text: str) -> None:
    name = normalize_student_name(text)

    assert len(name) <= 80
    assert len(name.encode()) <= 200


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@given(text=_ANY_TEXT)
@example(text="῏α")
@example(text="И\u1fcd\u0301")
def test_how_the_keyboard_composes_letters_changes_nothing(form: str, text: str) -> None:
    composed = unicodedata.normalize(form, text)  # type: ignore[arg-type]  # a str in pytest

    assert normalize_student_name(composed) == normalize_student_name(text)


@given(st.text(st.characters(categories=["L", "Nd", "Zs"])))
@example("ẞ ß ŉ İ ı ς ΐ ǆ")
def test_capitals_and_small_letters_are_the_same_name(text: str) -> None:
    assert normalize_student_name(text.upper()) == normalize_student_name(text)
    assert normalize_student_name(text.lower()) == normalize_student_name(text)


@pytest.mark.parametrize("before", ["", "A", "AA", "AAA", "A" * 5, "A" * 6])
@pytest.mark.parametrize(
    "character",
    [
        pytest.param("A", id="Latin"),
        pytest.param("한", id="Korean"),
        pytest.param("\u1112\u119e\u11ab", id="Korean that has no composed form"),
        pytest.param("\u1112\u1112\u119e", id="Korean with two first consonants"),
        pytest.param("\ua960\ua960\u1161\ud7cb", id="Korean of other centuries"),
        pytest.param("कि", id="Devanagari with a vowel sign"),
        pytest.param("क्ष", id="Devanagari conjunct"),
        pytest.param("ज\u093cि", id="Devanagari with nukta and vowel sign"),
        pytest.param("ที่", id="Thai with vowel and tone"),
        pytest.param("\U0001e900\U0001e944", id="Adlam, four bytes each"),
    ],
)
def test_a_long_name_is_cut_between_characters(before: str, character: str) -> None:
    fitting = min(
        (80 - len(before)) // len(character), (200 - len(before)) // len(character.encode())
    )

    name = normalize_student_name(before + character * 300)

    assert name == before + character * fitting


def test_a_name_cut_after_a_word_does_not_end_in_a_hyphen() -> None:
    assert normalize_student_name("A" * 79 + " DOE") == "A" * 79


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        pytest.param("a" * 1_000_000, "A" * 80, id="letters"),
        pytest.param(" " * 1_000_000 + "Sara" + " " * 1_000_000, "SARA", id="spaces around a name"),
        pytest.param("Sara" + "\u0301\u0316" * 1_000_000, "SARA", id="accents out of order"),
        pytest.param("Sara क" + "\u0951\u093c" * 1_000_000, "SARA", id="marks that are kept"),
    ],
)
def test_megabytes_are_a_name_like_any_other(typed: str, recorded: str) -> None:
    assert normalize_student_name(typed) == recorded


@pytest.mark.parametrize(
    "name", ["JOHN-DOE", "محمد-علي", "王明", "김민수", "LI", "A-B", "किरण", "TEAM-12"]
)
def test_a_name_of_two_letters_or_more_is_taken(name: str) -> None:
    assert why_refused(name) is None


@pytest.mark.parametrize("name", ["", "A", "12", "A-1", "2024-01", "कि", "ว"])
def test_a_name_needs_two_letters(name: str) -> None:
    refusal = "This needs at least two letters. Type the name your teacher knows."

    assert why_refused(name) == refusal


@pytest.mark.parametrize(
    "distinct_id",
    [
        *("0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous"),
        *("anonymous-user", "backend", "distinct_id", "distinctid", "email", "false", "guest"),
        *("id", "nan", "none", "not_authenticated", "null", "system", "true", "undefined", "user"),
    ],
)
def test_an_id_that_posthog_reserves_is_refused(distinct_id: str) -> None:
    assert why_refused(normalize_student_name(distinct_id)) is not None
    assert why_refused(normalize_student_name(f" “{distinct_id.upper()}” ")) is not None
    assert why_refused(distinct_id) is not None


@pytest.mark.parametrize(
    "name", ["GUEST-SARA", "NONE-OTHER", "USERS", "NULLA", "ID-RIS", "TRUE-MAN"]
)
def test_a_name_that_contains_a_reserved_id_is_taken(name: str) -> None:
    assert why_refused(name) is None


@pytest.mark.parametrize("name", ["ANONYMOUS-0123ABCD", "ANONYMOUS-DEADBEEF", "anonymous-deadbeef"])
def test_the_name_of_an_unnamed_session_is_refused(name: str) -> None:
    assert why_refused(name) is not None


@pytest.mark.parametrize(
    "name", ["ANONYMOUS-SARA", "ANONYMOUS-0123ABCDE", "SARA-ANONYMOUS-0123ABCD"]
)
def test_a_name_that_only_looks_like_an_unnamed_session_is_taken(name: str) -> None:
    assert why_refused(name) is None


@pytest.mark.parametrize("name", ["", "A", "GUEST", "ANONYMOUS-0123ABCD"])
def test_a_refusal_is_one_line_that_ends_with_what_to_type(name: str) -> None:
    refusal = why_refused(name)

    assert refusal is not None
    assert refusal.splitlines() == [refusal]
    assert refusal.split(". ")[-1].startswith("Type ")


_CLASS = (
    "Sara Al-Harbi",
    "Sara Ali",
    "Sara bint Abdulrahman Al-Qahtani",
    "Noura Al-Harbi",
    "Omar Khalid",
    "John Doe",
    "Jane Doe",
    "Muhammad Al-Ghamdi",
    "María José García",
    "Li Wei",
    "محمد علي",
    "سارة الحربي",
    "김민수",
    "Артём Семёнов",
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        pytest.param("sara al harbi", "Sara Al-Harbi", id="another spelling"),
        pytest.param("HARBI SARA", "Sara Al-Harbi", id="words swapped"),
        pytest.param("al-harbi, sara", "Sara Al-Harbi", id="last name first"),
        pytest.param("saraalharbi", "Sara Al-Harbi", id="no spaces"),
        pytest.param("Sara Al-Harb", "Sara Al-Harbi", id="last letter lost"),
        pytest.param("Sara Mohammed Al Harbi", "Sara Al-Harbi", id="one word more"),
        pytest.param("Omer", "Omar Khalid", id="first name with a typo"),
        pytest.param("khaled omar", "Omar Khalid", id="swapped with a typo"),
        pytest.param("Garcia", "María José García", id="one of two last names"),
        pytest.param("jon doe", "John Doe", id="the nearer of two"),
        pytest.param("Muhamed", "Muhammad Al-Ghamdi", id="transliterated otherwise"),
        pytest.param("wei", "Li Wei", id="short name"),
        pytest.param("علي محمد", "محمد علي", id="Arabic, words swapped"),
        pytest.param("ساره", "سارة الحربي", id="Arabic, first name with a typo"),
        pytest.param("김 민 수", "김민수", id="Korean with spaces"),
        pytest.param("민수", "김민수", id="Korean, given name"),
        pytest.param("Артем", "Артём Семёнов", id="Russian without its dots"),
    ],
)
def test_the_student_who_was_meant_is_suggested_first(typed: str, meant: str) -> None:
    assert did_you_mean(typed, _CLASS)[:1] == [meant]


def test_everyone_with_the_first_name_that_was_typed_is_suggested() -> None:
    suggested = did_you_mean("Sara", _CLASS)

    assert set(suggested) == {"Sara Al-Harbi", "Sara Ali", "Sara bint Abdulrahman Al-Qahtani"}


@pytest.mark.parametrize("typed", ["", "!", "12", "Alexander", "Pikachu", "Peter Parker", "李小龙"])
def test_nobody_is_suggested_when_nobody_is_near(typed: str) -> None:
    assert did_you_mean(typed, [*_CLASS, "", "?"]) == []


def test_at_most_three_are_suggested() -> None:
    namesakes = [f"Sara Al-Harbi {n}" for n in range(10)]

    assert len(did_you_mean("Sara Al-Harbi", namesakes)) == 3


def test_a_student_listed_twice_is_suggested_once() -> None:
    assert did_you_mean("sara", ["Sara Ali", "SARA ALI", "sara.ali"]) == ["Sara Ali"]


@given(st.lists(_SHORT_NAME.filter(normalize_student_name), min_size=1, max_size=6))
@example(["Sara Ali", "Ali Sara", "AliSara", "Sara-Ali Sara", "Sara", "SARA"])
def test_everyone_on_the_roster_suggests_themselves(roster: list[str]) -> None:
    first_suggestions = [did_you_mean(member, roster)[0] for member in roster]

    assert set(first_suggestions) <= set(roster)
    assert [*map(normalize_student_name, first_suggestions)] == [
        *map(normalize_student_name, roster)
    ]


@given(_ANY_TEXT, st.lists(_ANY_TEXT, max_size=5))
def test_suggestions_come_from_the_roster(name: str, roster: list[str]) -> None:
    suggested = did_you_mean(name, roster)

    assert len(suggested) <= 3
    assert set(suggested) <= set(roster)


@pytest.mark.parametrize("typed", ["Sara Ali", "SARA-ALI", " sara  ali ", "sàra.ali"])
def test_any_spelling_of_a_name_is_on_the_roster(typed: str) -> None:
    assert on_roster(typed, _CLASS)


@pytest.mark.parametrize("typed", ["Sara", "Ali Sara", "Sara Alia", "", "!"])
def test_another_name_is_not_on_the_roster(typed: str) -> None:
    assert not on_roster(typed, [*_CLASS, "", "?"])
