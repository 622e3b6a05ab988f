"""Each write of endpoints.tsv drops what its row says, and nothing else.

The rows are read here by their definition (Copernica's notation: "profile/{profile}", "=database/…",
"view/*/profiles@database/{database@profile}"), without tags: a stored answer is a path, the entities
that its body shows, and those that it refers to; a token is a question about these three. A gate before
a scripted upstream stores one answer of each read row in each of two worlds (two databases with all
that belongs to them), then gets each write of the first world.
"""

import json
import pathlib
import re

import pytest

from gate import Gate, RawUpstream, cache_status, is_hit, reply, request, until
from variant import IS_SANITIZED

ROWS = [dict(zip(("method", "path", "versions", "kind", "entity", "ids", "changes", "notes"), line.split("\t")))
        for line in (pathlib.Path(__file__).parents[1] / "data" / "endpoints.tsv").read_text().splitlines()[1:]]
PARENTS = {"profile": ["database"], "collection": ["database"], "view": ["database"], "rule": ["view"],
           "miniview": ["collection"], "minirule": ["miniview"], "subprofile": ["profile", "collection"],
           "interest": ["database"]}
EQUIVALENT = [("ms/message", "ms/destination"), ("old", "publisher"),
              ("emailings", "publisher/emailings"), ("emailingdestination", "publisher/destination"),
              ("emailingdocument", "publisher/document"), ("emailing", "publisher/emailing"),
              *[(name, "publisher/" + name) for name in ("abuses", "clicks", "deliveries", "errors",
                                                         "impressions", "unsubscribes")]]
KINDS = sorted({kind for row in ROWS for kind in re.findall(r"[=~]>([a-z/]+)", row["ids"])} - {"account"})
CREATED = "7777"
# Other names of what a row names, as the preset knows and the table does not: dropped with it.
CAREFUL = re.compile(r"profile/[^/]+/interests-get|message/|template/[^/]+/events")


def canonical(path):
    same = {"html": "publisher", "draganddrop": "ms"}
    path = "/".join(same.get(part, part) for part in path.strip("/").split("/"))
    for old, new in EQUIVALENT:
        if path == old or path.startswith(old + "/"):
            path = new + path[len(old):]
    return path


def entity_id(kind, world):
    """Decimal for all kinds: an id that is a number is always an id."""
    return str(1000 + 10 * KINDS.index(kind) + world) if kind in KINDS else f"x{world}"


def place(path, world):
    """(segments, {index: kind}) of a row's canonical path in a world."""
    segments, kinds = [], {}
    for part in canonical(path).split("/"):
        if part.startswith("{"):
            literal = "/".join(segments)
            kind = literal if literal in KINDS else part[1:-1]
            if kind in KINDS:
                kinds[len(segments)] = kind
            segments.append(entity_id(kind, world))
        else:
            segments.append(part)
    return segments, kinds


def ancestor(kind, world, wanted):
    """Both worlds are whole: the world of an entity is that of all it belongs to."""
    above = [kind]
    while above:
        now = above.pop()
        if now == wanted:
            return entity_id(wanted, world)
        above += PARENTS.get(now, [])
    raise AssertionError(f"{kind} does not belong to {wanted}")


class Stored:
    """The answer to one read row."""

    def __init__(self, row, world):
        self.world = world
        self.segments, self.kinds = place(row["path"], world)
        self.paths = [(self.segments, self.kinds)]
        if self.segments[0] == "view" and self.segments[2:3] == ["rule"]:
            self.paths.append((self.segments[2:], {1: "rule"}))
        if self.segments[0] == "miniview" and self.segments[2:3] in (["rule"], ["minirule"]) and len(self.segments) > 3:
            self.paths.append((["minirule"] + self.segments[3:], {1: "minirule"}))
        self.shows, self.refers = set(), set()
        self.body = self.make_body(row["ids"].split()) if row["ids"] else {"x": 1}
        version = row["versions"].split()[-1]
        path = row["path"]
        for index, part in enumerate(path.strip("/").split("/")):
            if part.startswith("{"):
                literal = canonical("/".join(path.strip("/").split("/")[:index]))
                path = path.replace(part, entity_id(literal if literal in KINDS else part[1:-1], world), 1)
        self.url = f"/{version}{path}"

    def make_body(self, shown):
        body = None
        for item in shown:
            place_text, identity, kind = re.fullmatch(r"([^=~]+)([=~])>(.+)", item).groups()
            if kind.startswith("{"):
                kind = "database"
                body = self.put(body, re.sub(r"[^.]+$", item.split("{")[1][:-1], place_text), kind)
            value = entity_id(kind, self.world)
            body = self.put(body, place_text, value)
            (self.shows if identity == "=" else self.refers).add((kind, value))
        if isinstance(body, dict) and isinstance(body.get("data"), list):
            body.update(start=0, limit=100, count=1, total=1)
        return body

    def put(self, body, where, value):
        """Sets the value at "data[].fields.data[].ID" in a document that grows."""
        if where == "[]":
            return [value]
        if where.startswith("[]."):
            return [self.put({}, where[3:], value)]
        body = {} if body is None else body
        head, _, rest = where.partition(".")
        if not rest:
            body[head] = value
        elif head.endswith("[]"):
            body.setdefault(head[:-2], [{}])
            self.put(body[head[:-2]][0], rest, value)
        else:
            body.setdefault(head, {})
            self.put(body[head], rest, value)
        return body

    def entities(self, pattern):
        """The entities at the pattern's first star, of the paths that lie under it."""
        for segments, kinds in self.paths:
            if len(segments) >= len(pattern) and all(
                    want in ("*", have) for want, have in zip(pattern, segments)):
                yield next((kinds.get(i) for i, part in enumerate(pattern) if part == "*"), None)

    def matches(self, token, values):
        if token == "account":
            return True
        mark = token[0] if token[0] in "=~" else ""
        path, _, at = re.sub(r"\{([^}]+)\}", lambda found: values[found[1]], token[len(mark):]).partition("@")
        pattern = path.split("/")
        kind = "/".join(pattern[:-1])
        seen = self.refers if mark == "~" else self.shows
        named = [kind] if any(of == kind and pattern[-1] in ("*", which) for of, which in seen) else []
        if mark == "=" and self.segments == pattern:
            named.append(kind)
        if mark == "":
            named += list(self.entities(pattern))
        if not at:
            return named != []
        of, which = at.rsplit("/", 1)
        return any(which == "*" or (entity and ancestor(entity, self.world, of) == which) for entity in named)


