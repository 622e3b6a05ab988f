"""Random writes and reads over random presets: what was read before is read again after each write, and is
what the API itself says. The presets name more than Copernica's own, never less (wider.py)."""

import json
import os
import pathlib
import re
import sys
import urllib.parse

import pytest
from hypothesis import HealthCheck, given, note, settings, strategies as st

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

import gate as shared  # noqa: E402
import wider  # noqa: E402
from variant import amount  # noqa: E402

EXAMPLES = amount("POSTERN_EXAMPLES", 300, 40)
IS_LONG = "POSTERN_EXAMPLES" in os.environ
PROFILES = 3  # of each database
PRESET = wider.read_preset(shared.CHECKOUT / "conf/presets/copernica.json")

READS = """
/databases /database/{database} /database/{database}/profiles /database/{database}/profiles
/database/{database}/profiles /database/{database}/profileids /database/{database}/views
/database/{database}/collections /database/{database}/fields /database/{database}/interests
/database/{database}/unsubscribe /collection/{collection} /collection/{collection}/subprofiles
/collection/{collection}/subprofiles /collection/{collection}/subprofileids /collection/{collection}/fields
/collection/{collection}/miniviews /collection/{collection}/unsubscribe /view/{view} /view/{view}/views
/view/{view}/rules /view/{view}/rule/{rule} /view/{view}/profiles /view/{view}/profileids
/miniview/{miniview} /miniview/{miniview}/subprofiles /miniview/{miniview}/subprofileids
/miniview/{miniview}/views /miniview/{miniview}/rules /miniview/{miniview}/minirules
/miniview/{miniview}/minirule/{minirule} /miniview/{miniview}/rule/{minirule} /rule/{rule}
/rule/{rule}/conditions /minirule/{minirule} /profile/{profile} /profile/{profile} /profile/{profile}/fields
/profile/{profile}/interests /profile/{profile}/interests-get /profile/{profile}/subprofiles/{collection}
/profile/{profile}/subprofiles/{collection} /profile/{profile}/files /subprofile/{subprofile}
/subprofile/{subprofile}/fields
""".split()

PARAMETERS = ["", "", "", "", "", "", "", "", "", "", "limit=2", "start=1&limit=2", "total=false", "dataonly=true", "_=1", "limit=x",
              "fields[]=country==NL", "fields%5B%5D=city%3D%3DGent", "fields[]=Country==NL",
              "fields[0]=city==Gent&fields[1]=country!=NL", "fields=country==NL", "fields[]=id>9002",
              "fields[]=modified>2020-01-01", "fields[]=code!=x", "fields[]=nonsense", "fields[]=%20city%20==%20Gent+",
              "fields[]=firstname=~%25a%25&orderby=city", "orderby=city&order=desc", "orderby=modified",
              "orderby=id&order=descending", "orderby=Country", "return=ids", "return=objects",
              "fields[]=status==open", "fields[]=amount>100", "orderby=status", "limit=0", "start=100"]

VALUES = ["NL", "BE", "Gent", "", "yes", "no", "Anna", "7", "500", "paid", "open"]
NAMES = ["firstname", "city", "country", "newsletter", "age", "status", "amount", "Country", "nonsense"]


@st.composite
def fields_objects(draw):
    return draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=3))


def named(**more):
    return st.fixed_dictionaries({"name": st.sampled_from(["Fresh", "Gent", "Customers", "9001"])},
                                 optional={name: st.just(value) for name, value in more.items()})


FIELDS = fields_objects()
ENTITIES = st.fixed_dictionaries({}, optional={
    "fields": FIELDS, "interests": st.sampled_from([["cycling"], [], {"running": True}, "cooking"]),
    "secret": st.just("0123456789abcdef0123456789ab")})
STRUCTURES = st.fixed_dictionaries({}, optional={
    "name": st.sampled_from(["Renamed", "Events"]), "description": st.sampled_from(VALUES),
    "archived": st.booleans()})
