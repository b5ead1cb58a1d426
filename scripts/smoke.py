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

BUILD = "cargo build --release -p tribo --features aws"
# People who lose patience, and how often each of them clicks.
PEOPLE, CLICKS = 3, 6
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
    before = stage.ledger(given.org)
    key = stage.tribo("keys", "create", "--org", given.org, "--scope", "ingest,read")["key"]

    emitted = stage.emit()
    sent = stage.send(key, given.org, given.events)
    forward = sent["friction"] + emitted
    print(f"sent {sent['events']} events through the door, {emitted} through the instrumented function")

    expected = {
        "accepted": before["accepted"] + sent["events"] + emitted,
        "delivered": before["delivered"] + forward,
    }
    report = stage.settle(given.org, expected, given.patience)
    subprocess.run([*stage.command("ledger"), "--org", given.org], check=False)
    sys.stdout.flush()
    place = stage.tribo("where", sent["first"], "--org", given.org)
    for station in place["stations"]:
        print(f"  {station['at']}  {station['station']:<12} {station['detail']}")
    row = report["orgs"][0]
    wrong = [f"{name} is {row[name]}, not {value}" for name, value in expected.items() if row[name] != value]
    if wrong or not report["balanced"]:
        sys.exit("smoke: " + "; ".join(wrong or ["the ledger does not balance"]))
    print("every event is accounted for")
    told = stage.understood(key, sent["product"], given.patience)
    if told != {"sessions": PEOPLE, "incidents": PEOPLE}:
        sys.exit(f"smoke: {PEOPLE} people lost patience, and the insights API tells of {told}")
    print(f"{told['sessions']} sessions and {told['incidents']} incidents are understood as they were")


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
        now = datetime.datetime.now(datetime.timezone.utc)
        run = now.strftime("%Y%m%d%H%M%S")
        lines = []
        for number in range(count):
            event = {
                "eventId": f"smoke-{run}-{number:05}",
                "occurredAt": now.isoformat(),
                "orgId": org,
                "actorId": f"user{number % 23}@example.org",
                "sessionId": f"session-{number % 23}",
            }
            if number % 2 == 0:
                event |= {"eventType": "friction.abandon", "traceComponent": "transparency"}
            else:
                event |= {"eventType": "ui.click", "screen": f"/page/{number % 5}", "element": {"key": "save"}}
            lines.append(json.dumps(event))
        product = f"smoke{run}"
        lines += [json.dumps(event) for event in impatient(org, product, run, now)]
        with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
            file.write("\n".join(lines) + "\n")
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
        if answer.get("accepted") != len(lines):
            sys.exit(f"smoke: the door took {answer.get('accepted')} of {len(lines)} events: {answer}")
        return {"events": len(lines), "friction": (count + 1) // 2, "first": f"smoke-{run}-00000", "product": product}

    def understood(self, key, product, patience):
        """Waits until the sessions of a product ended; answers how many of them, and of what hurt in them, are told."""
        end = time.monotonic() + patience
        while True:
            sessions = self.ask(key, "/v1/sessions", productId=product, state="closed")["sessions"]
            incidents = self.ask(key, "/v1/incidents", productId=product, rule="rage_click")["incidents"]
            told = {"sessions": len(sessions), "incidents": len(incidents)}
            if min(told.values()) >= PEOPLE or time.monotonic() > end:
                return told
            time.sleep(2)

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


def impatient(org, product, run, now):
    """Clicks without an effect, long enough ago for their sessions to end soon."""
    began = now - datetime.timedelta(minutes=45)
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
