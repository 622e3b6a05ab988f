"""The trace of `make calls`: reads and writes by chance, the same for the same seed.

Three databases of 25 profiles. Which one is asked for follows Zipf's law; what is created on the way
takes a place of its own among the others. All targets are of v4, so that a URL is a URL.
"""

import bisect
import collections
import itertools
import json
import random

PROFILES = 25  # of each database at the start
ZIPF = 1.1
PAGE = 10
PREFIX = "/v4"
CITIES = ("Amsterdam", "Utrecht", "Gent", "Antwerpen", "Berlin", "Lyon")
COUNTRIES = ("NL", "BE", "DE", "FR")
ANSWERS = ("yes", "no")
STATES = ("open", "paid", "sent")
# None: texts that nobody has written before.
VALUES = {"firstname": None, "lastname": None, "city": CITIES, "country": COUNTRIES,
          "newsletter": ANSWERS}

Operation = collections.namedtuple("Operation", "method target body")


class Zipf:
    """Items in an order of their own, the first ones drawn most often."""

    def __init__(self, items, rng):
        self.items = list(items)
        rng.shuffle(self.items)
        self.weights = list(itertools.accumulate(
            (rank + 1) ** -ZIPF for rank in range(len(self.items) * 20)))

    def draw(self, rng):
        last = len(self.items) - 1
        return self.items[min(last, bisect.bisect(self.weights, rng.random() * self.weights[last]))]

    def add(self, item, rng):
        self.items.insert(rng.randrange(len(self.items) + 1), item)