CONDITIONS = st.fixed_dictionaries({
    "type": st.just("Field"), "comparison": st.sampled_from(["equals", "contains", "not equals", "more"]),
    "field": st.sampled_from(NAMES), "value": st.sampled_from(VALUES)})
DEFINITIONS = named(type="text", value="Gent", displayed=True)
PLACEMENTS = st.fixed_dictionaries({}, optional={
    "name": st.just("Moved"), "parent-type": st.sampled_from(["view", "database", "collection", "miniview"]),
    "parent-id": st.sampled_from(["31", "410", "411", "71", "510", "nonsense"]), "has-rules": st.booleans()})
NOTHING = st.just({})

# Methods, path, body, the kind of X-Created.
WRITES = [
    ("PUT", "/profile/{profile}/fields", FIELDS, None), ("PUT", "/profile/{profile}/fields", FIELDS, None),
    ("PUT", "/profile/{profile}/fields", FIELDS, None), ("PUT", "/profile/{profile}", ENTITIES, None),
    ("DELETE", "/profile/{profile}", NOTHING, None),
    ("PUT", "/profile/{profile}/interests", ENTITIES, None),
    ("POST", "/profile/{profile}/interests", ENTITIES, None),
    ("POST", "/profile/{profile}/changeinterests", ENTITIES, None),
    ("PUT", "/profile/{profile}/unsubscribe", NOTHING, None),
    ("POST", "/profile/{profile}/subprofiles/{collection}", FIELDS, "subprofile"),
    ("PUT", "/profile/{profile}/subprofiles/{collection}", FIELDS, "subprofile"),
    ("PUT", "/subprofile/{subprofile}/fields", FIELDS, None), ("PUT", "/subprofile/{subprofile}", ENTITIES, None),
    ("DELETE", "/subprofile/{subprofile}", NOTHING, None),
    ("PUT", "/subprofile/{subprofile}/unsubscribe", NOTHING, None),
    ("POST", "/database/{database}/profiles", ENTITIES, "profile"),
    ("PUT", "/database/{database}/profiles", FIELDS, "profile"),
    ("DELETE", "/database/{database}/profiles",
     st.fixed_dictionaries({"profiles": st.lists(st.sampled_from(["9001", "9002", "9005", "9009"]))}), None),
    ("PUT", "/database/{database}/unsubscribes", NOTHING, None),
    ("PUT", "/collection/{collection}/subprofiles", FIELDS, None),
    ("PUT", "/collection/{collection}/unsubscribes", NOTHING, None),
    ("PUT", "/database/{database}", STRUCTURES, None), ("PUT", "/collection/{collection}", STRUCTURES, None),
    ("POST", "/databases", named(), "database"), ("POST", "/database/{database}/copy", named(), "database"),
    ("DELETE", "/database/{database}", NOTHING, None),
    ("PUT", "/database/{database}/unsubscribe",
     st.fixed_dictionaries({"behavior": st.sampled_from(["nothing", "update", "remove"]), "fields": FIELDS}), None),
    ("PUT", "/database/{database}/intentions",
     st.dictionaries(st.sampled_from(["email", "sms"]), st.booleans()), None),
    ("PUT", "/collection/{collection}/intentions",
     st.dictionaries(st.sampled_from(["email", "sms"]), st.booleans()), None),
    ("POST", "/database/{database}/collections", named(), "collection"),
    ("POST", "/database/{database}/fields", DEFINITIONS, "field"),
    ("PUT", "/database/{database}/field/{field}", DEFINITIONS, None),
    ("DELETE", "/database/{database}/field/{field}", NOTHING, None),
    ("POST", "/collection/{collection}/fields", DEFINITIONS, "field"),
    ("PUT", "/collection/{collection}/field/{field}", DEFINITIONS, None),
    ("DELETE", "/collection/{collection}/field/{field}", NOTHING, None),
    ("POST", "/database/{database}/interests", named(group="home"), "interest"),
    ("PUT", "/interest/{interest}", named(group="home"), None), ("DELETE", "/interest/{interest}", NOTHING, None),
    ("POST", "/database/{database}/views", named(), "view"), ("POST", "/view/{view}/views", named(), "view"),
    ("POST", "/view/{view}/copy", named(), "view"), ("PUT", "/view/{view}", PLACEMENTS, None),
    ("DELETE", "/view/{view}", NOTHING, None), ("POST", "/view/{view}/rebuild", NOTHING, None),
    ("PUT", "/view/{view}/intentions", st.just({"email": False}), None),
    ("POST", "/view/{view}/rules", named(), "rule"),
    ("PUT", "/rule/{rule}", named(inversed=True, disabled=True), None), ("DELETE", "/rule/{rule}", NOTHING, None),
    ("POST", "/rule/{rule}/conditions", CONDITIONS, "condition"),
    ("PUT", "/condition/Field/{condition}", CONDITIONS, None), ("DELETE", "/condition/Field/{condition}", NOTHING, None),
    ("POST", "/collection/{collection}/miniviews", named(), "miniview"),
    ("PUT", "/miniview/{miniview}", PLACEMENTS, None), ("DELETE", "/miniview/{miniview}", NOTHING, None),
    ("POST", "/miniview/{miniview}/rebuild", NOTHING, None),
    ("POST", "/miniview/{miniview}/minirules", named(), "minirule"),
    ("PUT", "/minirule/{minirule}", named(inversed=True), None), ("DELETE", "/minirule/{minirule}", NOTHING, None),
    ("POST", "/minirule/{minirule}/conditions", CONDITIONS, "minicondition"),
    ("PUT", "/minicondition/Field/{minicondition}", CONDITIONS, None),
    ("DELETE", "/minicondition/Field/{minicondition}", NOTHING, None),
    ("PUT", "/nonsense/{profile}", FIELDS, None),
]

