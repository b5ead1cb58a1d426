"""Makes on the stand-ins what the translated template names, and writes down what is to be run over it.

    python -m template.apply --plan PLAN --names FILE [Parameter=value …]

Tables, streams, buckets, the bus, keys and queues are created; what exists already stays as it is. What no stand-in can
hold (time to live, schedules, rules, mappings, the APIs) is only written into the plan; alarms and roles are checked by
scripts/check-template.
"""

import argparse
import json
import os
import pathlib
import re
import secrets
import sys

import boto3
import botocore.exceptions

from template.there import There, resources_of_the_code
from template.translate import read, translate

PSEUDONYMS = re.compile(r"^friction/pseudonym-keys")
CURSORS = re.compile(r"^friction/cursor-key")
WAREHOUSE = re.compile(r"^secret:(friction/warehouse[^#]*)#password$")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--plan", type=pathlib.Path, required=True)
    arguments.add_argument("--names", type=pathlib.Path, required=True)
    arguments.add_argument("parameters", nargs="*")
    given = arguments.parse_args()
    parameters = dict(parameter.split("=", 1) for parameter in given.parameters)
    there = There(translate(read()), parameters, "stand-in")
    made = Maker().make(there)
    given.plan.write_text(json.dumps(plan(there), indent=2) + "\n", encoding="utf-8")
    given.names.parent.mkdir(parents=True, exist_ok=True)
    given.names.write_text(names(there), encoding="utf-8")
    for kind, count in sorted(made.items()):
        print(f"{count:>3} {kind}", file=sys.stderr)


