"""The rules of names, places, cursors, ids and times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.core.models import (
    MAX_CURSOR_TEXT,
    MAX_LOGS,
    MAX_SEQ,
    Cursor,
    Entry,
    Hidden,
    Notification,
    Preferences,
    Principal,
    Priority,
    QuietHours,
    Ref,
    Subscriber,
    View,
    Watermark,
    encode_content,
    first_seq,
    follows,
    is_name,
    is_zone,
    new_id,
    parse_audience,
    rfc3339,
    zone,
)

ODD_NAMES = ["@", "a@b", ":", "a:b", ";", "a=b", "=", "%", "%40", "'\"`\\", "日本", "é", "🙂"]
"""Names that mean something to one of our notations, or are more than one byte."""

NOT_NAMES = {
    "empty": "",
    "space": "a b",
    "no-break space": "a\u00a0b",
    "newline": "a\n",
    "tab": "\t",
    "nul": "a\0",
    "C1 control": "a\x85",
    "direction override": "a\u202eb",
    "zero width space": "a\u200bb",
    "lone surrogate": "a\ud800",
    "129 characters": "x" * 129,
}

names = st.text(min_size=1, max_size=128).filter(is_name)
audiences = st.one_of(
    st.just("everyone"),
    st.builds("{}:{}".format, st.sampled_from(["user", "role", "topic"]), names),
)


@pytest.mark.parametrize("name", ["42", "x" * 128, *ODD_NAMES])
def test_a_name_is_1_to_128_printable_characters(name: str) -> None:
    """Any printable character without white space may stand in a name."""
    assert is_name(name)
    assert parse_audience(f"user:{name}") == f"user:{name}"


@pytest.mark.parametrize("text", NOT_NAMES.values(), ids=NOT_NAMES.keys())
def test_what_is_not_printable_is_no_name(text: str) -> None:
    """Controls, white space, what draws nothing, and what is too long name nobody."""
    assert not is_name(text)
    with pytest.raises(ValueError, match="name"):
        parse_audience(f"role:{text}")


@pytest.mark.parametrize(
    "text", ["", "user", "users:1", "User:1", "Everyone", "everyone:1", "log:1", ":1", " user:1"]
)
def test_an_audience_is_of_a_known_kind(text: str) -> None:
    """everyone, user:, role: and topic:, exactly so written."""
    with pytest.raises(ValueError, match="everyone"):
        parse_audience(text)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_entry_id_is_split_at_its_first_at_sign(name: str) -> None:
    """The number has no @, so a name may have any number of them."""
    assert Ref.parse(f"17@user:{name}") == Ref(f"user:{name}", 17)
    assert str(Ref(f"user:{name}", 17)) == f"17@user:{name}"


@pytest.mark.parametrize(
    "text",
    ["", "17", "17@", "@user:42", "x@user:42", "-1@user:42", "1.5@user:42", "1e3@user:42",
     "٣@user:42", "²@user:42", "17@nobody", "17 @user:42", "9" * 17 + "@everyone"],
)  # fmt: skip
def test_anything_else_is_no_entry_id(text: str) -> None:
    """A number of at most 16 ASCII digits, an @, and an audience: nothing else."""
    with pytest.raises(ValueError):
        Ref.parse(text)


@given(st.dictionaries(audiences, st.integers(0, MAX_SEQ), max_size=5))
def test_a_cursor_survives_being_written(positions: dict[str, int]) -> None:
    """Text and mapping give back the same cursor, whatever the names are."""
    cursor = Cursor(positions)
    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.parse(positions) == cursor


def test_a_cursor_percent_encodes_its_names() -> None:
    """What separates in a cursor cannot come from a name; : and @ stay readable."""
    assert str(Cursor({"user:a;b=c%": 1, "role:x@y": 2})) == "user:a%3Bb%3Dc%25=1;role:x@y=2"


def test_a_cursor_part_is_split_at_its_last_equals_sign() -> None:
    """A name may come with an = that a client did not encode."""
    assert Cursor.parse("user:a=b=5") == {"user:a=b": 5}


def test_no_text_is_the_cursor_of_no_logs() -> None:
    """The empty cursor has an empty text."""
    assert Cursor.parse("") == {}
    assert str(Cursor()) == ""


NOT_CURSORS = {
    "no number": "everyone",
    "no name": "=5",
    "empty number": "everyone=",
    "negative": "everyone=-1",
    "fraction": "everyone=1.5",
    "other digits": "everyone=٣",
    "beyond exact": f"everyone={MAX_SEQ + 1}",
    "17 digits": "everyone=" + "1" * 17,
    "unknown audience": "nobody=1",
    "empty part": "everyone=1;",
    "comma": "everyone=1,user:1=2",
    "not UTF-8": "user:%ff=1",
    "control": "user:%0a=1",
    "too long": "everyone=1;" * (MAX_CURSOR_TEXT // 11) + "everyone=1;",
    "number": 5,
    "list": ["everyone=5"],
    "nothing": None,
    "key not text": {1: 1},
    "value not a number": {"everyone": "1"},
    "value a truth": {"everyone": True},
    "value a fraction": {"everyone": 1.0},
    "value negative": {"everyone": -1},
    "value beyond exact": {"everyone": MAX_SEQ + 1},
    "key no audience": {"nobody": 1},
}


@pytest.mark.parametrize("value", NOT_CURSORS.values(), ids=NOT_CURSORS.keys())
def test_anything_else_is_no_cursor(value: object) -> None:
    """A malformed cursor is refused in words of ours, which say nothing of how it is read."""
    with pytest.raises(ValueError, match=r"^(Must|The) ") as refusal:
        Cursor.parse(value)
    assert "codec" not in str(refusal.value)


def test_the_largest_number_is_one_that_javascript_holds() -> None:
    """2^53 - 1 is still exact in every client."""
    assert Cursor.parse(f"everyone={2**53 - 1}") == {"everyone": 2**53 - 1}


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, max_size=5))
def test_ids_sort_by_their_time(times: list[int]) -> None:
    """A later notification has a larger id, as text and as UUID of version 7."""
    ids = [new_id(at) for at in times]
    for at, one in zip(times, ids, strict=True):
        assert UUID(one).version == 7
        assert UUID(one).variant == "specified in RFC 4122"
        assert UUID(one).int >> 80 == at
        assert all(one < other for other, later in zip(ids, times, strict=True) if at < later)


def test_ids_of_one_moment_differ() -> None:
    """74 bits are random."""
    assert len({new_id(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_769_846_400_007, "2026-01-31T08:00:00.007Z"),
        (1_709_164_800_999, "2024-02-29T00:00:00.999Z"),
    ],
)
def test_times_are_utc_with_milliseconds(at: int, text: str) -> None:
    """RFC 3339, always three digits after the point."""
    assert rfc3339(at) == text


@given(st.integers(0, 2**45), st.integers(0, 2**45))
def test_an_empty_log_starts_at_the_same_number_for_all_within_an_hour(a: int, b: int) -> None:
    """Writers who race for an empty log collide; an hour later the number is larger."""
    hour = 3_600_000
    assert (first_seq(a) == first_seq(b)) == (a // hour == b // hour)
    assert first_seq(a) <= a < first_seq(a) + hour


def test_the_next_entry_is_the_last_plus_one() -> None:
    """Nothing else follows, neither a repetition nor one behind a gap."""
    assert [seq for seq in range(10) if follows(seq, 5, now=0)] == [6]


def test_the_first_entry_of_an_empty_log_follows_nothing() -> None:
    """Position 0 is an empty log, which starts on the hour."""
    assert follows(3_600_000, 0, now=3_600_000)
    assert not follows(3_600_000, 0, now=3_599_999)
    assert not follows(3_600_001, 0, now=3_600_001)
    assert not follows(1, 0, now=3_600_000)


def notification(type: str = "info", excluded: frozenset[str] = frozenset()) -> Notification:
    return Notification(
        id=new_id(0), type=type, publisher="service:x", created_at=0, expires_at=1,
        excluded=excluded, content=encode_content({"title": "Hello", "url": None}),
    )  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("state", [{}, {"read": True, "seen": False}])
def test_an_entry_is_json_whatever_its_name(name: str, state: dict[str, bool]) -> None:
    """The id is escaped, the state is there if given, and the content follows unchanged."""
    wire = Entry(f"user:{name}", 17, notification()).wire(**state)
    assert orjson.loads(wire) == {"id": f"17@user:{name}", **state, "title": "Hello", "url": None}


@pytest.mark.parametrize(
    ("audience", "seq", "type", "excluded", "shown"),
    [
        ("role:a", 6, "info", set(), True),
        ("role:a", 5, "info", set(), False),
        ("role:b", 6, "info", set(), False),
        ("role:a", 6, "like", set(), False),
        ("role:a", 6, "info", {"42"}, False),
        ("role:a", 6, "info", {"43"}, True),
    ],
    ids=["visible", "at the floor", "not a member", "hidden type", "excluded", "other excluded"],
)
def test_a_view_shows_what_is_above_the_floor_and_not_withheld(
    audience: str, seq: int, type: str, excluded: set[str], shown: bool
) -> None:
    """A member sees every entry above the floor of a type that is not hidden, unless excluded."""
    view = View("42", {"role:a": 5}, Hidden(frozenset({"like"})))
    entry = Entry(audience, seq, notification(type, frozenset(excluded)))
    assert view.shows(entry) is shown


def test_a_silent_entry_says_so_on_the_wire() -> None:
    """The others do not mention it."""
    entry = Entry("user:42", 17, notification())
    assert "silent" not in orjson.loads(entry.wire())
    assert orjson.loads(replace(entry, silent=True).wire())["silent"] is True


def test_priorities_are_in_order() -> None:
    """From low to critical."""
    assert sorted(Priority, key=lambda p: p.rank) == ["low", "normal", "high", "critical"]


PREFERENCES = Preferences(
    {"like": {"bell": False}},
    {"toast": Priority.HIGH},
    1_767_254_400_000,
    (QuietHours(frozenset({"mon", "fri"}), 22 * 60, 7 * 60 + 30),),
    "Europe/Berlin",
    {"comment": "daily"},
    9 * 60 + 5,
    sound=False,
    version=7,
)


def test_preferences_have_one_form_for_clients_and_stores() -> None:
    """Read again they are the same, and what is absent is as usual."""
    form = PREFERENCES.as_dict()
    assert form["muted_until"] == "2026-01-01T08:00:00.000Z"
    assert form["quiet_hours"] == [{"days": ["mon", "fri"], "from": "22:00", "to": "07:30"}]
    assert form["digest_at"] == "09:05"
    assert Preferences.from_dict(orjson.loads(orjson.dumps(form))) == PREFERENCES
    assert Preferences.from_dict({"types": {}, "sound": True, "version": 0}) == Preferences()


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Nowhere", "../etc/passwd", "/etc", "\0"])
def test_what_is_no_time_zone(name: str) -> None:
    """It is refused when it is chosen; one that is gone since counts as UTC."""
    assert not is_zone(name)
    assert zone(name) is UTC


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/St_Johns", "Etc/GMT+5"])
def test_time_zones_are_known_by_name(name: str) -> None:
    """Those of the IANA data base."""
    assert is_zone(name)
    assert str(zone(name)) == name


def test_an_untouched_log_has_watermarks_at_its_start() -> None:
    """Nothing seen, read or dismissed, and visible from the first entry on."""
    assert Subscriber("42").watermark("everyone") == Watermark(0, 0, 0, 0)


def test_a_user_and_a_service_of_one_name_are_different_publishers() -> None:
    """What a service published is not the user's of the same name."""
    assert Principal("7").publisher != Principal("7", is_service=True).publisher


def test_a_cursor_of_all_logs_a_user_can_have_is_read() -> None:
    """However long their names are, and how many bytes each character takes."""
    names = [f"{number:03}" + "\U00010400" * 125 for number in range(MAX_LOGS)]
    cursor = Cursor({f"topic:{name}": MAX_SEQ for name in names})
    assert len(str(cursor)) > MAX_CURSOR_TEXT * 0.9
    assert Cursor.parse(str(cursor)) == cursor
