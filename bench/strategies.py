"""Caches that know less or more than the gate, simulated over one trace.

Each is told every read with what the API answers at that moment, and every write with its answer.
What it has stored it answers itself; what of that differs from the API's answer is stale. All keep
an answer for as long as nothing tells them to drop it, and all have room for everything.
"""

import urllib.parse


def path_of(target):
    return target.partition("?")[0]


class Strategy:
    """A cache of whole answers by URL. `calls` counts what it has to ask upstream, writes included."""

    name = None

    def __init__(self):
        self.stored = {}
        self.calls = self.stale = 0

    def read(self, target, answer):
        held = self.stored.get(target)
        if held is None or self.is_known_old(held, answer):
            self.calls += 1
            self.stored[target] = answer
        elif held != answer:
            self.stale += 1

    def write(self, method, target, location):
        """`location` is the path of the answer's Location, or None."""
        self.calls += 1
        for held in [held for held in self.stored if self.drops(path_of(target), location, held)]:
            del self.stored[held]

    def is_known_old(self, held, answer):
        return False

    def drops(self, path, location, held):
        """Whether a write to `path` takes away what is stored for the URL `held`."""
        raise NotImplementedError


class NoCache(Strategy):
    name = "no cache"

    def is_known_old(self, held, answer):
        return True

    def drops(self, path, location, held):
        return False


class Fewest(Strategy):
    """Told by a miracle which answers have changed: no cache that is keyed by URL and never wrong
    asks less often."""

    name = "the fewest"

    def is_known_old(self, held, answer):
        return held != answer

    def drops(self, path, location, held):
        return False


class ExactUrl(Strategy):
    """RFC 9111 §4.4 to the letter: a write drops its own URL, and that of Location. (Not what has the
    same path and another query: that is another URL.)"""

    name = "exact URL"

    def drops(self, path, location, held):
        return held in (path, location)


class PathPrefix(Strategy):
    """What "invalidate the path" is often taken for: a write drops its own path, everything below it,
    and every path above it (/v4/profile/7/fields drops /v4/profile/7), all with any query; the same
    for Location. It knows nothing of paths that stand elsewhere."""

    name = "path prefix"

    def drops(self, path, location, held):
        return any(self.is_in_line(path_of(held), other) for other in (path, location) if other)

    @staticmethod
    def is_in_line(one, other):
        shorter, longer = sorted((one, other), key=len)
        return longer == shorter or longer.startswith(shorter + "/")


class FlushAccount(Strategy):
    """A write drops everything."""

    name = "flush account"

    def drops(self, path, location, held):
        return True


ALL = (NoCache, Fewest, ExactUrl, PathPrefix, FlushAccount)


def location_path(answer):
    """The path and query of the answer's Location without the token; None: it has none."""
    location = answer.fields.get("Location")
    if location is None:
        return None
    parts = urllib.parse.urlsplit(location)
    query = "&".join(part for part in parts.query.split("&")
                     if part and not part.startswith("access_token="))
    return parts.path + (f"?{query}" if query else "")