BULK = ["fields[]=country==NL", "fields[]=city==Gent&create=1", "fields[]=id>9002", "fields[]=", ""]
ODD_BODIES = [b"", b"[]", b"null", b'"text"', b"{", b'{"fields":{"city":"Gent"},"fields":{"city":"Paris"}}',
              b'{"city":"Gent","city":"Paris"}', b'{"c\\u0069ty":"Gent"}', b'{"CITY":"Gent"}', b"city=Gent",
              b'\xef\xbb\xbf{"city":"Gent"}', b'{"city":["Gent"]}', b'{"city":{"x":1}}', b'{"city":7}',
              b'{"fields":"city"}', b'[{"city":"Gent"}]', b' {"city" : null } ']
PREFIXES = ["/v4", "/v4", "/v3", "/v2", "/v1", ""]
NAMED = {"database": ["Customers", "Newsletter", "Events", "Fresh", "Renamed"],
         "collection": ["Orders", "Complaints", "Surveys", "orders"]}

KINDS = ("database", "profile", "subprofile", "view", "rule", "condition", "miniview", "minirule",
         "minicondition", "collection", "field", "collection field", "interest")

numbers = st.integers(0, 9999)
paths = st.tuples(st.sampled_from(PREFIXES), st.lists(numbers, min_size=2, max_size=2))


# What writes of a path may change is read by others of the same theme.
THEMES = {
    "everything": ("", ""),
    "profiles": ("profile/|profiles|profileids|interests", "profile/|/profiles|database.*unsubscribes"),
    "subprofiles": ("subprofile|collection/{collection}$", "subprofile|collection.*unsubscribes|DELETE /profile"),
    "selections": ("view|rule", "view|rule|condition|profile/{profile}/fields"),
    "structures": ("databases|database/{database}$|database.*/(fields|interests|collections|unsubscribe|profiles)"
                   "|collection/|profile/",
                   "databases|database/{database}$|field|interest|intentions|copy|collections|collection/"),
}


@st.composite
def reads(draw, theme):
    return ("read", draw(st.sampled_from([path for path in READS if re.search(THEMES[theme][0], path)])), draw(paths), draw(st.sampled_from(PARAMETERS)),
            draw(st.sampled_from(["", "", "", "", "/x", "/1/fields"])))