def write_rows():
    """Of each method and canonical path: the rows' tokens, and whether they hold for a small body alone."""
    found = {}
    for row in ROWS:
        if row["method"] == "GET":
            continue
        only = re.search(r"body<=(\S+?):", row["notes"])
        path = re.sub(r"\{[^}]*\}", "{}", canonical(row["path"]))
        key = (row["method"], path, only[1] if only else "")
        found.setdefault(key, {**row, "tokens": set(), "only": only[1] if only else None})
        found[key]["tokens"] |= set(row["changes"].split())
    return list(found.values())


WRITES = write_rows()


class World:
    def __init__(self, folder):
        self.upstream = RawUpstream()
        self.stored = {}
        for row in ROWS:
            if row["method"] != "GET" or "never-store" in row["notes"]:
                continue
            for world in (1, 2):
                one = Stored(row, world)
                if ("/".join(one.segments)) not in self.stored:
                    self.stored["/".join(one.segments)] = one
                    self.upstream.on(re.sub(r"\?.*", "", one.url), reply(json.dumps(one.body)))
        self.upstream.on("*", lambda call: call.reply(
            b"", 201 if call.method == "POST" else 200, [f"X-Created: {CREATED}"] if call.method == "POST" else []))
        self.gate = Gate(self.upstream, folder, {
            "cache": {"rules": [{"match": "/**", "ttl": "1h", "settle": "0s"}]}})
        self.settle_in()

    def settle_in(self):
        """All is stored with the gate knowing what belongs to what: what came first is fetched again."""
        self.warm()
        for top in sorted({one.segments[0] for one in self.stored.values()}):
            self.gate.purge(path="/" + top)
        self.warm()

    def misses(self):
        """The stored answers that a round over all finds gone."""
        gone = set()
        with self.gate.wire() as wire:
            names = list(self.stored)
            for first in range(0, len(names), 16):
                part = names[first:first + 16]
                wire.send(b"".join(request("GET", self.stored[name].url) for name in part))
                for name in part:
                    answer = wire.answer()
                    assert answer.status == 200, (name, answer)
                    if not is_hit(answer):
                        gone.add(name)
        return gone

    def warm(self):
        until(lambda: not self.misses(), "all stored", wait=60)

    def stop(self):
        self.gate.stop()
        self.upstream.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("endpoints"))
    try:
        yield made
    finally:
        made.stop()


def values_of(row, world):
    segments, kinds = place(row["path"], world)
    values = {"header.X-Created": CREATED, "body.database": entity_id("database", world),
              "body.profiles[]": entity_id("profile", world), "body.target": entity_id("profile", world)}
    names = re.findall(r"\{([^}]+)\}", row["path"])
    at = [i for i, part in enumerate(canonical(row["path"]).split("/")) if part.startswith("{")]
    for name, index in zip(names, at):
        values[name] = segments[index]
        for token in row["tokens"]:
            for wanted in re.findall(r"\{(\w+)@%s\}" % name, token):
                values[f"{wanted}@{name}"] = ancestor(kinds[index], world, wanted)
    return values


def body_of(row):
    """Bodies by which nothing is narrowed, but where the row is the narrow one."""
    if row["only"]:
        return "application/json", json.dumps({row["only"].split(",")[0]: "x"}).encode()
    if "body." in row["changes"]:
        return "application/json", json.dumps({
            "database": entity_id("database", 1), "profiles": [entity_id("profile", 1)],
            "target": entity_id("profile", 1)}).encode()
    if row["path"] in ("/view/{view}", "/miniview/{miniview}"):
        return "application/json", b'{"name": "x"}'  # it stays where it is
    return "text/plain", b"not to be read"


@pytest.mark.parametrize("row", WRITES[::4] if IS_SANITIZED else WRITES, ids=lambda row: " ".join(
    filter(None, (row["method"], row["path"], row["only"]))))
def test_a_write_drops_what_its_row_names_and_no_more(world, row):
    values = values_of(row, 1)
    target = "/" + row["versions"].split()[-1] + "/" + "/".join(place(row["path"], 1)[0])
    kind, body = body_of(row)
    with world.gate.wire() as wire:
        answer = wire.request(row["method"], target, f"Content-Type: {kind}", body=body)
    assert answer.status in (200, 201)
    own = "/".join(place(row["path"], 1)[0])
    expected = {name for name, one in world.stored.items()
                if name == own or any(one.matches(token, values) for token in row["tokens"])}
    gone = world.misses()
    if gone == set(world.stored):
        world.settle_in()  # an account that is emptied has forgotten what belongs to what
    else:
        world.warm()
    assert expected - gone == set()
    assert {name for name in gone - expected if not CAREFUL.match(name)} == set()
