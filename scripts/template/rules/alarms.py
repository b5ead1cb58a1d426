"""Alarms, and whether anything feeds them."""

import functools
import json
import re

from template.rules import rule
from template.translate import ROOT

OURS = "Tribometer"
# What must never go unnoticed: a word for people, and the metric that tells.
WATCHED = {
    "the processor falls behind": "IteratorAge",
    "Lambda gives records up": "OnFailureDestinationDeliveredEventCount",
    "what is given up cannot be kept": "DestinationDeliveryFailures",
    "batches fail as a whole": "batches_failed",
    "too much is unreadable": "poison",
    "changes do not reach the stream": "FailedToReplicateRecordCount",
    "changes reach the stream late": "AgeOfOldestUnreplicatedRecord",
    "the stream is too narrow for changes": "ThrottledPutRecordCount",
    "the stream refuses records": "WriteProvisionedThroughputExceeded",
    "batches wait for the connector": "oldest_undelivered_ms",
    "a breaker is open": "breakers_open",
    "credentials are missing": "orgs_without_credentials",
    "the connector refuses us": "refusals",
    "events are parked": "events_parked",
    "rows expire undelivered": "rescued",
    "the redrive does not come to an end": "redrive_left",
    "ticks are missing": "Invocations",
    "nobody sweeps, or too slowly": "oldest_due_ms",
    "sweeps fail": "sweeps_failed",
    "days are not compacted": "compactions",
    "the door fails": "5xx",
    "writes are throttled": "WriteThrottleEvents",
    "reads are throttled": "ReadThrottleEvents",
}
# Alarms at a metric that is written whenever something was done.
SIGNS_OF_LIFE = {"SweepsMissing", "CompactionsMissing"}
WAITING_MS = {900_000, 3_600_000, 43_200_000}


def alarms(there):
    return there.of_type("AWS::CloudWatch::Alarm").items()


