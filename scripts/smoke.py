"""Events through a deployed stage, followed to the end."""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.exceptions
import websockets.exceptions
import websockets.sync.client

BUILD = "cargo build --release -p tribo --features aws"
# People who lose patience, and how often each of them clicks. No sum about fewer than five people is told.
PEOPLE, CLICKS = 6, 6
ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    arguments = argparse.ArgumentParser(prog="scripts/smoke", description=__doc__)
    arguments.add_argument("--stage", default="standin")
    arguments.add_argument("--events", type=int, default=400)
    arguments.add_argument("--org", default="smoke")
    arguments.add_argument("--patience", type=int, default=720, help="seconds until it gives up")
    given = arguments.parse_args()
    if given.events < 1:
        arguments.error("--events is at least 1")
    stage = Stage(given.stage)
    before, rows = stage.ledger(given.org), stage.warehouse and stage.warehouse.rows(given.org)
    key = stage.tribo("keys", "create", "--org", given.org, "--scope", "ingest,read")["key"]

    emitted = stage.emit()
    sent = stage.send(key, given.org, given.events)
    print(f"sent {sent['events']} events through the door, {emitted} through the instrumented function")
    understood(stage, key, sent["product"], given.patience)
    # One more event, while somebody listens.
    listened(stage, key, given.org, sent["visit"], given.patience)

    new, forward = sent["events"] + 1 + emitted, sent["friction"] + emitted
    expected = {"accepted": before["accepted"] + new, "delivered": before["delivered"] + forward}
    row = accounted(stage, given.org, expected, sent["first"], given.patience)
    if rows is not None:
        held(stage.warehouse, given.org, sent["product"], rows + new, row["accepted"], given.patience)


def understood(stage, key, product, patience):
    """The impatient people's sessions, what hurt in them, and the totals."""
    wanted = {"sessions": PEOPLE, "incidents": PEOPLE}

    def told():
        sessions = stage.ask(key, "/v1/sessions", productId=product, state="closed")["sessions"]
        incidents = stage.ask(key, "/v1/incidents", productId=product, rule="rage_click")["incidents"]
        return {"sessions": len(sessions), "incidents": len(incidents)}

    found = wait_for(told, wanted, patience)
    if found != wanted:
        sys.exit(f"smoke: {PEOPLE} people lost patience, and the insights API tells of {found}")
    overview = stage.ask(key, "/v1/insights/overview", productId=product)
    totals = {name: overview.get(name) for name in wanted}
    if totals != wanted:
        sys.exit(f"smoke: {PEOPLE} people lost patience, and the overview tells of {totals}")
    print(f"{PEOPLE} sessions and {PEOPLE} incidents are understood as they were, one by one and in the overview")


def listened(stage, key, org, visit, patience):
    """Listens to somebody who is still there, and is told of what they do next."""
    if "LIVE_URL" not in stage.names:
        sys.exit(f"smoke: .tribo/{stage.name}.env does not say LIVE_URL: scripts/deploy --stage {stage.name} --outputs")

    def open_sessions():
        return [one["sessionId"] for one in stage.ask(key, "/v1/sessions", productId=visit["productId"], state="open")["sessions"]]

    found = wait_for(lambda: open_sessions()[:1] or None, None, patience, until_different=True)
    if not found:
        sys.exit("smoke: a session under way is not known, so nobody can listen to it (SessionLive)")
    url = f"{stage.names['LIVE_URL']}?{urllib.parse.urlencode({'session': found[0]})}"
    try:
        with websockets.sync.client.connect(
            url, additional_headers={"Authorization": f"Bearer {key}"}, open_timeout=30, proxy=None
        ) as socket:
            # A gateway may post nothing before the connection is there: who says something is told at once.
            socket.send("{}")
            first = json.loads(socket.recv(timeout=patience))
            stage.deliver(key, [visit | {"eventId": visit["eventId"] + "-next", "occurredAt": now().isoformat(), "screen": "/next"}])
            last = json.loads(socket.recv(timeout=patience))
    except (OSError, TimeoutError, websockets.exceptions.WebSocketException) as error:
        sys.exit(f"smoke: {stage.names['LIVE_URL']}: {type(error).__name__}: {error}")
    context = stage.ask(key, f"/api/sessions/{found[0]}/context")
    if last["lastSeq"] == first["lastSeq"] or last != context:
        sys.exit(f"smoke: a listener was told {last}, but the context is {context}")
    print("a listener was told of a session under way, and of what came next")


def accounted(stage, org, expected, first, patience):
    """The ledger, and the stations of one event; answers the ledger's row."""
    report = stage.settle(org, expected, patience)
    subprocess.run([*stage.command("ledger"), "--org", org], check=False)
    sys.stdout.flush()
    for station in stage.tribo("where", first, "--org", org)["stations"]:
        print(f"  {station['at']}  {station['station']:<12} {station['detail']}")
    row = report["orgs"][0]
    wrong = [f"{name} is {row[name]}, not {value}" for name, value in expected.items() if row[name] != value]
    if wrong or not report["balanced"]:
        sys.exit("smoke: " + "; ".join(wrong or ["the ledger does not balance"]))
    print("every event is accounted for")
    return row


