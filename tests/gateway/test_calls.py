"""The traces of `make calls`, shorter: no answer older than a write answered before it."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import calls  # noqa: E402
import oracle as judge  # noqa: E402
import strategies  # noqa: E402
import together  # noqa: E402


def test_sixteen_clients_that_write_much_never_read_what_is_behind_a_write(tmp_path):
    result = together.run(tmp_path / "run", operations=2000, seed=7, write_percent=30, clients=16)
    assert result.operations >= 1990 and result.writes > 400
    assert result.failures == []
    assert list(result.stale.values()) == []
    assert result.used <= result.operations + 1  # the gate asks once whose token it has


def test_one_client_reads_through_the_gate_what_the_api_itself_says(tmp_path):
    result = together.run(tmp_path / "run", operations=600, seed=8, write_percent=20, clients=1)
    assert result.failures == []
    assert list(result.stale.values()) == []


def test_the_gate_answers_a_trace_as_the_api_does_and_calls_no_more_than_a_cache_that_flushes(tmp_path):
    comparison = calls.compare(tmp_path / "run", operations=1500, seed=9, write_percent=10)
    needed = {strategy.name: strategy.calls for strategy in comparison.simulated}
    stale = {strategy.name: strategy.stale for strategy in comparison.simulated}
    assert comparison.gate.failures == [] and comparison.gate.complaints == []
    assert needed["no cache"] == 1500
    assert needed["the fewest"] <= comparison.gate.calls <= needed["flush account"] + 1  # /identity, once
    assert stale["no cache"] == stale["the fewest"] == stale["flush account"] == 0
    assert stale["exact URL"] > stale["path prefix"] > 0, "the trace shows what is stale"


# --- the simulated caches ---


@pytest.mark.parametrize("strategy, method, path, location, gone", [
    (strategies.ExactUrl, "PUT", "/v4/profile/7", None, {"/v4/profile/7"}),
    (strategies.ExactUrl, "POST", "/v4/x", "/v4/profile/7/fields", {"/v4/profile/7/fields"}),
    (strategies.PathPrefix, "PUT", "/v4/profile/7", None,
     {"/v4/profile/7", "/v4/profile/7?dataonly=true", "/v4/profile/7/fields"}),
    (strategies.PathPrefix, "PUT", "/v4/profile/7/fields", None,
     {"/v4/profile/7", "/v4/profile/7?dataonly=true", "/v4/profile/7/fields"}),
    (strategies.PathPrefix, "POST", "/v4/x", "/v4/profile/77", {"/v4/profile/77"}),
    (strategies.FlushAccount, "PUT", "/v4/x", None,
     {"/v4/profile/7", "/v4/profile/7?dataonly=true", "/v4/profile/7/fields", "/v4/profile/77"}),
])
def test_a_simulated_cache_drops_what_its_rule_says(strategy, method, path, location, gone):
    urls = ["/v4/profile/7", "/v4/profile/7?dataonly=true", "/v4/profile/7/fields", "/v4/profile/77"]
    cache = strategy()
    for url in urls:
        cache.read(url, b"old")
    cache.write(method, path, location)
    assert set(urls) - set(cache.stored) == gone
    for url in urls:
        cache.read(url, b"new")
    assert cache.calls == len(urls) + 1 + len(gone) and cache.stale == len(urls) - len(gone)


# --- the oracle: what it would let pass, and what not ---

NAME = ("profile", "1", "city")


@pytest.fixture
def oracle():
    """Knows one register: "old", then "new" was written from 10 to 20."""
    made = judge.Oracle()
    made.know(NAME, "old")
    times = iter([10, 20])
    made.now = lambda: next(times)
    made.write_begins({NAME: "new"})
    made.write_ends({NAME: "new"})
    return made


@pytest.mark.parametrize("value, sent, is_stale", [
    ("old", 5, False), ("old", 15, False), ("old", 20, False), ("old", 21, True),
    ("new", 5, False), ("new", 15, False), ("new", 21, False), ("never written", 21, True),
])
def test_a_value_is_stale_once_the_write_after_it_was_answered(oracle, value, sent, is_stale):
    oracle.may_show(NAME, value, judge.Reading("/profile/1", sent, 30))
    assert bool(oracle.stale) == is_stale


def test_writes_that_overlap_may_take_effect_in_either_order(oracle):
    times = iter([28, 30, 31, 32, 35, 36, 40, 45])
    oracle.now = lambda: next(times)
    oracle.write_begins({NAME: "before"})
    oracle.write_begins({NAME: "first"})
    oracle.write_ends({NAME: "before"})
    oracle.write_begins({NAME: "second"})
    oracle.write_ends({NAME: "second"})
    oracle.write_ends({NAME: "first"})
    for value in ("first", "second"):
        oracle.may_show(NAME, value, judge.Reading("/profile/1", 37, 38))
    assert not oracle.stale
    oracle.may_show(NAME, "before", judge.Reading("/profile/1", 37, 38))  # the second is surely later
    assert len(oracle.stale) == 1
    oracle.write_begins({NAME: "third"})
    oracle.write_ends({NAME: "third"})
    oracle.may_show(NAME, "first", judge.Reading("/profile/1", 46, 47))
    assert len(oracle.stale) == 2


def test_a_write_without_an_answer_may_land_at_any_time(oracle):
    oracle.now = lambda: 30
    oracle.write_begins({NAME: "unanswered"})
    for value in ("new", "unanswered"):
        oracle.may_show(NAME, value, judge.Reading("/profile/1", 99, 100))
    assert not oracle.stale
    oracle.may_show(NAME, "old", judge.Reading("/profile/1", 99, 100))
    assert oracle.stale


def test_what_is_left_out_needs_a_reason(oracle):
    def is_old(value): return value == "old"
    oracle.may_leave_out({NAME: is_old}, judge.Reading("/profiles", 15, 30))
    assert not oracle.stale
    oracle.may_leave_out({NAME: is_old}, judge.Reading("/profiles", 21, 30))
    assert len(oracle.stale) == 1
    oracle.may_leave_out({NAME: lambda value: value == "new"}, judge.Reading("/profiles", 5, 8))
    assert len(oracle.stale) == 2  # the write was sent only after the answer


def test_a_count_lies_between_what_is_sure_and_what_may_be(oracle):
    oracle.counts["profiles"] = judge.Count(100)
    oracle.now = lambda: 10
    oracle.count_begins("profiles", "here")
    oracle.now = lambda: 20
    oracle.count_ends("profiles", "here")
    for number in (100, 101):
        oracle.may_count("profiles", number, judge.Reading("/profiles", 15, 16))
    oracle.may_count("profiles", 100, judge.Reading("/profiles", 5, 6))
    assert not oracle.stale
    oracle.may_count("profiles", 100, judge.Reading("/profiles", 21, 22))
    assert oracle.stale
