"""Presets: the table of endpoints, its generator, the schema and `postern check` say the same, and
`postern explain` finds each row of the table."""

import csv
import json
import re
import signal
import subprocess
import sys

import jsonschema
import pytest

from gate import CHECKOUT, is_hit, merged, postern, reply

sys.path.insert(0, str(CHECKOUT / "tools"))

import preset as generator  # noqa: E402

SHOWN = {"path": "/database/{database}", "shows": ["ID=>database"]}
PUT = {"methods": ["PUT"], "path": "/profile/{profile}", "changes": ["=profile/{profile}"]}
BASE = {
    "kinds": {"database": {}, "profile": {"parents": ["database"]}, "mail/letter": {"ids": "opaque"}},
    "reads": [SHOWN],
    "writes": [PUT],
}


def read(**members):
    return {"reads": [{**SHOWN, **members}]}


def write(**members):
    return {"writes": [{**PUT, **members}]}


GOOD = [
    {}, {"kinds": None, "reads": None, "writes": None}, {"created_field": "X-Created", "touched_fields": ["modified"]},
    {"equivalents": [{"path": "/html", "as": "/publisher"}, {"path": "/a/*/b", "as": "/a/*/c"}]},
    {"superfluous_segments": True}, {"overload": [{"status": 503, "body": "busy"}, {"status": 429}]},
    read(shows=["data[].ID=>database", "data[].database~>database", "[]=>profile", "a-b~>{parent-type}"]),
    read(also=["/base/{database}"]), read(ttl="2m", store=False), read(list={}),
    read(list={"filters": "fields", "order": "orderby", "neutral": ["start"],
               "complete": {"start": "start", "count": "count", "total": "total"}}),
    read(path="/mail/letter/{mail/letter}/of/{anybody}"),
    write(changes=[]), write(changes=["account", "~profile/*@database/{database@profile}", "mail/letter/*"]),
    write(changes=["profile/{body.profiles[]}", "database/{header.X-Created}"]), write(only=["a", "b"]),
    write(fields="body"), write(fields="body.fields"), write(creates="profile", removes=True, moves=True, settle="5m"),
    write(methods=["PUT", "POST", "DELETE", "M-SEARCH"]),
]

# What both can see, and what it takes names of kinds and paths to see.
BAD = [
    {"kinds": []}, {"kinds": {"a b": {}}}, {"kinds": {"a/": {}}}, {"kinds": {"x": {"ids": "hex"}}},
    {"kinds": {"x": {"parents": "database"}}}, {"kinds": {"x": {"parent": ["database"]}}}, {"created_field": ""},
    {"touched_fields": "modified"}, {"superfluous_segments": "yes"}, {"equivalents": {"/a": "/b"}},
    {"equivalents": [{"path": "/a"}]}, {"equivalents": [{"path": "a", "as": "/b"}]},
    {"equivalents": [{"path": "/a/", "as": "/b"}]}, {"equivalents": [{"path": "/{a}", "as": "/b"}]},
    {"overload": [{"body": "busy"}]}, {"overload": [{"status": 99}]}, {"overload": [{"status": "503"}]},
    read(path=None), read(path="database"), read(path="/database/"), read(path="/database//x"), read(path="/x{y}"),
    read(shows=["ID"]), read(shows="ID=>database"), read(shows=["header:X-Created=>database"]), read(also="/x"),
    read(shows=["ID=>{kind}"]), read(ttl="2"), read(store="no"), read(list=True),
    read(list={"complete": {"start": "s"}}),
    write(methods=None), write(methods=[]), write(methods=["GET"]), write(methods=["put"]), write(path=None),
    write(changes=None), write(changes="account"), write(changes=[""]), write(fields="fields"),
    write(fields="body.a.b"), write(removes="yes"), write(settle=5), write(only="a"), write(chagnes=[]),
]
BAD_BY_MEANING = [
    {"kinds": {"database": {"parents": ["profile"]}}}, {"kinds": {"profile": {"parents": ["databse"]}}},
    {"equivalents": [{"path": "/a/*", "as": "/b"}]}, {"equivalents": [{"path": "/database", "as": "/base"}]},
    read(path="/database/{database}/in/{database}"), read(shows=["ID=>databse"]), read(also=["/base/{base}"]),
    {"reads": [SHOWN, {"path": "/database/{other}"}]}, {"writes": [PUT, PUT]}, write(changes=["profile/{profle}"]),
    write(changes=["~profile"]), write(changes=["profile/{database@profile}"]), write(creates="databse"),
    write(changes=["profile/*@profile/{profile}"]), write(path="/profiles", changes=[], removes=True),
]


def schema_of_presets():
    schemas = {name: json.loads((CHECKOUT / "conf" / name).read_text())
               for name in ("presets.schema.json", "postern.schema.json")}
    preset = schemas["presets.schema.json"]
    # One document: the other schema's definitions under a name of their own.
    preset = json.loads(json.dumps(preset).replace("postern.schema.json#/$defs/", "#/$defs/postern/$defs/"))
    others = json.dumps(schemas["postern.schema.json"]["$defs"]).replace("#/$defs/", "#/$defs/postern/$defs/")
    preset["$defs"]["postern"] = {"$defs": json.loads(others)}
    jsonschema.Draft202012Validator.check_schema(preset)
    return jsonschema.Draft202012Validator(preset)