def held(warehouse, org, product, events, accepted, patience):
    """What the warehouse holds, beside the ledger."""
    wanted = {"events": events, "sessions": PEOPLE, "incidents": PEOPLE}
    found = wait_for(lambda: {"events": warehouse.rows(org), **warehouse.facts(org, product)}, wanted, patience)
    if found != wanted:
        sys.exit(f"smoke: the warehouse holds {found}, not {wanted}")
    print(f"the warehouse holds {events} events, the ledger counts {accepted}; and {PEOPLE} sessions and {PEOPLE} incidents")


def wait_for(ask, wanted, patience, until_different=False):
    """Asks until the answer is what is wanted (or anything else), or nothing more can be hoped for; answers the last one."""
    end = time.monotonic() + patience
    while True:
        told = ask()
        if (told == wanted) != until_different or time.monotonic() > end:
            return told
        time.sleep(2)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


class Stage:
    """A deployed stage, as its file of names tells."""

    def __init__(self, name):
        file = ROOT / ".tribo" / f"{name}.env"
        if not file.exists():
            sys.exit(f"smoke: no {file.relative_to(ROOT)}: scripts/deploy writes it")
        lines = (line.split("=", 1) for line in file.read_text().splitlines() if "=" in line and line[0] != "#")
        self.name, self.names = name, dict(lines)
        self.binary = os.environ.get("TRIBO") or str(ROOT / self.names.get("TRIBO", "target/release/tribo"))
        if not pathlib.Path(self.binary).exists():
            sys.exit(f"smoke: no {self.binary}: {BUILD}")
        # The same program built without the feature, by `cargo run -p tribo` for instance, knows no stages.
        told = subprocess.run([self.binary, "ledger", "--help"], capture_output=True, text=True, check=False)
        if "--stage" not in told.stdout:
            sys.exit(f"smoke: {self.binary} was built without what knows stages: {BUILD}")
        self.warehouse = Warehouse.of(self.names)

    def command(self, *arguments):
        return [self.binary, "--log", "error", *arguments, "--stage", self.name]

    def tribo(self, *arguments):
        done = subprocess.run([*self.command(*arguments), "--json"], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 5):
            sys.exit(f"smoke: tribo {arguments[0]}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def ledger(self, org):
        done = subprocess.run(
            [*self.command("ledger"), "--org", org, "--json"], capture_output=True, text=True, check=False
        )
        # An organisation that does not exist yet has no row.
        row = json.loads(done.stdout)["orgs"][0] if done.returncode in (0, 5) else {}
        return {"accepted": row.get("accepted", 0), "delivered": row.get("delivered", 0)}

    def emit(self):
        """Invokes the instrumented function, where it is deployed; answers how many events it emitted."""
        # What a stand-in's file does not name is taken from the environment.
        client = boto3.client(
            "lambda",
            region_name="eu-central-1",
            endpoint_url=self.names.get("AWS_ENDPOINT_URL_LAMBDA"),
            aws_access_key_id=self.names.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self.names.get("AWS_SECRET_ACCESS_KEY"),
        )
        name = "friction_emitter_example" + ("" if self.name == "prod" else f"-{self.name}")
        stored = 0
        for number in range(30):
            verdict = {
                "user": f"user{number % 7}@example.org",
                "session": f"session-{number % 7}",
                "feature": "answers",
                "confidence": 0.4,
                "seconds": 30,
                "action": ["edited", "challenged", "abandoned"][number % 3],
            }
            try:
                answer = client.invoke(FunctionName=name, Payload=json.dumps(verdict))
            except client.exceptions.ResourceNotFoundException:
                print(f"{name} is not deployed (EmitterExample=true deploys it)")
                return 0
            except botocore.exceptions.BotoCoreError as error:
                sys.exit(f"smoke: {name}: {error}")
            told = json.loads(answer["Payload"].read())
            if answer.get("FunctionError"):
                sys.exit(f"smoke: {name}: {told}")
            stored += told["stored"]
        return stored

    def send(self, key, org, count):
        """Sends events to the door, every other one of friction."""
        began = now()
        run = began.strftime("%Y%m%d%H%M%S")
        events = []
        for number in range(count):
            event = {
                "eventId": f"smoke-{run}-{number:05}",
                "occurredAt": began.isoformat(),
                "orgId": org,
                "actorId": f"user{number % 23}@example.org",
                "sessionId": f"session-{number % 23}",
            }
            if number % 2 == 0:
                event |= {"eventType": "friction.abandon", "traceComponent": "transparency"}
            else:
                event |= {"eventType": "ui.click", "screen": f"/page/{number % 5}", "element": {"key": "save"}}
            events.append(event)
        product = f"smoke{run}"
        events += impatient(org, product, run, began)
        visit = {
            "eventId": f"smoke-{run}-visit", "eventType": "ui.navigation", "occurredAt": began.isoformat(), "orgId": org,
            "productId": f"{product}-live", "actorId": "visitor@example.org", "screen": "/first",
        }
        self.deliver(key, [*events, visit])
        told = {"events": len(events) + 1, "friction": (count + 1) // 2, "first": f"smoke-{run}-00000"}
        return told | {"product": product, "visit": visit}

    def deliver(self, key, events):
        """Sends events to the door, which must take every one."""
        with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
            file.flush()
            command = [self.binary, "--log", "error", "send", file.name, "--url", self.names["DOOR_URL"], "--json"]
            told = subprocess.run(
                [*command, "--no-resume"],
                env={**os.environ, "TRIBO_KEY": key},
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
        answer = json.loads(told.stdout or "{}")
        if answer.get("accepted") != len(events):
            sys.exit(f"smoke: the door took {answer.get('accepted')} of {len(events)} events: {answer}")

    def ask(self, key, path, **query):
        """What the insights API answers."""
        url = f"{self.names['INSIGHTS_URL']}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, headers={"X-API-Key": key})
        try:
            with urllib.request.urlopen(request, timeout=35) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            sys.exit(f"smoke: {path}: {error.code} {error.read().decode(errors='replace')}")
        except OSError as error:
            sys.exit(f"smoke: {path}: {error}")

    def settle(self, org, expected, patience):
        """Waits until everything arrived, or nothing more can be hoped for."""
        end = time.monotonic() + patience
        while True:
            report = self.tribo("ledger", "--org", org)
            row = report["orgs"][0]
            if report["balanced"] and all(row[name] >= value for name, value in expected.items()):
                return report
            if time.monotonic() > end:
                return report
            time.sleep(2)


class Warehouse:
    """A ClickHouse, as `tribo warehouse` finds it."""

    def __init__(self, variable):
        self.url = variable["CLICKHOUSE_URL"]
        password = variable.get("CLICKHOUSE_PASSWORD", "")
        if password.startswith("file:"):
            password = pathlib.Path(password.removeprefix("file:")).read_text(encoding="utf-8").rstrip()
        self.headers = {
            "X-ClickHouse-Database": variable.get("CLICKHOUSE_DATABASE", "default"),
            "X-ClickHouse-User": variable.get("CLICKHOUSE_USER", "default"),
            "X-ClickHouse-Key": password,
        }

    @classmethod
    def of(cls, names):
        """The stage's, where its file or the environment says where it is."""
        variable = {**names, **os.environ}
        if variable.get("CLICKHOUSE_URL"):
            return cls(variable)
        print("no warehouse is asked: CLICKHOUSE_URL is not set")
        return None

    def rows(self, org):
        """How many events of an organisation it holds."""
        return self._count("SELECT count() FROM events_raw FINAL WHERE org_id = {org:String}", org=org)[0]

    def facts(self, org, product):
        """How many sessions that are closed, and how many rage clicks."""
        sessions, incidents = self._count(
            "SELECT (SELECT count() FROM fact_sessions FINAL WHERE org_id = {org:String} AND product_id = {product:String}"
            " AND state = 'closed'), (SELECT count() FROM fact_incidents FINAL WHERE org_id = {org:String}"
            " AND product_id = {product:String} AND state = 'found' AND rule = 'rage_click')",
            org=org, product=product,
        )
        return {"sessions": sessions, "incidents": incidents}

    def _count(self, query, **parameters):
        given = urllib.parse.urlencode({f"param_{name}": value for name, value in parameters.items()})
        request = urllib.request.Request(f"{self.url.rstrip('/')}/?{given}", data=query.encode(), headers=self.headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return [int(count) for count in answer.read().split()]
        except urllib.error.HTTPError as error:
            sys.exit(f"smoke: the warehouse: {error.code} {error.read().decode(errors='replace')[:300]}")
        except OSError as error:
            sys.exit(f"smoke: the warehouse: {error}")


def impatient(org, product, run, sent_at):
    """Clicks without an effect, long enough ago for their sessions to end soon."""
    began = sent_at - datetime.timedelta(minutes=45)
    for person in range(PEOPLE):
        for number in range(CLICKS):
            at = began + datetime.timedelta(seconds=person, milliseconds=150 * number)
            yield {
                "eventId": f"smoke-{run}-p{person}-{number}", "eventType": "ui.click", "occurredAt": at.isoformat(),
                "orgId": org, "productId": product, "actorId": f"person{person}@example.org",
                "screen": "/orders", "element": {"key": "save"},
            }


if __name__ == "__main__":
    main()
