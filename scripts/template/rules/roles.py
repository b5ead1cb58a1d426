"""Roles and policies: who may do what to which."""

import re

from template.rules import rule
from template.there import many, resources_of_the_code

# What the platform does in a function's name.
PLATFORM = {
    "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator",
    "kinesis:ListShards", "kms:Decrypt", "kms:GenerateDataKey", "logs:CreateLogStream", "logs:PutLogEvents",
    "s3:ListBucket", "s3:PutObject", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage",
}
# The one place of an ARN where a wildcard may stand: the end of what is named before.
OPEN_ENDS = [
    re.compile(r"arn:aws:logs:[^*?]+:log-group:[^*?]+:\*"),
    re.compile(r"arn:aws:s3:::[^*?/]+/[^*?]+/\*"),
    re.compile(r"arn:aws:secretsmanager:[^*?]+:secret:[^*?]+-\?{6}"),
    re.compile(r"arn:aws:execute-api:[^*?]+/(POST|DELETE)/@connections/\*"),
]
# A variable that only says which store is meant: what it names is not reached.
SELECTING = {("sessionizer", "EVENTS_DDB_TABLE")}
ADMINISTRATORS = "TheAccountAdministers"
IDENTITY_ONLY = {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::UserPolicy", "AWS::IAM::User"}


def roles(there):
    return there.of_type("AWS::IAM::Role").items()


def statements(role):
    for policy in role.get("Policies", []):
        yield from many(policy["PolicyDocument"]["Statement"])


@rule
def a_role_names_every_action(there):
    for name, role in roles(there):
        for statement in statements(role):
            for action in many(statement.get("Action", ["*"])):
                if "*" in action or "?" in action or "NotAction" in statement:
                    yield f"{name}: {statement.get('Sid')} may do {action}"


@rule
def a_role_names_every_resource(there):
    for name, role in roles(there):
        for statement in statements(role):
            for resource in many(statement.get("Resource", ["*"])):
                is_open = "*" in resource or "?" in resource
                if is_open and not any(end.fullmatch(resource) for end in OPEN_ENDS) or "NotResource" in statement:
                    yield f"{name}: {statement.get('Sid')} reaches {resource}"


@rule
def a_statement_says_what_it_is_for(there):
    for name, role in roles(there):
        names = [statement.get("Sid", "") for statement in statements(role)]
        if "" in names or len(set(names)) != len(names):
            yield f"{name}: statements without a name of their own: {names}"


@rule
def permissions_are_written_out_in_one_role_per_function(there):
    taken = {}
    for name, function in there.functions.items():
        if function.role is None:
            yield f"{name}: has no role of this template"
        elif function.role in taken:
            yield f"{name}: shares {function.role} with {taken[function.role]}"
        taken[function.role] = name
    for name, role in roles(there):
        if role.get("ManagedPolicyArns"):
            yield f"{name}: takes over what somebody else wrote: {role['ManagedPolicyArns']}"
    for name, resource in there.resources.items():
        if resource["Type"] in IDENTITY_ONLY:
            yield f"{name}: permissions outside the roles"


@rule
def a_role_is_taken_by_its_service_only(there):
    for name, role in roles(there):
        for statement in many(role["AssumeRolePolicyDocument"]["Statement"]):
            service = statement.get("Principal", {}).get("Service") if isinstance(statement.get("Principal"), dict) else None
            if service not in ("lambda.amazonaws.com", "scheduler.amazonaws.com"):
                yield f"{name}: may be taken by {statement.get('Principal')}"
            if service == "scheduler.amazonaws.com" and "aws:SourceArn" not in str(statement.get("Condition")):
                yield f"{name}: schedules of others may take it"


@rule
def the_platform_gets_only_what_it_is_known_to_need(there):
    for name, function in there.functions.items():
        for statement in function.statements:
            if statement in function.own:
                continue
            excess = set(many(statement["Action"])) - PLATFORM
            if excess:
                yield f"{name}: {statement['Sid']} grants {sorted(excess)}"


@rule
def keys_are_used_through_their_services_only(there):
    for name, role in roles(there):
        for statement in statements(role):
            direct = set(many(statement["Action"])) - {"kms:GenerateMac"}
            if any(action.startswith("kms:") for action in direct):
                services = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService")
                if not services or not all(re.fullmatch(r"\w+\.eu-central-1\.amazonaws\.com", one) for one in many(services)):
                    yield f"{name}: {statement.get('Sid')} uses a key directly"


@rule
def a_function_reaches_only_what_it_is_told_of(there):
    """What a role opens beside the function's own variables is forgotten permission."""
    told_by = {variable for variable, _ in resources_of_the_code().values()}
    for name, function in there.functions.items():
        told = {str(value).removeprefix("secret:").split("#")[0] for value in function.environment.values()}
        reached = set()
        for statement in function.statements:
            for resource in many(statement["Resource"]):
                subject = _subject(resource)
                reached |= {subject, resource}
                if statement in function.own and not {subject, resource} & told:
                    yield f"{name}: {statement['Sid']} reaches {resource}, which no variable names"
        for variable in sorted(told_by & set(function.environment)):
            if function.environment[variable] not in reached and (name, variable) not in SELECTING:
                yield f"{name}: {variable} names {function.environment[variable]}, which its role does not open"


def _subject(resource):
    """What an ARN is about: the name of a table, a bucket, a secret."""
    if resource.startswith("arn:aws:s3:::"):
        return resource.removeprefix("arn:aws:s3:::").split("/")[0]
    connections = re.fullmatch(r"arn:aws:execute-api:([^:]+):[0-9]+:([^/]+)/([^/]+)/[A-Z]+/@connections/\*", resource)
    if connections:
        return "https://{1}.execute-api.{0}.amazonaws.com/{2}".format(*connections.groups())
    resource = re.sub(r"(:table/[^/]+)/index/.*", r"\1", resource)
    return re.sub(r"-\?{6}$", "", re.split(r":table/|:stream/|:event-bus/|:secret:", resource)[-1])


@rule
def nobody_but_this_account_and_the_named_services_gets_in(there):
    kinds = {
        "AWS::S3::BucketPolicy": "PolicyDocument", "AWS::SQS::QueuePolicy": "PolicyDocument",
        "AWS::SNS::TopicPolicy": "PolicyDocument", "AWS::KMS::Key": "KeyPolicy",
    }
    account = f"arn:aws:iam::{there.value({'Ref': 'AWS::AccountId'})}:root"
    for name, resource in there.resources.items():
        policy = resource.get("Properties", {}).get(kinds.get(resource["Type"]), {})
        for statement in many(policy.get("Statement", [])):
            if statement["Effect"] != "Allow":
                continue
            principal = statement.get("Principal")
            if not isinstance(principal, dict) or "*" in str(principal):
                yield f"{name}: {statement.get('Sid')} lets anybody in"
            elif principal.get("AWS", account) != account:
                yield f"{name}: {statement.get('Sid')} lets {principal['AWS']} in"
            elif "Service" in principal and not statement.get("Condition") and statement.get("Sid") != "AlarmsArePublished":
                yield f"{name}: {statement.get('Sid')} lets a service in for anybody"
            if "AWS" in principal and statement.get("Sid") != ADMINISTRATORS:
                yield f"{name}: {statement.get('Sid')} is not the account's administration"


@rule
def a_function_is_invoked_by_named_callers_only(there):
    for name, permission in there.of_type("AWS::Lambda::Permission").items():
        if not str(permission.get("Principal", "")).endswith(".amazonaws.com") or not permission.get("SourceArn"):
            yield f"{name}: {permission.get('Principal')} without a source"
    for name, resource in there.resources.items():
        if resource["Type"] == "AWS::Lambda::Url":
            yield f"{name}: a second door"


@rule
def the_data_key_rotates(there):
    for name, key in there.of_type("AWS::KMS::Key").items():
        if key.get("EnableKeyRotation") is not True:
            yield f"{name}: does not rotate"
        if key.get("MultiRegion"):
            yield f"{name}: leaves the region"
