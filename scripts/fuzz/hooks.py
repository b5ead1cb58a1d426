"""What the fuzzer cannot know from a description: which ids are there, and what no answer may hold."""

import datetime
import json
import os
import urllib.request
import zlib

import schemathesis

URL = os.environ["FUZZ_URL"]
ORG = os.environ["FUZZ_ORG"]
# Stands in every screen of another organisation, whose events lie in the same store.
FOREIGN = os.environ["FUZZ_FOREIGN"]
DAYS = 90


def get(path):
    request = urllib.request.Request(URL + path, headers={"Authorization": "Bearer " + os.environ["FUZZ_KEY"]})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


class World:
    """What is there to be asked about, in an order that does not depend on the run."""

    def __init__(self):
        self.sessions = sorted(one["sessionId"] for one in get("/v1/sessions?limit=200")["sessions"])
        self.events = [f"{ORG}.{visitor}.0" for visitor in range(8)]
        self.seen = [get(f"/api/sessions/{id}/context")["lastSeq"] for id in self.sessions[:8]]
        first = [get(f"/api/sessions/{id}/events?limit=1")["events"][0] for id in self.sessions[:8]]
        self.persons = [event["actorId"] for event in first]
        # Questions with the cursors that were given out for them.
        self.pages = {}


world = World()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Aims what is valid at what is there: a random id or organisation would be refused before anything is read."""
    if not (case.meta and (case.meta.generation.mode.is_positive or is_other_method(case.meta))):
        return
    dice = Dice(case)
    if case.path.startswith(("/v1/sessions/", "/api/sessions/")):
        aim(case.path_parameters, "id", dice.one(world.sessions), dice.often())
    if case.path.startswith("/v1/events/{"):
        aim(case.path_parameters, "id", dice.one(world.events), dice.often())
    if case.path.startswith("/api/users/"):
        aim(case.path_parameters, "id", dice.one(world.persons), dice.often())
    query = case.query or {}
    aim(query, "org", ORG, dice.often())
    aim(query, "productId", "shop", dice.often())
    aim(query, "session", dice.one(world.sessions), dice.often())
    # What looks like a time need not be one: the 30th of February.
    aim(query, "after", dice.one(world.seen), True)
    times(query, dice)
    if "cursor" in query:
        turn_the_page(case, query, dice)


def is_other_method(meta):
    """True for what is asked with a method that is not offered, but otherwise as described."""
    return getattr(meta.phase.data, "scenario", None) == "unspecified_http_method"


def aim(values, name, value, is_wanted):
    if values and name in values and is_wanted:
        values[name] = value


def times(query, dice):
    """What no schema says: from lies before to, and at most 92 days before it."""
    # Without one of them, the other is measured against today.
    if "from" not in query:
        return
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - datetime.timedelta(days=1 + dice.number(DAYS))
    if "to" in query:
        if not dice.often():
            start = datetime.datetime(1 + dice.number(9_998), 1, 1, tzinfo=datetime.timezone.utc)
        query["to"] = text(start + datetime.timedelta(days=dice.number(DAYS), milliseconds=1 + dice.number(1_000)))
    query["from"] = text(start)


def text(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z").rjust(24, "0")


def turn_the_page(case, query, dice):
    """A cursor is signed, so that none can be made: one that was given out is used, with its question."""
    known = world.pages.get(case.path)
    if known:
        question, id, cursor = dice.one(known)
        limit = {name: value for name, value in query.items() if name == "limit"}
        query.clear()
        query.update(question | limit | {"cursor": cursor})
        aim(case.path_parameters, "id", id, id is not None)
    else:
        del query["cursor"]


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code != 200 or b"nextCursor" not in response.content:
        return
    cursor = response.json().get("nextCursor")
    pages = world.pages.get(case.path, [])
    if cursor and len(pages) < 50 and "cursor" not in (case.query or {}):
        question = {name: value for name, value in (case.query or {}).items() if name != "limit"}
        world.pages[case.path] = [*pages, (question, (case.path_parameters or {}).get("id"), cursor)]


class Dice:
    """Falls by what was generated, so that the same seed asks the same."""

    def __init__(self, case):
        said = [case.path, sorted((case.query or {}).items(), key=str), sorted((case.path_parameters or {}).items())]
        self.state = zlib.crc32(repr(said).encode())

    def number(self, below):
        self.state = zlib.crc32(self.state.to_bytes(4, "big"))
        return self.state % below

    def often(self):
        return self.number(8) != 0

    def one(self, of):
        return of[self.number(len(of))]


@schemathesis.check
def nothing_of_others(context, response, case):
    """Nothing of an organisation that the key is not bound to."""
    assert FOREIGN.encode() not in response.content, "an answer tells of another organisation"


@schemathesis.check
def guarded(context, response, case):
    """The headers that every answer has, and a refusal that is whole."""
    headers = {name.lower(): values[0] for name, values in response.headers.items()}
    assert headers.get("x-content-type-options") == "nosniff", "no nosniff"
    assert headers.get("cache-control") == "no-store", "it may be cached"
    assert headers.get("x-request-id"), "it has no id"
    if response.status_code >= 400 and response.content:
        problem = json.loads(response.content)
        assert problem.get("status") == response.status_code, "two statuses"
        assert problem.get("requestId") == headers["x-request-id"], "two ids"


@schemathesis.check
class Reached:
    """Every operation was granted at least once, and every list had a second page: a run of refusals proves nothing."""

    def __init__(self):
        self.asked, self.granted = set(), set()

    def after_response(self, context, response, case):
        self.asked.add(case.path)
        if 200 <= response.status_code < 300 or response.status_code == 426:
            self.granted.add(case.path)

    def after_run(self, context):
        missed = sorted(self.asked - self.granted)
        assert not missed, f"never granted: {missed}"
        paged = {"/v1/sessions", "/v1/incidents", "/api/sessions/{id}/events"} & self.asked
        assert paged <= set(world.pages), f"never turned a page of {sorted(paged - set(world.pages))}"