class Trace:
    """`next` draws an operation, `learn` is told the answer. What exists at the start is read by
    ask(target), which returns a parsed answer."""

    def __init__(self, seed, ask, write_percent):
        self.rng = random.Random(seed)
        self.write_share = write_percent / 100
        self.texts = itertools.count(1)
        self.fields, profiles, collections_, subprofiles, views = {}, [], [], [], []
        databases = ask(f"{PREFIX}/databases")["data"]
        for database in databases:
            number = database["ID"]
            self.fields[number] = [field["name"] for field in database["fields"]["data"]
                                   if field["name"] in VALUES]
            profiles += [(number, owned) for owned in ask(f"{PREFIX}/database/{number}/profileids")]
            views += [view["ID"] for view in ask(f"{PREFIX}/database/{number}/views")["data"]]
            for collection in database["collections"]["data"]:
                collections_.append((number, collection["ID"]))
                shown = ask(f"{PREFIX}/collection/{collection['ID']}/subprofiles?limit=1000")["data"]
                subprofiles += [(entry["profile"], collection["ID"], entry["ID"]) for entry in shown]
        self.databases = Zipf([database["ID"] for database in databases], self.rng)
        self.profiles, self.views = Zipf(profiles, self.rng), Zipf(views, self.rng)
        self.collections = Zipf(collections_, self.rng)
        self.subprofiles = Zipf(subprofiles, self.rng)
        self.reads = [(30, self.read_profile), (8, self.read_fields), (8, self.read_list),
                      (9, self.read_page), (3, self.read_ordered), (12, self.read_filtered),
                      (7, self.read_view), (3, self.read_view_ids), (2, self.read_view_itself), (1, self.read_views), (6, self.read_subprofile),
                      (6, self.read_subprofiles), (3, self.read_collection), (3, self.read_database),
                      (2, self.read_databases)]
        self.writes = [(60, self.write_fields), (8, self.create_profile), (4, self.remove_profile),
                       (12, self.write_subprofile), (6, self.create_subprofile),
                       (3, self.remove_subprofile), (7, self.write_description)]
        self.created = None  # what to do with the number of what the last operation creates

    def next(self):
        """The next operation."""
        self.created = None
        choices = self.writes if self.rng.random() < self.write_share else self.reads
        weights, steps = zip(*choices)
        return self.rng.choices(steps, weights)[0]()

    def learn(self, created):
        """The last operation was answered with this X-Created, or None."""
        if self.created is not None:
            self.created(created)

    # --- reads ---

    @staticmethod
    def _get(target):
        return Operation("GET", PREFIX + target, None)

    def read_profile(self):
        return self._get(f"/profile/{self.profiles.draw(self.rng)[1]}")

    def read_fields(self):
        return self._get(f"/profile/{self.profiles.draw(self.rng)[1]}/fields")

    def read_list(self):
        return self._get(f"/database/{self.databases.draw(self.rng)}/profiles")

    def read_page(self):
        start = self.rng.choices([0, PAGE, 2 * PAGE], [5, 3, 2])[0]
        return self._get(f"/database/{self.databases.draw(self.rng)}/profiles"
                         f"?limit={PAGE}&start={start}")

    def read_ordered(self):
        return self._get(f"/database/{self.databases.draw(self.rng)}/profiles"
                         f"?limit={PAGE}&orderby={self.rng.choice(['email', 'firstname'])}")

    def read_filtered(self):
        database = self.databases.draw(self.rng)
        filters = [f"{name}=={value}" for name in self.fields[database]
                   for value in (VALUES[name] or ())[:2]]
        return self._get(f"/database/{database}/profiles?fields[]={self.rng.choice(filters)}")

    def read_view(self):
        return self._get(f"/view/{self.views.draw(self.rng)}/profiles")

    def read_view_itself(self):
        return self._get(f"/view/{self.views.draw(self.rng)}")

    def read_views(self):
        return self._get(f"/database/{self.databases.draw(self.rng)}/views")

    def read_view_ids(self):
        return self._get(f"/view/{self.views.draw(self.rng)}/profileids")

    def read_subprofile(self):
        return self._get(f"/subprofile/{self.subprofiles.draw(self.rng)[2]}")

    def read_subprofiles(self):
        owner, collection, _ = self.subprofiles.draw(self.rng)
        return self._get(f"/profile/{owner}/subprofiles/{collection}")

    def read_collection(self):
        return self._get(f"/collection/{self.collections.draw(self.rng)[1]}/subprofiles")

    def read_database(self):
        return self._get(f"/database/{self.databases.draw(self.rng)}")

    def read_databases(self):
        return self._get("/databases")

    # --- writes ---

    def _value(self, name):
        values = VALUES.get(name)
        return self.rng.choice(values) if values else f"text {next(self.texts)}"

    def write_fields(self):
        database, number = self.profiles.draw(self.rng)
        names = self.rng.sample(self.fields[database], self.rng.choice([1, 1, 2]))
        return Operation("PUT", f"{PREFIX}/profile/{number}/fields",
                         {name: self._value(name) for name in names})

    def create_profile(self):
        database = self.databases.draw(self.rng)
        self.created = lambda number: self.profiles.add((database, number), self.rng)
        fields = {name: self._value(name) for name in self.fields[database]}
        return Operation("POST", f"{PREFIX}/database/{database}/profiles", {"fields": fields})

    def remove_profile(self):
        owners = {owner for owner, _, _ in self.subprofiles.items}
        removable = [item for item in self.profiles.items if item[1] not in owners]
        item = self.rng.choice(removable)
        self.profiles.items.remove(item)
        return Operation("DELETE", f"{PREFIX}/profile/{item[1]}", None)

    def write_subprofile(self):
        number = self.subprofiles.draw(self.rng)[2]
        return Operation("PUT", f"{PREFIX}/subprofile/{number}/fields",
                         {"status": self.rng.choice(STATES)})

    def create_subprofile(self):
        database, collection = self.collections.draw(self.rng)
        owner = self.rng.choice([number for home, number in self.profiles.items if home == database])
        self.created = lambda number: self.subprofiles.add((owner, collection, number), self.rng)
        return Operation("POST", f"{PREFIX}/profile/{owner}/subprofiles/{collection}",
                         {"status": self.rng.choice(STATES)})

    def remove_subprofile(self):
        item = self.rng.choice(self.subprofiles.items)
        self.subprofiles.items.remove(item)
        return Operation("DELETE", f"{PREFIX}/subprofile/{item[2]}", None)

    def write_description(self):
        return Operation("PUT", f"{PREFIX}/database/{self.databases.draw(self.rng)}",
                         {"description": f"text {next(self.texts)}"})


def ask_json(client):
    """For Trace: asks by a Client."""
    return lambda target: json.loads(client.ask("GET", target).body)
