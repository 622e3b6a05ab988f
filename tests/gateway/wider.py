"""Presets made of another one that name more than it does, never less: what a property test runs with.

A preset is a parsed JSON object. Each function takes one edit's number, which says where, and changes
the preset in place; where there is nothing to change it does nothing.
"""

import json
import re

# Reads and writes of these are what the simulated API has.
SIMULATED = ("databases", "database", "profile", "subprofile", "collection", "view", "rule", "condition",
             "miniview", "minirule", "minicondition", "interest")
PLACEHOLDER = re.compile(r"\{[^}]*\}")
RELATED = re.compile(r"\{([^{}@]+)@([^{}@]+)\}")


def read_preset(path):
    """A preset file without its comments, which stand on lines of their own."""
    lines = path.read_text().splitlines()
    return json.loads("\n".join(line for line in lines if not line.strip().startswith("//")))


def segments(path):
    return path.strip("/").split("/")


def is_simulated(rule):
    return segments(rule["path"])[0] in SIMULATED


def fits(template, path):
    """Whether a rule of the template could be taken for the path of another, whole or as a prefix."""
    template, path = segments(template), segments(path)
    if len(template) > len(path) or (len(template) < len(path) and template[-1].startswith("{")):
        return False
    return all(wanted.startswith("{") or wanted == segment for wanted, segment in zip(template, path))


def drop_rule(preset, name, number):
    """Takes a rule out, but never one whose paths another rule would then be taken for."""
    rules = preset[name]
    rule = pick([rule for rule in rules if is_simulated(rule)], number)
    sample = PLACEHOLDER.sub("7", rule["path"])
    if not any(fits(other["path"], sample) for other in rules if other["path"] != rule["path"]):
        preset[name] = [other for other in rules if other["path"] != rule["path"]]


def pick(items, number):
    return items[number % len(items)]


def drop_read(preset, number):
    drop_rule(preset, "reads", number)


def drop_write(preset, number):
    drop_rule(preset, "writes", number)


# --- kinds ---


def is_below(kinds, kind, ancestor):
    parents = kinds.get(kind, {}).get("parents", [])
    return any(parent == ancestor or is_below(kinds, parent, ancestor) for parent in parents)


def without_lost_relations(kinds, token):
    """The token, as wide as it has to be where kinds belong nowhere any more."""
    head, _, at = split_at(token)
    if at:
        first = segments(head.lstrip("=~"))
        kind = first[first.index("*") - 1] if "*" in first else None
        lost = any(not is_below(kinds, of, to) for to, of in RELATED.findall(at))
        if lost or kind is None or not is_below(kinds, kind, at.partition("/")[0]):
            at = ""
    starred = RELATED.sub(lambda found: found[0] if is_below(kinds, found[2], found[1]) else "*", head)
    if starred != head:
        starred = starred.lstrip("=")
    return starred + (f"@{at}" if at else "")


def split_at(token):
    """("view/*", "@", "database/{database}"): an @ inside braces is none."""
    depth = 0
    for place, letter in enumerate(token):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "@" and depth == 0:
            return token[:place], "@", token[place + 1:]
    return token, "", ""


def orphan(preset, number):
    """A kind belongs nowhere any more: nobody knows then whose it is."""
    kinds = preset["kinds"]
    pick([kind for kind in kinds.values() if kind.get("parents")] or [{}], number).pop("parents", None)
    for rule in preset["writes"]:
        rule["changes"] = [without_lost_relations(kinds, token) for token in rule["changes"]]


# --- writes ---


def write_at(preset, number):
    return pick([rule for rule in preset["writes"] if is_simulated(rule)], number)


def account(preset, number):
    write_at(preset, number)["changes"] = ["account"]


def change_token(preset, number, change):
    rule = write_at(preset, number)
    place = number // 97 % len(rule["changes"])
    rule["changes"][place] = change(rule["changes"][place])


def star(preset, number):
    """The entity of a kind that a token names becomes any entity of that kind."""
    def any_id(token):
        head = split_at(token)[0].lstrip("=") if not token.startswith("~") else split_at(token)[0]
        return PLACEHOLDER.sub("*", head)

    change_token(preset, number, any_id)


def inexact(preset, number):
    change_token(preset, number, lambda token: token.lstrip("="))


def shorten(preset, number):
    """What lies below a path goes, instead of one thing there."""
    def above(token):
        head, at, ancestor = split_at(token.lstrip("="))
        parts = head.split("/")
        if head.startswith("~") or len(parts) < 3:
            return token
        return "/".join(parts[:2]) + at + ancestor

    change_token(preset, number, above)


def forget_fields(preset, number):
    write_at(preset, number).pop("fields", None)


def forget_removal(preset, number):
    write_at(preset, number).pop("removes", None)


def forget_condition(preset, number):
    """Where one rule holds for some bodies only, the other one of the same write is for all."""
    rule = pick([rule for rule in preset["writes"] if "only" in rule] or [None], number)
    if rule is not None:
        preset["writes"].remove(rule)


# --- reads ---


def read_at(preset, number):
    return pick([rule for rule in preset["reads"] if is_simulated(rule)], number)


def list_at(preset, number):
    return pick([rule for rule in preset["reads"] if "list" in rule] or [{"list": {}}], number)


def forget_list(preset, number):
    list_at(preset, number).pop("list", None)


def forget_member(preset, number):
    """Parameters that are not understood, or a list of which nobody knows whether it is complete."""
    members = list_at(preset, number)["list"]
    name = pick(["filters", "order", "complete", "neutral"], number // 97)
    if name == "neutral":
        neutral = members.get("neutral")
        if neutral:
            members["neutral"] = neutral[1:]
    elif name in ("filters", "order"):
        other = members.get("order" if name == "filters" else "filters")
        if other:
            members.pop(name, None)
    else:
        members.pop(name, None)


def time_to_live(preset, number):
    read_at(preset, number)["ttl"] = pick(["1s", "30s", "2m", "1h", "24h"], number // 97)


def unstored(preset, number):
    read_at(preset, number)["store"] = False


EDITS = (drop_read, drop_write, orphan, account, star, inexact, shorten, forget_fields, forget_removal,
         forget_condition, forget_list, forget_member, time_to_live, unstored)


def wider(preset, edits):
    """A copy, with [(edit, number), …] made one after the other. The simulated API goes on with nothing
    after its answer: without `settle` what is checked is never out of the cache for minutes."""
    made = json.loads(json.dumps(preset))
    for rule in made["writes"]:
        rule.pop("settle", None)
    made["rules"] = [rule for rule in made["rules"] if "settle" not in rule]
    for edit, number in edits:
        edit(made, number)
    return made
