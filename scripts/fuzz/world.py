"""What scripts/fuzz-api asks about: events for a server, and descriptions of what is served."""

import argparse
import datetime
import json
import pathlib
import sys

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "schemas" / "v1"
VISITORS = 24


def main():
    arguments = argparse.ArgumentParser(prog="world.py", description=__doc__)
    commands = arguments.add_subparsers(dest="command", required=True)
    events = commands.add_parser("events", help="events of some visitors, one per line")
    events.add_argument("--org", required=True)
    events.add_argument("--place", required=True, help="stands in front of every screen")
    commands.add_parser("door", help="the door's description, made of schemas/v1")
    given = arguments.parse_args()
    if given.command == "events":
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        for event in visits(given.org, given.place, now - datetime.timedelta(days=2)):
            print(json.dumps(event))
    else:
        json.dump(door(), sys.stdout)


def visits(org, place, start):
    """Visits that hurt, so that every list, sum and flow has something to tell: some goals reached, some abandoned."""
    for visitor in range(VISITORS):
        begin = start + datetime.timedelta(minutes=3 * visitor)
        for number, (second, kind, more) in enumerate(visit(place, completes=visitor % 3 == 0)):
            at = begin + datetime.timedelta(seconds=second)
            yield {
                "eventId": f"{org}.{visitor}.{number}",
                "eventType": kind,
                "occurredAt": at.isoformat().replace("+00:00", "Z"),
                "orgId": org,
                "productId": "shop",
                "actorId": f"visitor-{visitor}@example.org",
                "sessionId": f"visit-{visitor}",
                **more,
            }


def visit(place, completes):
    on = lambda name: {"screen": f"/{place}/{name}"}
    task = {"task": {"name": "pay"}}
    for number, name in enumerate(["cart", "pay", "cart", "pay"]):
        yield 10 * number, "ui.navigation", on(name)
    yield 40, "task.started", on("pay") | task
    for number in range(5):
        yield 50 + number / 5, "ui.click", on("pay") | {"element": {"key": "pay", "kind": "button"}}
    yield 52, "ui.error", on("pay") | {"error": {"code": "E_TIMEOUT"}}
    yield 60, "friction.user_override", on("pay") | {"traceComponent": "reasoning", "severity": 3}
    yield 65, "knowledge.user_viewed", on("pay") | {"object": {"type": "claim", "id": "c1"}}
    if completes:
        yield 70, "task.completed", on("pay") | task


def door():
    """`POST /v1/events/batch` and `GET /health` in OpenAPI 3.1. No server serves it: the schemas are its source."""
    components = {}
    request = component("ingest-request", components)
    answer = component("ingest-answer", components)
    problem = component("problem", components)
    refusal = lambda about: {"description": about, "content": {"application/problem+json": {"schema": problem}}}
    refusals = {
        "400": "The body or a header cannot be read.",
        "401": "No key, or none that is valid.",
        "403": "Not with this key.",
        "408": "The body did not arrive in time.",
        "409": "The idempotency key was used for another body.",
        "413": "Too large, or too many events.",
        "415": "Not JSON, or in an encoding that is not read.",
        "422": "No event is acceptable.",
        "429": "More than this key may send.",
        "503": "It cannot be stored now.",
    }
    batch = {
        "operationId": "sendEvents",
        "security": [{"bearer": []}, {"header": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[!-~]+$"},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "202": {"description": "One answer per event.", "content": {"application/json": {"schema": answer}}},
            **{status: refusal(about) for status, about in refusals.items()},
        },
    }
    health = {
        "operationId": "health",
        "security": [],
        "responses": {
            "200": {
                "description": "It serves.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["status", "dependencies"],
                            "properties": {"status": {"const": "ok"}, "dependencies": {"type": "object"}},
                            "additionalProperties": False,
                        }
                    }
                },
            },
            "503": refusal("It does not."),
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tribometer's door", "version": "1"},
        "paths": {"/v1/events/batch": {"post": batch}, "/health": {"get": health}},
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def component(name, components):
    """Puts a schema and what it refers to among the components; equal names in two schemas are kept apart."""
    prefix = "".join(part.capitalize() for part in name.split("-"))
    text = (SCHEMAS / f"{name}.schema.json").read_text()
    schema = json.loads(text.replace('"#/$defs/', f'"#/components/schemas/{prefix}'))
    for key in ("$id", "$schema"):
        schema.pop(key, None)
    components.update((prefix + inner, value) for inner, value in schema.pop("$defs", {}).items())
    components[prefix] = schema
    return {"$ref": f"#/components/schemas/{prefix}"}


if __name__ == "__main__":
    main()