class Maker:
    """Creates resources; each service is reached where AWS_ENDPOINT_URL_… says."""

    def __init__(self):
        def client(service, variable):
            url = os.environ.get(f"AWS_ENDPOINT_URL_{variable}")
            if not url:
                sys.exit(f"apply: AWS_ENDPOINT_URL_{variable} is not set: run this through scripts/stand-ins run")
            return boto3.client(service, endpoint_url=url, region_name="eu-central-1")

        self.dynamodb = client("dynamodb", "DYNAMODB")
        self.kinesis = client("kinesis", "KINESIS")
        self.s3 = client("s3", "S3")
        self.events = client("events", "EVENTBRIDGE")
        self.secrets = client("secretsmanager", "SECRETS_MANAGER")
        self.sqs = client("sqs", "SQS")

    def make(self, there):
        """Creates everything that a stand-in can hold; answers how many of each kind."""
        makers = {
            "AWS::DynamoDB::Table": self.table,
            "AWS::Kinesis::Stream": self.stream,
            "AWS::S3::Bucket": self.bucket,
            "AWS::Events::EventBus": self.bus,
            "AWS::SQS::Queue": self.queue,
        }
        made = {}
        for kind, maker in makers.items():
            for logical, properties in there.of_type(kind).items():
                maker(logical, properties)
                made[kind] = made.get(kind, 0) + 1
        for form, keys in ((PSEUDONYMS, pseudonym_keys), (CURSORS, cursor_key)):
            for name in sorted({value for value in variables(there) if form.match(value)}):
                self.secret(name, keys())
                made["secrets"] = made.get("secrets", 0) + 1
        for name in sorted({form[1] for form in map(WAREHOUSE.match, variables(there)) if form}):
            self.secret(name, {"password": secrets.token_hex(8)})
            made["secrets"] = made.get("secrets", 0) + 1
        return made

    def table(self, _, properties):
        keys = {"TableName", "KeySchema", "AttributeDefinitions", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"}
        wanted = {key: value for key, value in properties.items() if key in keys}
        if "KinesisStreamSpecification" in properties:
            # The stand-in's own change stream, from which the platform feeds Kinesis.
            wanted["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        self._once(
            lambda: self.dynamodb.create_table(BillingMode="PAY_PER_REQUEST", **wanted), "ResourceInUseException"
        )

    def stream(self, _, properties):
        shards = int(properties.get("ShardCount", 4))
        self._once(
            lambda: self.kinesis.create_stream(StreamName=properties["Name"], ShardCount=shards),
            "ResourceInUseException",
        )

    def bucket(self, _, properties):
        self._once(
            lambda: self.s3.create_bucket(
                Bucket=properties["BucketName"], CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
            ),
            "BucketAlreadyOwnedByYou",
            "BucketAlreadyExists",
        )

    def bus(self, _, properties):
        self._once(
            lambda: self.events.create_event_bus(Name=properties["Name"]), "ResourceAlreadyExistsException"
        )

    def queue(self, logical, properties):
        self._once(lambda: self.sqs.create_queue(QueueName=properties.get("QueueName", logical)), "QueueNameExists")

    def secret(self, name, keys):
        self._once(
            lambda: self.secrets.create_secret(Name=name, SecretString=json.dumps(keys)), "ResourceExistsException"
        )

    @staticmethod
    def _once(create, *exists):
        try:
            create()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in exists:
                raise


def pseudonym_keys():
    """What scripts/provision would make."""
    roots = {"1": secrets.token_hex(32)}
    return {"version": 1, "currentEpoch": 1, "rootKeys": roots, "sealKey": secrets.token_hex(32)}


def cursor_key():
    """What scripts/provision would make."""
    return {"version": 1, "cursorKey": secrets.token_hex(32)}


def variables(there):
    """The values of all functions' variables."""
    return {str(value) for function in there.functions.values() for value in function.environment.values()}


def plan(there):
    """What is to be run, in the form of `standin::platform::Plan`."""
    by_arn = {function.arn: function.properties["FunctionName"] for function in there.functions.values()}

    def called(name):
        return by_arn.get(name, name)

    functions = {
        function.properties["FunctionName"]: {
            "code": code,
            "environment": {name: str(value) for name, value in function.environment.items()},
            "timeoutSeconds": int(function.properties["Timeout"]),
        }
        for code, function in there.functions.items()
    }
    mappings = [
        {
            "function": called(mapping["FunctionName"]),
            "consumer": consumer(called(mapping["FunctionName"])),
            "batchSize": int(mapping["BatchSize"]),
            "windowSeconds": int(mapping["MaximumBatchingWindowInSeconds"]),
            "bisect": bool(mapping["BisectBatchOnFunctionError"]),
            "maximumRetryAttempts": int(mapping["MaximumRetryAttempts"]),
            "maximumRecordAgeSeconds": int(mapping["MaximumRecordAgeInSeconds"]),
        }
        for mapping in mappings_of(there, "kinesis")
    ]
    queues = [
        {
            "queue": queue(mapping["EventSourceArn"]),
            "function": called(mapping["FunctionName"]),
            "batchSize": int(mapping["BatchSize"]),
            "windowSeconds": int(mapping["MaximumBatchingWindowInSeconds"]),
            "maximumReceives": receives(there, queue(mapping["EventSourceArn"])),
        }
        for mapping in mappings_of(there, "sqs")
    ]
    rules = [
        {
            "name": rule["Name"],
            "bus": rule["EventBusName"],
            "pattern": rule["EventPattern"],
            "functions": [by_arn[target["Arn"]] for target in rule["Targets"] if target["Arn"] in by_arn],
            "queues": [queue(target["Arn"]) for target in rule["Targets"] if ":sqs:" in target["Arn"]],
        }
        for rule in there.of_type("AWS::Events::Rule").values()
    ]
    schedules = [
        {
            "function": called(schedule["Target"]["Arn"]),
            "everySeconds": seconds(schedule["ScheduleExpression"]),
            "input": schedule["Target"]["Input"],
        }
        for schedule in there.of_type("AWS::Scheduler::Schedule").values()
    ]
    return {
        "functions": functions,
        "eventSourceMappings": mappings,
        "queueMappings": queues,
        "rules": rules,
        "schedules": schedules,
        "http": {
            "door": there.functions["ingest"].properties["FunctionName"],
            "insights": there.functions["insights"].properties["FunctionName"],
        },
        "websocket": there.functions["live"].properties["FunctionName"],
    }


def mappings_of(there, service):
    """The event source mappings whose source is of a service."""
    mappings = there.of_type("AWS::Lambda::EventSourceMapping").values()
    return [mapping for mapping in mappings if f":{service}:" in mapping["EventSourceArn"]]


def queue(arn):
    """The name in a queue's ARN."""
    return arn.rsplit(":", 1)[1]


def receives(there, name):
    """How often a queue hands a message over before it is dead."""
    found = (queue for queue in there.of_type("AWS::SQS::Queue").values() if queue.get("QueueName") == name)
    return int(next(found)["RedrivePolicy"]["maxReceiveCount"])


def consumer(function):
    """The consumer's name within its function's: friction_processor-staging."""
    return next(word for word in re.split(r"[-_]", function) if word in ("processor", "sessionizer", "warehouse"))


def seconds(expression):
    """rate(5 minutes) in seconds."""
    number, unit = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression).groups()
    return int(number) * {"minute": 60, "hour": 3600, "day": 86400}[unit]


def names(there):
    """The stage's file for `tribo --stage`: what its things are called, and where the stand-ins are."""
    known = {}
    for function in there.functions.values():
        known.update(function.environment)
    wanted = [variable for variable, _ in resources_of_the_code().values()]
    lines = [f"{name}={known[name]}" for name in wanted if name in known]
    lines.append("AWS_REGION=eu-central-1")
    lines += [
        f"{name}={url}" for name, url in sorted(os.environ.items()) if name.startswith("AWS_ENDPOINT_URL_")
    ]
    return "# What this stage's things are called. No secrets are in it.\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