@st.composite
def writes(draw, theme):
    method, template, bodies, created = draw(st.sampled_from(
        [write for write in WRITES if re.search(THEMES[theme][1], f"{write[0]} {write[1]}")]))
    content, content_type = draw(contents(bodies))
    if method == "PUT" and draw(st.booleans()) or draw(numbers) % 50 == 0:
        method = draw(st.sampled_from(["POST", "POST", "POST", "PATCH", "BREW"]))
    is_bulk = template.endswith(("profiles", "unsubscribes")) and method != "DELETE"
    query = draw(st.sampled_from(BULK)) if is_bulk else ""
    return ("write", method, template, draw(paths), query, content, content_type, created)


@st.composite
def contents(draw, bodies):
    """The bytes of a body and its Content-Type, or None."""
    how = draw(st.sampled_from(["json", "json", "json", "json", "bare", "form", "odd"]))
    if how == "odd":
        return draw(st.sampled_from(ODD_BODIES)), draw(st.sampled_from([None, "application/json", "text/plain"]))
    body = draw(bodies)
    if how == "form":
        pairs = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in body.items()
                 if not isinstance(value, dict)]
        pairs += [(f"{name}[{inner}]", text) for name, value in body.items() if isinstance(value, dict)
                  for inner, text in value.items()]
        return urllib.parse.urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    return json.dumps(body).encode(), "application/json" if how == "json" else None


edits = st.lists(st.tuples(st.sampled_from(wider.EDITS), numbers), max_size=12)


@st.composite
def operations(draw):
    """Many reads, then writes, with reads among them."""
    theme = draw(st.sampled_from(list(THEMES)))
    return (draw(st.lists(reads(theme), min_size=8, max_size=16))
            + draw(st.lists(st.one_of(writes(theme), writes(theme), reads(theme)), min_size=3, max_size=8)))


# --- both sides ---


class Sides:
    """A sandbox, a gate before it, and a connection to each."""

    def __init__(self, folder):
        self.sandbox = shared.Sandbox(folder / "sandbox")
        self.sandbox.knobs(profiles=PROFILES)
        self.preset = folder / "preset.json"
        self.preset.write_text(json.dumps(PRESET))
        self.gate = shared.Gate(self.sandbox, folder / "gate", {
            "workers": 1, "upstreams": {"copernica": {"preset": str(self.preset)}},
            "cache": {"ttl": "1h", "rules": None}})
        self.sandbox.client.post("/reset")
        self.start = self.ids_at_the_start()
        self.token = urllib.parse.quote(self.sandbox.token, safe="")
        self.wires = {}
        self.hits = self.reads = 0

    def ids_at_the_start(self):
        """Of each database: the ids of each kind that belong to it."""
        def ask(path):
            return self.sandbox.api("GET", "/v4" + path).json()

        def of(shown):
            return [entry["ID"] for entry in shown["data"]]

        def add_rules(ids, selections, rules, conditions, path):
            for selection in ids[selections]:
                shown = ask(path.format(selection))
                ids[rules] += of(shown)
                ids[conditions] += [number for rule in shown["data"] for number in of(rule["conditions"])]

        def add_collection(ids, collection):
            number = collection["ID"]
            ids["collection"].append(number)
            ids["collection field"] += of(collection["fields"])[1:]
            ids["subprofile"] += ask(f"/collection/{number}/subprofileids")[:2]
            ids["miniview"] += of(ask(f"/collection/{number}/miniviews"))

        homes = []
        for database in ask("/databases")["data"]:
            number = database["ID"]
            ids = {kind: [] for kind in KINDS}
            ids.update({"database": [number], "profile": ask(f"/database/{number}/profileids"),
                        "view": of(ask(f"/database/{number}/views")), "field": of(database["fields"])[1:5],
                        "interest": of(database["interests"])})
            for collection in database["collections"]["data"]:
                add_collection(ids, collection)
            add_rules(ids, "view", "rule", "condition", "/view/{}/rules")
            add_rules(ids, "miniview", "minirule", "minicondition", "/miniview/{}/minirules")
            homes.append(ids)
        return homes

    def begin(self, preset):
        """The state of the start, and an empty cache under this preset."""
        self.preset.write_text(json.dumps(preset))
        told = self.gate.hup()
        assert "are read again" in told, told
        self.sandbox.client.post("/reset")
        self.gate.purge()

    def ask(self, side, method, target, content=b"", content_type=None):
        if side not in self.wires:
            self.wires[side] = shared.Wire(shared.connect(
                self.gate.url if side == "gate" else self.sandbox.url))
        if side == "api":
            target += ("&" if "?" in target else "?") + "access_token=" + self.token
        fields = [f"Content-Type: {content_type}"] if content_type else []
        answer = self.wires[side].request(method, target, *fields, body=content)
        if answer.field("Connection") == "close" or self.wires[side].ended:
            self.wires.pop(side).close()
        return answer

    def stop(self):
        for wire in self.wires.values():
            wire.close()
        self.gate.stop()
        self.sandbox.stop()


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    made = Sides(tmp_path_factory.mktemp("property"))
    yield made
    made.stop()


