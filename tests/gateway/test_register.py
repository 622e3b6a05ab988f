"""`make register`, shorter: 16 clients at once, and no read shows what is behind a write answered before."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import oracle as judge  # noqa: E402
import register  # noqa: E402
from variant import amount  # noqa: E402

OPERATIONS = amount("POSTERN_REGISTER_OPERATIONS", 1000, 400)  # of each run


def assert_regular(result):
    assert result.failures == []
    assert list(result.stale.values()) == []
    assert result.counts["reads"] > OPERATIONS // 2


@pytest.mark.parametrize("write_percent", [5, 30])
def test_no_read_shows_a_state_older_than_a_write_that_was_answered_before(tmp_path, write_percent):
    result = register.run(tmp_path / "run", OPERATIONS, seed=11, write_percent=write_percent)
    assert_regular(result)
    assert result.counts["hits"] > 0 and result.counts["writes"] > 0
    assert result.calls < result.counts["reads"] + result.counts["writes"] + 1000  # what compares at rest


def test_nor_does_one_after_the_gate_was_killed_and_started_again(tmp_path):
    result = register.run(tmp_path / "run", OPERATIONS, seed=12, write_percent=20, kind="killed",
                          kill_every_s=0.1)
    assert_regular(result)
    assert result.counts["kills"] > 0


def test_views_that_follow_late_are_right_once_they_have_settled(tmp_path):
    assert_regular(register.run(tmp_path / "run", OPERATIONS, seed=13, write_percent=10, kind="lagging"))


# --- the oracle: writes whose answers were lost ---


@pytest.fixture
def lost():
    """A register: "old" from the start; "lost" was sent at 10 and lands before 20, or never."""
    made = judge.Register("old")
    made.begin("lost", 10)
    made.lose("lost", 20)
    return made


def shows(made, sent):
    return {value for value in ("old", "lost", "new") if made.may_show(value, sent)}


def test_a_lost_write_may_show_or_not_until_it_is_known(lost):
    for sent in (11, 19, 21, 99):
        assert shows(lost, sent) == {"old", "lost"}
    lost.reveal("old", 15, 16)  # too early to tell
    assert shows(lost, 99) == {"old", "lost"}


def test_a_lost_write_that_is_seen_has_landed(lost):
    lost.reveal("lost", 25, 26)
    assert shows(lost, 26) == {"old", "lost"} and shows(lost, 27) == {"lost"}


def test_a_lost_write_that_is_not_seen_never_landed(lost):
    lost.reveal("old", 25, 26)
    assert shows(lost, 26) == {"old", "lost"} and shows(lost, 27) == {"old"}


def test_a_write_after_a_lost_one_makes_both_old(lost):
    lost.begin("new", 21)
    lost.end("new", 30)
    assert shows(lost, 30) == {"old", "lost", "new"} and shows(lost, 31) == {"new"}


def test_a_write_beside_a_lost_one_may_have_come_first(lost):
    lost.begin("new", 15)
    lost.end("new", 30)
    assert shows(lost, 31) == {"lost", "new"}
    lost.reveal("new", 32, 33)
    assert shows(lost, 34) == {"new"}


def test_forgotten_is_what_no_later_read_may_show(lost):
    lost.begin("new", 21)
    lost.end("new", 30)
    lost.forget(31)
    assert set(lost.writes) == {"new"} and shows(lost, 31) == {"new"}


# --- views that lag ---


def test_a_profile_that_had_no_rest_may_show_in_views_as_before_its_changes():
    check = register.Check(None, None, 1, 5, lag_s=2, settle_s=10)
    check.writes_to["7"] = [(100, 101), (102, 103), (110, 111)]
    assert check.settled("7", 200) == 188
    assert check.settled("7", 121.5) == 108  # 110 is later than the state of 111.5, less a rest
    assert check.settled("7", 114) == 98  # neither 100 nor 102 was followed by a rest before 104
    assert check.settled("8", 114) == 102
