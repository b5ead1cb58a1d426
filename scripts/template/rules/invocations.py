"""What starts functions: the HTTP APIs, schedules, the bus; and where what fails goes."""

import re

from template.rules import rule
from template.there import many
from template.translate import ROOT

# What `aws::bus` publishes.
ANNOUNCED = {
    "batcher": {"source": ["tribometer"], "detail-type": ["org.urgent"]},
    "live": {"source": ["tribometer"], "detail-type": ["session.context_updated"]},
}
# What is started at which rate, and with which words.
RATES = {
    "batcher": [("rate(5 minutes)", "{}")],
    "live": [("rate(1 minute)", "{}")],
    "redrive": [("rate(5 minutes)", "{}")],
    "sessionizer": [
        ("rate(1 day)", '{"compact":true}'),
        ("rate(1 minute)", "{}"),
        ("rate(5 minutes)", '{"redrive":true}'),
    ],
}


def schedules(there):
    return there.of_type("AWS::Scheduler::Schedule").items()


def queues(there):
    return there.of_type("AWS::SQS::Queue").items()


@rule
def an_api_is_throttled(there):
    for name, stage in there.of_type("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("DefaultRouteSettings", {})
        for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
            if not float(settings.get(limit, 0)) > 0:
                yield f"{name}: no {limit}"


@rule
def an_apis_log_tells_neither_who_nor_what(there):
    for name, stage in there.of_type("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings", {})
        if not settings.get("DestinationArn"):
            yield f"{name}: no access log"
        for word in ("sourceIp", "userAgent", "$context.path", "queryString", "authorizer", "header"):
            if word in settings.get("Format", ""):
                yield f"{name}: logs {word}"


def routes_of_the_insights():
    """The paths of the router's own table, but for the one that only a server that lives on can hold open."""
    text = (ROOT / "functions/insights/src/endpoints.rs").read_text(encoding="utf-8")
    paths = set(re.findall(r'^ +path: "([^"]+)"', text, re.M))
    if len(paths) < 10:
        raise ValueError("functions/insights/src/endpoints.rs is not read any more: has its form changed?")
    return paths - {"/api/sessions/{id}/context/stream"}


@rule
def an_api_has_the_contracts_routes_and_no_others(there):
    wanted = {"Door": {"/v1/events/batch", "/health"}, "InsightsApi": routes_of_the_insights()}
    for name, api in there.of_type("AWS::ApiGatewayV2::Api").items():
        if "Body" not in api:
            continue
        paths = set(api["Body"].get("paths", {}))
        if paths != wanted.get(name):
            yield f"{name}: its routes are {sorted(paths)}"
        if "CorsConfiguration" in api or "x-amazon-apigateway-cors" in api["Body"]:
            yield f"{name}: open to pages of others; the function decides by organisation"


@rule
def what_works_by_the_clock_is_started_at_its_rate(there):
    for binary, wanted in RATES.items():
        found = sorted(
            (schedule.get("ScheduleExpression"), schedule["Target"].get("Input"))
            for _, schedule in schedules(there)
            if schedule["Target"]["Arn"] == there.functions[binary].arn
        )
        if found != wanted:
            yield f"{binary}: started by {found}"
    for name, schedule in schedules(there):
        if schedule.get("State", "ENABLED") != "ENABLED":
            yield f"{name}: is off"


@rule
def a_late_tick_is_dropped_and_a_lost_one_is_seen(there):
    dead_letters = {there.arn(name) for name, _ in queues(there)}
    for name, schedule in schedules(there):
        target = schedule["Target"]
        if target.get("RetryPolicy") != {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 240}:
            yield f"{name}: retries {target.get('RetryPolicy')}"
        if target.get("DeadLetterConfig", {}).get("Arn") not in dead_letters:
            yield f"{name}: a tick that is lost leaves no trace"


@rule
def an_invocation_nobody_waits_for_is_not_repeated_and_leaves_a_trace(there):
    dead_letters = {there.arn(name) for name, _ in queues(there)}
    configs = {config.get("FunctionName"): config for config in there.of_type("AWS::Lambda::EventInvokeConfig").values()}
    for binary in RATES:
        function = there.functions[binary]
        config = configs.get(function.properties.get("FunctionName"), {})
        if config.get("MaximumRetryAttempts") != 0 or config.get("MaximumEventAgeInSeconds") != 240:
            yield f"{binary}: repeated {config.get('MaximumRetryAttempts', 2)} times within {config.get('MaximumEventAgeInSeconds')} s"
        if function.properties.get("DeadLetterConfig", {}).get("TargetArn") not in dead_letters:
            yield f"{binary}: a failed invocation leaves no trace"


@rule
def what_is_announced_reaches_whom_it_is_for(there):
    bus = there.resources["Bus"]["Properties"]["Name"]
    for binary, pattern in ANNOUNCED.items():
        function = there.functions[binary].arn
        rules = {
            name: one for name, one in there.of_type("AWS::Events::Rule").items()
            if one.get("EventBusName") == bus and one.get("EventPattern") == pattern
            and one.get("State", "ENABLED") == "ENABLED"
        }
        targets = [
            (name, target) for name, one in rules.items() for target in one.get("Targets", [])
            if target.get("Arn") == function
        ]
        if len(targets) != 1:
            yield f"{len(targets)} rules start {binary} for {pattern['detail-type']}"
        for name, target in targets:
            if int(target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", 86_400)) > 240 or "DeadLetterConfig" not in target:
                yield f"{name}: repeated for longer than a tick, or lost without a trace"
            allowed = [
                one for one in there.of_type("AWS::Lambda::Permission").values()
                if one.get("Principal") == "events.amazonaws.com" and one.get("FunctionName") == function
                and one.get("SourceArn") == there.arn(name)
            ]
            if len(allowed) != 1:
                yield f"{name}: may not invoke {binary}"


@rule
def whoever_listens_is_heard_by_one_function_which_may_answer(there):
    for name, api in there.of_type("AWS::ApiGatewayV2::Api").items():
        if api.get("ProtocolType") != "WEBSOCKET":
            continue
        own = there.value({"Ref": name})
        of_it = lambda kind: {one: found for one, found in there.of_type(kind).items() if found.get("ApiId") == own}
        live = there.functions["live"]
        integrations = of_it("AWS::ApiGatewayV2::Integration")
        routes = of_it("AWS::ApiGatewayV2::Route").values()
        if {route.get("RouteKey") for route in routes} != {"$connect", "$default", "$disconnect"}:
            yield f"{name}: its routes are {sorted(route.get('RouteKey') for route in routes)}"
        targets = {f"integrations/{there.value({'Ref': one})}" for one in integrations}
        if len(targets) != 1 or any(route.get("Target") not in targets for route in routes):
            yield f"{name}: not every route leads to its one integration"
        for one, integration in integrations.items():
            if integration.get("IntegrationType") != "AWS_PROXY" or f"/{live.arn}/" not in integration.get("IntegrationUri", ""):
                yield f"{one}: does not ask the live function"
            if not int(live.properties["Timeout"]) * 1_000 <= int(integration.get("TimeoutInMillis", 29_000)) <= 29_000:
                yield f"{one}: waits {integration.get('TimeoutInMillis')} ms for a function that takes {live.properties['Timeout']} s"
        stages = {f"https://{own}.execute-api.eu-central-1.amazonaws.com/{one['StageName']}" for one in of_it("AWS::ApiGatewayV2::Stage").values()}
        if stages != {live.environment.get("CONNECTIONS_URL")}:
            yield f"{name}: the function answers at {live.environment.get('CONNECTIONS_URL')}, its stages are {sorted(stages)}"
        allowed = [
            one for one in there.of_type("AWS::Lambda::Permission").values()
            if one.get("Principal") == "apigateway.amazonaws.com" and one.get("FunctionName") == live.arn
            and str(one.get("SourceArn")).startswith(f"arn:aws:execute-api:eu-central-1:{there.value({'Ref': 'AWS::AccountId'})}:{own}/")
        ]
        if len(allowed) != 1:
            yield f"{name}: may not invoke the live function"


@rule
def nobody_tells_a_listener_after_its_turn(there):
    text = (ROOT / "functions/live/src/lib.rs").read_text(encoding="utf-8")
    turn = int(re.search(r"const TURN_MS: i64 = ([0-9_]+);", text)[1].replace("_", ""))
    takes = int(there.functions["live"].properties["Timeout"]) * 1_000
    if takes >= turn:
        yield f"live: takes up to {takes} ms, and its turns {turn} ms"


@rule
def what_is_announced_reaches_the_warehouse_through_a_queue(there):
    if "warehouse" not in there.functions:
        return
    wanted = {"source": ["tribometer"], "detail-type": ["session.closed", "session.superseded", "event.struck", {"prefix": "incident."}]}
    arns = {there.arn(name): (name, queue) for name, queue in queues(there)}
    told = [
        (name, target) for name, one in there.of_type("AWS::Events::Rule").items() if one.get("EventPattern") == wanted
        for target in one.get("Targets", []) if target.get("Arn") in arns
    ]
    if len(told) != 1:
        yield f"{len(told)} rules tell a queue of sessions, incidents and what is struck out"
    for name, target in told:
        queue_name, queue = arns[target["Arn"]]
        if target.get("DeadLetterConfig", {}).get("Arn") not in arns:
            yield f"{name}: what cannot be queued leaves no trace"
        redrive = queue.get("RedrivePolicy", {})
        if redrive.get("deadLetterTargetArn") not in arns or int(redrive.get("maxReceiveCount", 0)) < 100:
            yield f"{queue_name}: dies after {redrive.get('maxReceiveCount')} tries, or without a trace"
        function = there.functions["warehouse"]
        if int(queue.get("VisibilityTimeout", 30)) < 6 * int(function.properties["Timeout"]):
            yield f"{queue_name}: a message is handed out again while it is worked on"
        fed = [
            mapping for mapping in there.of_type("AWS::Lambda::EventSourceMapping").values()
            if mapping.get("EventSourceArn") == target["Arn"]
        ]
        if [mapping.get("FunctionName") for mapping in fed] != [function.arn]:
            yield f"{queue_name}: feeds {[mapping.get('FunctionName') for mapping in fed]}"
        for mapping in fed:
            if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
                yield f"{queue_name}: one message that cannot be read brings back all"


@rule
def the_schedules_may_start_what_they_target(there):
    grants = [
        (action, resource)
        for policy in there.resources["ScheduleRole"]["Properties"]["Policies"]
        for statement in many(policy["PolicyDocument"]["Statement"])
        for action in many(statement["Action"])
        for resource in many(statement["Resource"])
    ]
    for name, schedule in schedules(there):
        target = schedule["Target"]
        if target.get("RoleArn") != there.arn("ScheduleRole") or ("lambda:InvokeFunction", target["Arn"]) not in grants:
            yield f"{name}: may not invoke its function"
        if ("sqs:SendMessage", target.get("DeadLetterConfig", {}).get("Arn")) not in grants:
            yield f"{name}: may not use its dead letters"


@rule
def a_queue_is_encrypted_and_keeps_what_is_dead_for_two_weeks(there):
    for name, queue in queues(there):
        if queue.get("KmsMasterKeyId") != there.arn("DataKey"):
            yield f"{name}: not encrypted under the data key"
        if int(queue.get("MessageRetentionPeriod", 345_600)) != 1_209_600:
            yield f"{name}: forgets after {queue.get('MessageRetentionPeriod', 345_600)} s"


@rule
def a_queue_is_reached_over_tls_only(there):
    denied = set()
    for policy in there.of_type("AWS::SQS::QueuePolicy").values():
        for statement in many(policy["PolicyDocument"]["Statement"]):
            is_all = statement.get("Principal") == "*" and statement.get("Action") == "sqs:*"
            is_tls = statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            if statement["Effect"] == "Deny" and is_all and is_tls:
                denied.add((statement.get("Resource"), *policy.get("Queues", [])))
    for name, queue in queues(there):
        if (there.arn(name), queue.get("QueueName")) not in denied:
            yield f"{name}: plain HTTP is not denied"
