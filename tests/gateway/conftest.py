"""Fixtures of the gateway tests. What is started for a test is stopped at its end, by its pid."""

import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import gate as shared  # noqa: E402


@pytest.fixture
def sandbox(tmp_path):
    """A simulated API in a process of its own."""
    running = shared.Sandbox(tmp_path / "sandbox")
    try:
        yield running
    finally:
        if running.process is not None:
            running.stop()


@pytest.fixture
def raw_upstream():
    """A RawUpstream."""
    upstream = shared.RawUpstream()
    try:
        yield upstream
    finally:
        upstream.stop()


@pytest.fixture
def make_gate(tmp_path):
    """make_gate(upstream, start=True, environment=None, **overrides) starts a gate.

    At the test's end each must stop with 0, and no file of it may hold the token.
    """
    gates = []

    def make(upstream, start=True, environment=None, **overrides):
        folder = tmp_path / f"gate{len(gates)}"
        made = shared.Gate(upstream, folder, overrides, start=False, environment=environment)
        gates.append(made)
        if start:
            made.start()
        return made

    try:
        yield make
        for made in gates:
            made.stop()
            assert made.files_with(made.token) == []
    finally:
        for made in gates:
            made.kill()


@pytest.fixture
def gate(make_gate, sandbox):
    """A gate before a sandbox."""
    return make_gate(sandbox)


@pytest.fixture(scope="module")
def module_sandbox(tmp_path_factory):
    """A sandbox that a module's tests share."""
    running = shared.Sandbox(tmp_path_factory.mktemp("sandbox"))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def module_gate(tmp_path_factory, module_sandbox):
    """A gate before it, for tests that change nothing which another one sees."""
    running = shared.Gate(module_sandbox, tmp_path_factory.mktemp("gate"))
    try:
        yield running
        running.stop()
        assert running.files_with(running.token) == []
    finally:
        running.kill()