def metrics(alarm):
    """(namespace, name, dimensions) of all that an alarm looks at; a query counts with its table's name."""
    if "MetricName" in alarm:
        yield alarm["Namespace"], alarm["MetricName"], {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}
    for query in alarm.get("Metrics", []):
        metric = query.get("MetricStat", {}).get("Metric")
        if metric:
            yield metric["Namespace"], metric["MetricName"], {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
        selected = re.match(r'SELECT \w+\((\w+)\) FROM SCHEMA\("([^"]+)"', query.get("Expression", ""))
        if selected:
            yield selected[2], selected[1], {"TableName": re.findall(r"TableName = '([^']+)'", query["Expression"])}


@functools.cache
def told_by_the_code():
    """{stage: names} of the metrics that the code writes, from its `metrics` events."""
    told = {}
    for source in (ROOT / "functions").glob("*/src/**/*.rs"):
        text = source.read_text(encoding="utf-8")
        named = dict(re.findall(r'const STAGE: &str = "(\w+)"', text) and [("STAGE", re.search(r'const STAGE: &str = "(\w+)"', text)[1])])
        for call in re.findall(r"tracing::info!\(\s*target: (?:METRICS|\"metrics\"),(.*?)\);", text, re.S):
            stage = re.search(r'\bstage = (?:"(\w+)"|(\w+))', call)
            if stage:
                fields = set(re.findall(r"^\s*(\w+)\s*(?:=|,|$)", re.sub(r"([,;])\s*", "\\1\n", call), re.M))
                told.setdefault(stage[1] or named.get(stage[2]), set()).update(fields - {"stage", "code", ""})
    if not {"ingest", "processor", "batcher"} <= set(told):
        raise ValueError(f"the code's metrics are not read any more: {sorted(map(str, told))}")
    return told


@rule
def what_must_not_go_unnoticed_has_an_alarm(there):
    seen = {name for _, alarm in alarms(there) for _, name, _ in metrics(alarm)}
    for what, metric in WATCHED.items():
        if metric not in seen:
            yield f"nobody hears when {what} ({metric})"
    for binary, function in there.functions.items():
        name = function.properties["FunctionName"]
        watched = {metric for _, alarm in alarms(there) for _, metric, of in metrics(alarm) if of.get("FunctionName") == name}
        for metric in () if binary == "emitter_example" else ("Errors", "Throttles"):
            if metric not in watched:
                yield f"{binary}: no alarm for {metric}"


@rule
def an_undelivered_batch_is_told_after_a_quarter_an_hour_an_hour_and_half_a_day(there):
    found = {int(alarm["Threshold"]) for _, alarm in alarms(there) if alarm.get("MetricName") == "oldest_undelivered_ms"}
    if found != WAITING_MS:
        yield f"told after {sorted(found)} ms"


@rule
def a_consumers_lag_is_told_within_five_minutes(there):
    watched = {of.get("FunctionName") for _, alarm in alarms(there) for _, metric, of in metrics(alarm) if metric == "IteratorAge"}
    for name, mapping in there.of_type("AWS::Lambda::EventSourceMapping").items():
        if not any(mapping["FunctionName"].endswith(f":{function}") for function in watched):
            yield f"{name}: nobody hears that it falls behind"
    for name, alarm in alarms(there):
        if alarm.get("MetricName") == "IteratorAge":
            is_soon = int(alarm["Period"]) * int(alarm["EvaluationPeriods"]) <= 300
            if float(alarm["Threshold"]) > 300_000 or alarm.get("Statistic") != "Maximum" or not is_soon:
                yield f"{name}: {alarm.get('Statistic')} over {alarm['Threshold']} ms"


@rule
def every_dead_letter_queue_has_an_alarm(there):
    watched = {
        of.get("QueueName") for _, alarm in alarms(there) for _, metric, of in metrics(alarm)
        if metric == "ApproximateNumberOfMessagesVisible" and float(alarm["Threshold"]) == 0
    }
    aged = {
        of.get("QueueName") for _, alarm in alarms(there) for _, metric, of in metrics(alarm)
        if metric == "ApproximateAgeOfOldestMessage"
    }
    for name, queue in there.of_type("AWS::SQS::Queue").items():
        # What has dead letters of its own is worked off: there it is age that tells.
        if queue.get("QueueName") not in (aged if "RedrivePolicy" in queue else watched):
            yield f"{name}: nobody hears what dies"


@rule
def an_alarm_is_heard_and_so_is_its_end(there):
    topic = there.arn("AlarmTopic")
    for name, alarm in alarms(there):
        for actions in ("AlarmActions", "OKActions"):
            if alarm.get(actions) != [topic]:
                yield f"{name}: {actions} are {alarm.get(actions)}"
        if alarm.get("ActionsEnabled") is False or not alarm.get("AlarmDescription"):
            yield f"{name}: silent, or says nothing"


@rule
def silence_is_alarming_only_where_a_sign_of_life_is_expected(there):
    for name, alarm in alarms(there):
        lives = any(metric == "Invocations" for _, metric, _ in metrics(alarm)) or name in SIGNS_OF_LIFE
        wanted = "breaching" if lives else "notBreaching"
        if alarm.get("TreatMissingData") != wanted:
            yield f"{name}: missing data is {alarm.get('TreatMissingData')}"


@rule
def an_alarm_looks_at_a_metric_that_the_code_writes(there):
    stage = there.value({"Ref": "Stage"})
    namespace = OURS if stage == "prod" else f"{OURS}-{stage}"
    for name, alarm in alarms(there):
        for space, metric, of in metrics(alarm):
            if not space.startswith(OURS):
                continue
            if space != namespace:
                yield f"{name}: looks at {space}"
            if metric not in told_by_the_code().get(of.get("stage"), set()):
                yield f"{name}: nobody writes {metric} with the stage {of.get('stage')}"
            if set(of) - {"stage", "code"}:
                yield f"{name}: nobody writes the dimensions {sorted(of)}"


@rule
def an_alarm_looks_at_a_thing_that_exists(there):
    functions = {function.properties["FunctionName"] for function in there.functions.values()}
    tables = {table["TableName"] for table in there.of_type("AWS::DynamoDB::Table").values()}
    known = {
        "FunctionName": functions,
        "StreamName": {stream["Name"] for stream in there.of_type("AWS::Kinesis::Stream").values()},
        "QueueName": {queue["QueueName"] for queue in there.of_type("AWS::SQS::Queue").values()},
    }
    for name, alarm in alarms(there):
        for _, metric, of in metrics(alarm):
            for dimension, value in of.items():
                if dimension == "TableName" and not (value and set(value) <= tables):
                    yield f"{name}: {metric} of the tables {value}"
                elif dimension in known and value not in known[dimension]:
                    yield f"{name}: {metric} of {dimension} {value}"


@rule
def alarms_go_over_tls_to_an_encrypted_topic(there):
    for name, topic in there.of_type("AWS::SNS::Topic").items():
        if topic.get("KmsMasterKeyId") != there.arn("DataKey"):
            yield f"{name}: not encrypted under the data key, to which alarms have access"
        denials = [
            statement for policy in there.of_type("AWS::SNS::TopicPolicy").values()
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        ]
        if not denials:
            yield f"{name}: plain HTTP is not denied"


@rule
def an_address_that_is_given_hears_the_alarms(there):
    address = there.value({"Ref": "AlarmEmail"})
    found = [one.get("Endpoint") for one in there.of_type("AWS::SNS::Subscription").values()]
    if found != ([address] if address else []):
        yield f"subscribed: {found}"


@rule
def the_dashboard_shows_what_exists(there):
    stage = there.value({"Ref": "Stage"})
    namespace = OURS if stage == "prod" else f"{OURS}-{stage}"
    for name, dashboard in there.of_type("AWS::CloudWatch::Dashboard").items():
        try:
            widgets = json.loads(dashboard["DashboardBody"])["widgets"]
        except ValueError as error:
            yield f"{name}: no JSON: {error}"
            continue
        for widget in widgets:
            properties = widget["properties"]
            if widget["type"] == "metric" and properties.get("region") != "eu-central-1":
                yield f"{name}: {properties['title']} shows {properties.get('region')}"
            row = []
            for metric in properties.get("metrics", []):
                row = _spelt_out([part for part in metric if not isinstance(part, dict)], row)
                if row and row[0].startswith(OURS):
                    of = dict(zip(row[2::2], row[3::2]))
                    if row[0] != namespace or row[1] not in told_by_the_code().get(of.get("stage"), set()):
                        yield f"{name}: {properties['title']} shows {row}, which nobody writes"


def _spelt_out(row, above):
    """A row of a widget with `.` and `...` filled in from the one above."""
    if row and row[0] == "...":
        rest = row[1:]
        return above[: len(above) - len(rest)] + rest
    return [above[place] if part == "." else part for place, part in enumerate(row)]