def configured(folder, preset):
    """A configuration whose one upstream has this preset: a name, or what a file is to hold."""
    if isinstance(preset, dict):
        (folder / "preset.json").write_text(json.dumps(preset))
        preset = "./preset.json"
    config = {"listen": ["127.0.0.1:8080"], "data_dir": "data",
              "upstreams": {"a": {"url": "http://127.0.0.1:1", "preset": preset}}}
    (folder / "postern.json").write_text(json.dumps(config))
    return folder / "postern.json"


def judged(folder, overrides):
    """(what postern check says, what the schema says) of a preset, and its words."""
    preset = {name: value for name, value in merged(BASE, overrides).items() if value is not None}
    for rules in ("reads", "writes"):
        preset[rules] = [{name: value for name, value in rule.items() if value is not None}
                         for rule in preset.get(rules, [])]
    checked = postern("check", "--config", configured(folder, preset))
    assert checked.returncode in (0, 2), checked.stderr
    return checked.returncode == 0, schema_of_presets().is_valid(preset), checked.stdout + checked.stderr


@pytest.mark.parametrize("overrides", GOOD, ids=json.dumps)
def test_schema_and_check_accept_a_good_preset(tmp_path, overrides):
    accepted, valid, said = judged(tmp_path, overrides)
    assert accepted and valid, said


@pytest.mark.parametrize("overrides", BAD, ids=json.dumps)
def test_schema_and_check_refuse_a_bad_preset(tmp_path, overrides):
    accepted, valid, said = judged(tmp_path, overrides)
    assert not accepted and not valid, said


@pytest.mark.parametrize("overrides", BAD_BY_MEANING, ids=json.dumps)
def test_check_refuses_what_names_do_not_fit(tmp_path, overrides):
    accepted, valid, said = judged(tmp_path, overrides)
    assert not accepted and valid, said


def test_a_fault_has_file_line_pointer_and_token(tmp_path):
    config = configured(tmp_path, {})
    (tmp_path / "preset.json").write_text('{"kinds": {"profile": {}},\n"reads": [\n'
                                          '{"path": "/profile/{profile}", "shows": ["ID=>profle"]}]}')
    told = postern("check", "--config", config)
    assert told.returncode == 2
    assert (f'{tmp_path}/./preset.json:3: /reads/0/shows/0: "ID=>profle": unknown kind "profle": '
            'did you mean "profile"?') in told.stdout + told.stderr


@pytest.mark.parametrize("name", sorted(path.stem for path in (CHECKOUT / "conf" / "presets").glob("*.json")))
def test_the_presets_that_come_along_are_good(tmp_path, name):
    text = (CHECKOUT / "conf" / "presets" / f"{name}.json").read_text()
    schema_of_presets().validate(json.loads(generator.uncommented(text)))
    checked = postern("check", "--config", configured(tmp_path, name))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_generator_and_copernica_s_preset_agree():
    checked = subprocess.run([sys.executable, generator.__file__, "--check"], capture_output=True, text=True,
                             timeout=30)
    assert checked.returncode == 0, checked.stderr


def test_a_generated_preset_stays_the_same_when_generated_again():
    text = generator.PRESET.read_text()
    torn = text.replace('"path": "/databases", "changes": ["databases"]', '"path": "/databases", "changes": []')
    assert torn != text and generator.generated(torn) == text == generator.generated(text)