class Run:
    """One example: what exists by now, and what has been read. Most of it goes on in one database, so that
    writes meet what was read."""

    def __init__(self, sides, home):
        self.sides = sides
        self.ids = {kind: list(ids) for kind, ids in sides.start[home].items()}
        self.elsewhere = sides.start[home - 1]
        self.targets = []

    def path(self, template, where):
        """A template with an id, a name or nonsense at each placeholder."""
        prefix, choices = where
        left = list(choices)

        def value(found):
            kind, number = found[0][1:-1], left.pop(0)
            if kind == "field" and template.startswith("/collection"):
                kind = "collection field"
            chance, number = number % 20, number // 20
            if chance == 0 and kind in NAMED:
                return urllib.parse.quote(wider.pick(NAMED[kind], number))
            ids = self.elsewhere[kind] if chance == 1 else self.ids[kind]
            if chance == 2 or not ids:
                return "999999"
            if chance == 3:
                return ids[-1]  # perhaps it was made a moment ago
            return ids[0] if chance < 14 else wider.pick(ids, number)

        return prefix + wider.PLACEHOLDER.sub(value, template)

    def read(self, template, where, query, rest):
        target = self.path(template, where) + rest + (f"?{query}" if query else "")
        note(f"GET {target}")
        if target not in self.targets:
            self.targets.append(target)
        self.compare(target, "")

    def write(self, method, template, where, query, content, content_type, created):
        target = self.path(template, where) + (f"?{query}" if query else "")
        answer = self.sides.ask("gate", method, target, content, content_type)
        note(f"{method} {target} {content!r} ({content_type}): {answer.status}")
        if created and answer.field("X-Created"):
            self.ids[created].append(answer.field("X-Created"))
        for read in self.targets:
            self.compare(read, f" after {method} {target} {content!r}")

    def compare(self, target, when):
        """What comes from the API at this moment needs no other proof, but for the first time."""
        shown = self.sides.ask("gate", "GET", target)
        is_hit = shared.cache_status(shown)[0] == "hit"
        self.sides.reads += 1
        self.sides.hits += is_hit
        if not is_hit and when:
            return
        truth = self.sides.ask("api", "GET", target)
        assert ((shown.status, shown.body, shown.field("Content-Type"))
                == (truth.status, truth.body, truth.field("Content-Type"))), f"{target}{when}"


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=not IS_LONG, print_blob=True,
          suppress_health_check=list(HealthCheck))
@given(home=st.integers(0, 2), edits=edits, steps=operations())
def check_example(sides, home, edits, steps):
    sides.begin(wider.wider(PRESET, edits))
    run = Run(sides, home)
    for kind, *what in steps:
        (run.read if kind == "read" else run.write)(*what)


def test_what_was_read_before_a_write_is_right_after_it_under_any_preset_that_is_wide_enough(sides):
    check_example(sides)
    assert sides.hits > EXAMPLES, f"{sides.hits} hits in {sides.reads} reads: this checks a cache"
    print(f"{EXAMPLES} examples, {sides.reads} reads, {sides.hits} of them hits")
