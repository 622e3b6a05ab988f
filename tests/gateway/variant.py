"""What kind of binary is under test: sanitizers are slow and use much memory, so tests ask less of them."""

import os
import pathlib

from gate import POSTERN

IS_SANITIZED = any(mark in pathlib.Path(POSTERN).read_bytes() for mark in (b"__asan_init", b"__tsan_init"))


def amount(name, plain, sanitized):
    """How much of something a test does: what the environment says, else by the binary."""
    return int(os.environ.get(name, sanitized if IS_SANITIZED else plain))
