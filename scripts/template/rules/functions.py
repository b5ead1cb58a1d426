"""Functions: what they run on, what they are told, what they say."""

import re

from template.rules import rule
from template.there import BINARIES, entry_point, needed_resources, resources_of_the_code

OPTIONAL = {"emitter_example", "warehouse"}
SECRET = re.compile(r"KEY$|SECRET|TOKEN|PASSWORD|CREDENTIAL")
# Variables whose value only names where something lies.
NAMES = {"PSEUDONYM_SECRET", "PSEUDONYM_KMS_KEY", "KEYS_TABLE", "CURSOR_SECRET"}
HTTP_SECONDS_MAX = 29


@rule
def every_function_of_the_suite_is_there(there):
    wanted = {binary for binary in BINARIES if binary not in OPTIONAL or there.title == "everything"}
    if set(there.functions) != wanted:
        yield f"functions are {sorted(there.functions)}, wanted {sorted(wanted)}"


@rule
def a_function_is_a_bootstrap_on_al2023_of_the_chosen_architecture(there):
    chosen = there.value({"Ref": "Architecture"})
    for name, function in there.functions.items():
        found = [function.properties.get(what) for what in ("Runtime", "Handler", "Architectures")]
        if found != ["provided.al2023", "bootstrap", [chosen]]:
            yield f"{name}: runs {found}"


@rule
def a_function_is_told_every_resource_that_its_entry_point_needs(there):
    known = resources_of_the_code()
    for name, function in there.functions.items():
        for resource in needed_resources(name):
            variable, _ = known[resource]
            if not function.environment.get(variable):
                yield f"{name}: {variable} is not set, and without it the function does not start"


@rule
def a_variable_names_the_resource_that_the_code_means(there):
    stage = there.value({"Ref": "Stage"})
    suffix = "" if stage == "prod" else f"-{stage}"
    known = {variable: default for variable, default in resources_of_the_code().values()}
    for name, function in there.functions.items():
        for variable, value in function.environment.items():
            default = known.get(variable)
            if default is None:
                continue
            wanted = {default + suffix, f"{default}{suffix}-{there.value({'Ref': 'AWS::AccountId'})}"}
            if default.startswith("alias/"):
                # Which key the alias means was looked up when the stage was deployed.
                wanted = {there.value({"Ref": "PseudonymKeyArn"})}
            if value not in wanted:
                yield f"{name}: {variable} is {value}, the code calls it {default}{suffix}"


@rule
def no_secret_stands_in_a_variable(there):
    for name, function in there.functions.items():
        for variable, value in function.environment.items():
            if SECRET.search(variable) and variable not in NAMES and not str(value).startswith("secret:"):
                yield f"{name}: {variable} is not a reference to a secret"


@rule
def no_parameter_takes_a_secret(there):
    for name, parameter in there.template.get("Parameters", {}).items():
        if SECRET.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()) and not name.endswith("Arn"):
            yield f"{name}: parameters are shown in the console"
        if parameter.get("NoEcho"):
            yield f"{name}: a secret does not belong into a parameter"


@rule
def the_batcher_delivers_to_the_mock_until_a_connector_is_given(there):
    told = there.functions["batcher"].environment
    url = there.value({"Ref": "ConnectorUrl"})
    for variable in ("FRICTIONMELT_API_URL", "FRICTIONMELT_API_KEY", "FRICTIONMELT_SIGNING_SECRET"):
        if bool(url) != (variable in told):
            yield f"batcher: {variable} is {told.get(variable)!r} with the connector {url!r}"
    for variable in ("FRICTIONMELT_MOCK_MODE", "FRICTIONMELT_PROFILE", "FRICTIONMELT_INSTANCE"):
        if not told.get(variable):
            yield f"batcher: {variable} is not set"


@rule
def no_variable_is_empty(there):
    for name, function in there.functions.items():
        for variable, value in function.environment.items():
            if not str(value).strip():
                yield f"{name}: {variable} is empty, which refuses to start"


@rule
def metrics_of_stages_do_not_mix(there):
    stage = there.value({"Ref": "Stage"})
    wanted = "Tribometer" if stage == "prod" else f"Tribometer-{stage}"
    for name, function in there.functions.items():
        if function.environment.get("METRICS_NAMESPACE") != wanted:
            yield f"{name}: its metrics go to {function.environment.get('METRICS_NAMESPACE')}"
        if "METRICS_NAMESPACE" not in (entry_point(name) or "METRICS_NAMESPACE"):
            yield f"{name}: its entry point ignores METRICS_NAMESPACE"


@rule
def a_function_has_a_log_group_of_its_own_that_forgets_and_is_encrypted(there):
    groups = {group.get("LogGroupName"): group for group in there.of_type("AWS::Logs::LogGroup").values()}
    seen = set()
    for name, function in there.functions.items():
        wanted = f"/aws/lambda/{function.properties.get('FunctionName')}"
        if function.log_group != wanted or wanted not in groups:
            yield f"{name}: logs to {function.log_group}, not to a declared {wanted}"
        if function.log_group in seen:
            yield f"{name}: shares its log group"
        seen.add(function.log_group)


@rule
def logs_are_forgotten_and_encrypted(there):
    for name, group in there.of_type("AWS::Logs::LogGroup").items():
        if not int(group.get("RetentionInDays", 0)):
            yield f"{name}: kept for ever"
        if group.get("KmsKeyId") != there.arn("DataKey"):
            yield f"{name}: not encrypted under the data key"


@rule
def a_function_has_bounds_of_time_memory_and_concurrency(there):
    for name, function in there.functions.items():
        if not 128 <= int(function.properties.get("MemorySize", 0)) <= 3_008:
            yield f"{name}: {function.properties.get('MemorySize')} MB"
        if not 5 <= int(function.properties.get("Timeout", 3)) <= 300:
            yield f"{name}: a timeout of {function.properties.get('Timeout', 3)} s"
        if "ReservedConcurrentExecutions" not in function.properties:
            yield f"{name}: no bound of its concurrency"


@rule
def a_consumer_has_two_minutes_and_a_tick_ends_before_the_next(there):
    for name in ("processor", "sessionizer"):
        if int(there.functions[name].properties.get("Timeout", 3)) != 120:
            yield f"{name}: {there.functions[name].properties.get('Timeout')} s"
    for name in ("batcher", "redrive"):
        if int(there.functions[name].properties.get("Timeout", 3)) >= 300:
            yield f"{name}: a tick may run into the next one"


@rule
def a_request_ends_before_the_gateway_gives_it_up(there):
    for name, api in there.of_type("AWS::ApiGatewayV2::Api").items():
        for path, methods in api.get("Body", {}).get("paths", {}).items():
            for operation in methods.values():
                integration = operation["x-amazon-apigateway-integration"]
                own = next(function for function in there.functions.values() if function.arn in integration["uri"])
                takes = int(own.properties.get("Timeout", 3))
                wait = int(integration.get("timeoutInMillis", 30_000))
                if not takes * 1_000 <= wait <= HTTP_SECONDS_MAX * 1_000:
                    yield f"{name}: {path} waits {wait} ms for a function that takes {takes} s"


@rule
def the_origins_function_keeps_its_name(there):
    if there.title == "prod":
        name = there.functions["batcher"].properties.get("FunctionName")
        if name != "eu_friction_event_batcher":
            yield f"batcher: it is called {name}"
