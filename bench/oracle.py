"""What an answer may show, when many clients read and write at once.

Each thing that a write changes is a register, and every write to it makes a value that no other
write makes. A register is regular when a read shows no state older than the last write that was
answered before the read was sent. So a value that a read shows is stale if another write was sent
after the one of that value had been answered, and was itself answered before the read was sent.
Writes that overlap may take effect in either order. "Sent" is noted before the first byte leaves and
"answered" after the last has come, so both err on the lenient side only.

A write whose answer was lost may take effect late, or never: its value may show or not, until a read
past the gate has told which of the two came to pass.
"""

import bisect
import collections
import math
import threading
import time

NEVER, ALWAYS = math.inf, -math.inf


# One answered read: what was asked for, and when.
Reading = collections.namedtuple("Reading", "target sent received")


class Write:
    """One write to a register, from its sending to its answer (NEVER: it may still land). What is
    known never to have landed may not show to reads that are sent after `refuted`."""

    def __init__(self, value, sent=ALWAYS, answered=ALWAYS):
        self.value, self.sent, self.answered, self.refuted = value, sent, answered, NEVER


class Register:
    """The history of one value. `answers` and `last_sent` tell, for any moment, when the newest of
    the writes answered by then was sent."""

    def __init__(self, value):
        self.writes = {value: Write(value)}
        self.answers, self.last_sent = [ALWAYS], [ALWAYS]
        self.lost = []

    def begin(self, value, now):
        self.writes[value] = Write(value, now, NEVER)

    def end(self, value, now):
        write = self.writes[value]
        write.answered = now
        self._surely_landed(write, now)

    def _surely_landed(self, write, now):
        self.answers.append(now)
        self.last_sent.append(max(self.last_sent[-1], write.sent))

    def lose(self, value, landed):
        """The answer will not come; if the write takes effect it does so before `landed`."""
        write = self.writes[value]
        write.answered = landed
        self.lost.append(write)

    def reveal(self, value, sent, received):
        """A read past the gate showed the value: lost writes that must have landed before it was sent,
        if ever, have done so, or it shows something else than theirs."""
        for write in [write for write in self.lost if write.answered <= sent]:
            self.lost.remove(write)
            if write.value == value:
                self._surely_landed(write, received)
            else:
                write.refuted = received

    def forget(self, before):
        """Drops the writes that no read may show which is sent then or later."""
        self.writes = {value: write for value, write in self.writes.items()
                       if self._is_current(write, before)}

    def _is_current(self, write, sent):
        newest = self.last_sent[bisect.bisect_left(self.answers, sent) - 1]
        return write.answered >= newest and sent <= write.refuted

    def may_show(self, value, sent):
        """Whether a read sent then may show the value. One that nobody wrote it may not."""
        write = self.writes.get(value)
        return write is not None and self._is_current(write, sent)

    def legal(self, sent, received):
        """All values that a read of that time may have met."""
        return [write.value for write in self.writes.values()
                if write.sent < received and self._is_current(write, sent)]


class Count:
    """How many there are of something that is created and removed."""

    def __init__(self, start):
        self.start = start
        self.sent = {"here": [], "removed": []}
        self.answered = {"here": [], "removed": []}

    def bounds(self, sent, received):
        """The least and the most that a read of that time may show."""
        surely = {what: bisect.bisect_left(times, sent) for what, times in self.answered.items()}
        perhaps = {what: bisect.bisect_left(times, received) for what, times in self.sent.items()}
        return (self.start + surely["here"] - perhaps["removed"],
                self.start + perhaps["here"] - surely["removed"])


class Oracle:
    """What is known of the upstream's state by what its clients wrote and were told. Its time runs
    under its lock, so that everything is noted in the order of its times."""

    def __init__(self):
        self.registers, self.counts = {}, {}
        self.lock = threading.Lock()
        self.stale = {}  # by reading: the first thing that is wrong with it

    def now(self):
        return time.monotonic()

    def know(self, name, value):
        """The value that a register has at the start."""
        self.registers[name] = Register(value)

    def write_begins(self, values):
        """A write of these values, by name, is about to be sent."""
        with self.lock:
            now = self.now()
            for name, value in values.items():
                self.registers[name].begin(value, now)

    def write_ends(self, values):
        """It was answered, and took effect. One that failed never ends: it may still land."""
        with self.lock:
            now = self.now()
            for name, value in values.items():
                self.registers[name].end(value, now)

    def count_begins(self, name, what):
        """Something is about to be created ("here") or "removed". Returns that moment."""
        with self.lock:
            now = self.now()
            self.counts[name].sent[what].append(now)
        return now

    def count_ends(self, name, what):
        with self.lock:
            self.counts[name].answered[what].append(self.now())

    def created(self, sent, state, values):
        """What was asked for then has been created: the register of its state, and its values."""
        with self.lock:
            register = Register("absent")
            register.begin("here", sent)
            register.end("here", self.now())
            self.registers[state] = register
            for name, value in values.items():
                self.registers[name] = Register(value)

    def complain(self, reading, what):
        self.stale.setdefault(reading, f"{reading.target} {what}")

    def may_show(self, name, value, reading):
        with self.lock:
            register = self.registers.get(name)
            fits = register is None or register.may_show(value, reading.sent)
        if not fits:  # without a register: created a moment ago, its creator is still to be told
            self.complain(reading, f"shows {name} as {value!r}")

    def may_leave_out(self, reasons, reading):
        """A read left something out. `reasons`: by register, what its value must be for that; one
        suffices."""
        with self.lock:
            fits = any(is_reason(value) for name, is_reason in reasons.items()
                       for value in self.registers[name].legal(reading.sent, reading.received))
        if not fits:
            self.complain(reading, f"leaves out {' or '.join(map(str, reasons))}")

    def may_count(self, name, number, reading):
        with self.lock:
            least, most = self.counts[name].bounds(reading.sent, reading.received)
        if not least <= number <= most:
            self.complain(reading, f"counts {number} of {name}: not {least} to {most}")