def table():
    with open(CHECKOUT / "tests" / "data" / "endpoints.tsv", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def explained(config, method, path):
    told = postern("explain", method, path, "--config", config)
    assert told.returncode == 0, told.stderr
    return told.stdout


def filled(path):
    """A path of a table's row, with an id in each place; none that is twice the same."""
    ids = iter(range(101, 110))
    return re.sub(r"\{[^}]*\}", lambda _: str(next(ids)), path)


def test_every_row_of_the_table_has_its_rule(tmp_path):
    config = configured(tmp_path, "copernica")
    asked = {(row["method"], row["path"], row["versions"].split()[-1]) for row in table()}
    for method, path, version in sorted(asked):
        said = explained(config, method, f"/{version}{filled(path)}")
        assert not re.search(r"wider by +(read|write)_unmatched", said), (method, path, said)
        wanted = r"^(read  |stored       never)" if method == "GET" else r"^rule  "
        assert re.search(wanted, said, re.M), (method, path, said)


def named_by(token, path):
    """How explain prints a token of `changes`, of a write whose relations and body nobody knows; None: with the
    answer only."""
    ids = dict(zip(re.findall(r"\{([^}]*)\}", path), re.findall(r"\d+", filled(path))))
    if "header." in token:
        return None
    if token == "account":
        return "account"
    mark, rest = (token[0], token[1:]) if token[0] in "=~" else ("/", token)
    rest, _, whose = re.sub(r"\{[^}]*@[^}]*\}|\{body[^}]*\}", "*", rest).partition("@")
    rest, whose = (re.sub(r"\{([^}]*)\}", lambda found: ids[found.group(1)], part) for part in (rest, whose))
    if whose.endswith("*") or not whose:
        return mark + rest
    return f"@{mark.strip('/')}{rest}@{whose}"


def test_every_write_of_the_table_names_what_its_row_says(tmp_path):
    config = configured(tmp_path, "copernica")
    checked = 0
    for row in table():
        if row["method"] == "GET" or "body<=" in row["notes"]:
            continue
        lines = explained(config, row["method"], filled(row["path"])).splitlines()
        named = {line.removeprefix("invalidates").strip() for line in lines}
        for token in row["changes"].split():
            wanted = named_by(token, row["path"])
            found = wanted is None or wanted in named or f"{wanted}#-" in named  # "#-": lists that can lose it
            assert found, (row["method"], row["path"], token, wanted, lines)
            checked += 1
    assert checked > 500


@pytest.mark.parametrize("url", ["/v4/html/emailing/5", "/v1/emailing/5", "/publisher/emailing/5/"])
def test_names_of_the_same_thing_have_the_same_tags(tmp_path, url):
    said = explained(configured(tmp_path, "copernica"), "GET", url)
    assert "=publisher/emailing/5\n" in said and "html" not in said.split("tags")[1]


def test_put_is_taken_for_post_where_the_other_has_no_row(tmp_path):
    config = configured(tmp_path, "copernica")
    tags = {(method, path): explained(config, method, path).split("rule ")[1]
            for method in ("PUT", "POST") for path in ("/profile/7", "/database/5/profiles", "/imports")}
    assert tags["PUT", "/profile/7"] == tags["POST", "/profile/7"]
    assert tags["PUT", "/imports"] == tags["POST", "/imports"]
    assert tags["PUT", "/database/5/profiles"] != tags["POST", "/database/5/profiles"]


def test_at_github_nothing_is_superfluous_and_case_counts_for_nothing(tmp_path):
    config = configured(tmp_path, "github")
    assert "wider by     read_unmatched" in explained(config, "GET", "/user/emails")
    assert "=repos/octo/hello\n" in explained(config, "GET", "/repos/Octo/HELLO")
    assert "/repos/octo/hello/issues\n" in explained(config, "DELETE", "/repos/OCTO/Hello/issues/comments/5")


# --- a preset that changes while answers are stored by it ---


NARROW = {"kinds": {"profile": {}}, "reads": [{"path": "/profile/{profile}"}, {"path": "/list"}],
          "writes": [{"methods": ["PUT"], "path": "/profile/{profile}", "changes": ["profile/{profile}"]}]}
SHOWING = {**NARROW, "reads": [NARROW["reads"][0], {"path": "/list", "shows": ["data[].ID=>profile"]}]}


@pytest.mark.parametrize("how", ["hup", "restart"])
def test_what_was_stored_by_another_preset_is_forgotten(make_gate, raw_upstream, tmp_path, how):
    """Its tags are not those that writes name by the new one."""
    preset = tmp_path / "preset.json"
    preset.write_text(json.dumps(NARROW))
    raw_upstream.on("/list", reply(b'{"data": [{"ID": "7"}]}'))
    gate = make_gate(raw_upstream, upstreams={"copernica": {
        "preset": str(preset), "inject": {"header": "Authorization", "format": "Bearer %s"}}})
    gate.warm("/list")
    if how == "hup":
        assert "are read again" in gate.hup()
    else:
        gate.restart()
    assert is_hit(gate.get("/list")), "the same preset"
    preset.write_text(json.dumps(SHOWING))
    if how == "hup":
        assert "a preset has changed" in gate.hup()
    else:
        gate.restart()
    assert not is_hit(gate.get("/list"))
    gate.warm("/list")
    assert gate.put("/profile/7", json={}).status_code == 200
    assert not is_hit(gate.get("/list")), "the new preset knows that it shows profile 7"


def test_reloads_that_follow_each_other_closely_end_with_the_last(make_gate, raw_upstream, tmp_path):
    preset = tmp_path / "preset.json"
    preset.write_text(json.dumps(NARROW))
    raw_upstream.on("/list", reply(b'{"data": [{"ID": "7"}]}'))
    gate = make_gate(raw_upstream, upstreams={"copernica": {
        "preset": str(preset), "inject": {"header": "Authorization", "format": "Bearer %s"}}})
    for turn in range(20):
        preset.write_text(json.dumps({**(SHOWING if turn % 2 else NARROW), "ignorable_parameters": [str(turn)]}))
        gate.signal(signal.SIGHUP)
    gate.hup()
    gate.warm("/list")
    assert gate.put("/profile/7", json={}).status_code == 200
    assert not is_hit(gate.get("/list"))
