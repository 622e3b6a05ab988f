"""A client library's view: through the gate, each documented read is what it is without the gate (show 2)."""

import pathlib
import re

import pytest

from gate import cache_status, is_hit, until

ENDPOINTS = pathlib.Path(__file__).resolve().parents[1] / "data" / "endpoints.tsv"
VERSIONS = ("v1", "v2", "v3", "v4")
QUERIES = {  # beside the bare path, where lists are asked for
    "/database/{database}/profiles": ["?fields[]=country==NL&orderby=email&order=desc", "?start=10&limit=5",
                                      "?total=false&dataonly=true", "?fields%5B%5D=age%3E30&limit=3"],
    "/database/{database}/profileids": ["?start=0&limit=3"],
    "/collection/{collection}/subprofiles": ["?fields[]=status==open&limit=4"],
    "/databases": ["?limit=1", "?total=false"],
    "/profile/{profile}": ["?dataonly=true"],
    "/view/{view}/profiles": ["?limit=2&start=1"],
}


def reads():
    """(template, versions) of each GET row."""
    rows = [line.split("\t") for line in ENDPOINTS.read_text().splitlines()[1:]]
    return [(row[1], row[2].split()) for row in rows if row[0] == "GET"]


class Ids:
    """Things that the simulated API has, to fill templates with."""

    def __init__(self, sandbox):
        def get(path):
            return sandbox.api("GET", path).json()

        self.table = {"database": "31", "profile": "9001"}
        self.table["collection"] = get("/v2/database/31/collections")["data"][0]["ID"]
        views = get("/v2/database/31/views")["data"]
        self.table["view"] = next(view["ID"] for view in views if view["has-rules"])
        self.table["rule"] = get(f"/v2/view/{self.table['view']}/rules")["data"][0]["ID"]
        collection = self.table["collection"]
        self.table["subprofile"] = get(f"/v2/collection/{collection}/subprofileids")[0]
        self.table["file"] = get("/v2/profile/9001/files")["data"][0]["ID"]
        miniviews = get(f"/v2/collection/{collection}/miniviews")["data"]
        if miniviews:
            self.table["miniview"] = miniviews[0]["ID"]
            rules = get(f"/v2/miniview/{miniviews[0]['ID']}/minirules")
            self.table["minirule"] = (rules.get("data") or [{"ID": "1"}])[0]["ID"]

    def fill(self, template):
        return re.sub(r"\{(\w+)\}", lambda found: self.table.get(found[1], "1"), template)


def same(direct, through):
    assert through.status_code == direct.status_code
    assert through.headers.get("content-type") == direct.headers.get("content-type")
    if "json" in direct.headers.get("content-type", ""):
        assert through.json() == direct.json()
    assert through.content == direct.content


def is_served(direct):
    """Whether the simulated API knows the path at all."""
    return not (direct.status_code == 400 and "Invalid method" in direct.text)


def holds_token(answer, token):
    shown = str(answer.headers) + answer.text
    return token in shown or token.replace("/", "\\/") in shown


def test_the_table_is_whole():
    assert len(reads()) > 250
    assert all(version in VERSIONS for _, versions in reads() for version in versions)


@pytest.mark.parametrize("version", ["", *VERSIONS])
def test_each_read_is_the_same_through_the_gate_as_without_it(gate, sandbox, version):
    ids = Ids(sandbox)
    served, hits = set(), 0
    for template, versions in reads():
        if version and version not in versions:
            continue
        for query in [""] + QUERIES.get(template, []):
            path = (f"/{version}" if version else "") + ids.fill(template) + query
            direct = sandbox.api("GET", path)
            if not is_served(direct):
                continue
            for turn in range(2):
                through = gate.get(path)
                same(direct, through)
                assert not holds_token(through, gate.token), path
                if turn == 0 and "stored" in cache_status(through)[1]:
                    until(lambda: is_hit(gate.get(path)), f"a hit of {path}")
                hits += is_hit(through)
            if direct.status_code == 200:
                served.add(template)
    assert len(served) >= 25, sorted(served)
    assert hits >= len(served) - 5
    assert gate.files_with(gate.token) == []


@pytest.mark.parametrize("path", ["/v2/nothing", "/v2/profile/1", "/v2/database/31/profiles/x/y", "/v2//profile",
                                  "/v2/database/Customers/profiles?limit=1", "/v9/identity"])
def test_errors_and_odd_paths_are_the_same_too(gate, sandbox, path):
    direct = sandbox.api("GET", path)
    for _ in range(2):
        same(direct, gate.get(path))


@pytest.mark.parametrize("version", VERSIONS)
def test_heads_are_the_same(gate, sandbox, version):
    for path in (f"/{version}/profile/9001", f"/{version}/database/31/profiles?limit=2", f"/{version}/profile/1"):
        direct = sandbox.api("HEAD", path)
        for _ in range(2):
            through = gate.head(path)
            assert through.status_code == direct.status_code and through.content == b""
            assert through.headers["content-type"] == direct.headers["content-type"]
            assert through.headers["content-length"] == direct.headers["content-length"]


@pytest.mark.parametrize("version", VERSIONS)
def test_writes_answer_the_same_and_point_at_the_gate(gate, sandbox, version):
    """The same write at the API itself and through the gate, on twins."""
    calls = [("PUT", "/profile/{}/fields", {"city": "Delft"}), ("PUT", "/profile/{}", {"fields": {"city": "Ede"}}),
             ("POST", "/database/31/profiles", {"fields": {"email": "new@example.org"}}),
             ("DELETE", "/profile/{}", None), ("PUT", "/profile/1/fields", {"city": "Delft"})]
    for method, template, body in calls:
        path = f"/{version}" + template
        direct = sandbox.api(method, path.format(9002), json=body)
        through = gate.ask(method, path.format(9003), json=body)
        assert (through.status_code, through.content) == (direct.status_code, direct.content), path
        assert not holds_token(through, gate.token)
        for name in ("location", "x-location", "x-created", "x-deleted"):
            assert (name in through.headers) == (name in direct.headers), (path, name)
        place = through.headers.get("location")
        if place is not None:
            assert place.startswith("/") and "access_token" not in place, place
            assert gate.get(place).status_code == 200
