"""Where things are, and what they are called."""

import json
import re

from template.resolve import Installation
from template.rules import rule
from template.there import optional_resources, resources_of_the_code

REGION = re.compile(r"\b(?:us|eu|ap|sa|ca|me|af|il|mx|cn)(?:-gov)?-(?:north|south|east|west|central)(?:east|west)?-\d\b")
NAMES = (
    "TableName", "BucketName", "QueueName", "TopicName", "FunctionName", "LogGroupName", "AlarmName", "DashboardName",
    "AliasName", "Name",
)
# What scripts/provision makes.
PROVISIONED = {"PseudonymSecret", "CursorSecret"}
# Things in others: their names need not be unique.
NESTED = {"AWS::Glue::Table", "AWS::Athena::NamedQuery", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission",
          "AWS::Lambda::EventSourceMapping"}


@rule
def nothing_leaves_the_region(there):
    text = json.dumps(there.template)
    for region in sorted(set(REGION.findall(text)) - {"eu-central-1"}):
        yield f"the template names {region}"
    asserted = json.dumps(there.template.get("Rules", {}))
    if '{"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-central-1"]}' not in asserted:
        yield "the template can be deployed elsewhere"
    for name, resource in there.resources.items():
        properties = resource.get("Properties", {})
        for copies in ("ReplicationConfiguration", "Replicas", "ReplicaRegions"):
            if copies in properties:
                yield f"{name}: {copies}"
        if resource["Type"] == "AWS::DynamoDB::GlobalTable":
            yield f"{name}: a global table"


@rule
def nothing_needs_a_network_of_its_own(there):
    for name, function in there.functions.items():
        if "VpcConfig" in function.properties:
            yield f"{name}: in a VPC, where a NAT would be paid and could fail"


@rule
def every_thing_that_the_code_knows_exists_under_its_name(there):
    stage = there.value({"Ref": "Stage"})
    suffix, account = "" if stage == "prod" else f"-{stage}", there.value({"Ref": "AWS::AccountId"})
    found = {str(resource.get("Properties", {}).get(one)) for resource in there.resources.values() for one in NAMES}
    for resource, (_, default) in resources_of_the_code().items():
        if resource not in PROVISIONED | optional_resources() and not {default + suffix, f"{default}{suffix}-{account}"} & found:
            yield f"nothing is called {default}{suffix}"


@rule
def two_stages_share_nothing_but_the_account(there):
    other = Installation(there.template, {"Stage": "other"})
    for name, resource in there.resources.items():
        if name not in other.resources or resource["Type"] in NESTED:
            continue
        for one in NAMES:
            mine = resource.get("Properties", {}).get(one)
            if mine is not None and mine == other.resources[name]["Properties"].get(one):
                yield f"{name}: {one} {mine} is the same in every stage"


@rule
def an_operator_is_told_every_name(there):
    is_optional = set() if there.title == "everything" else optional_resources()
    for resource, (variable, _) in resources_of_the_code().items():
        if resource not in is_optional and variable.replace("_", "") not in there.outputs:
            yield f"no output tells {variable}"
