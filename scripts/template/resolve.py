"""A translated template with its parameters filled in: what would exist, under which names.

Also the place where an applier that makes the same things elsewhere can begin.
"""

import json
import re

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ABSENT = object()

_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "friction",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/friction/0",
    "AWS::NoValue": ABSENT,
}

# How a resource is called where its logical id is referred to, and the property that says so.
_NAMED_BY = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::Athena::WorkGroup": "Name",
}

_ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::Kinesis::Stream": "arn:aws:kinesis:{region}:{account}:stream/{name}",
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::Events::EventBus": "arn:aws:events:{region}:{account}:event-bus/{name}",
    "AWS::Events::Rule": "arn:aws:events:{region}:{account}:rule/{name}",
    "AWS::Lambda::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::Scheduler::ScheduleGroup": "arn:aws:scheduler:{region}:{account}:schedule-group/{name}",
    "AWS::CloudWatch::Alarm": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::KMS::Key": "arn:aws:kms:{region}:{account}:key/{id}",
    "AWS::IAM::Role": "arn:aws:iam::{account}:role/{id}",
}


class Unresolvable(Exception):
    """The template says something that this reader does not know."""


class Installation:
    """The resources that exist under the given parameters, by logical id, without intrinsic functions."""

    def __init__(self, template, parameters=None):
        self.template = template
        self._given = {}
        for name, declared in template.get("Parameters", {}).items():
            value = (parameters or {}).get(name, declared.get("Default"))
            if value is None:
                raise Unresolvable(f"the parameter {name} has no value")
            self._given[name] = value if declared.get("Type") == "CommaDelimitedList" else str(value)
        unknown = set(parameters or {}) - set(self._given)
        if unknown:
            raise Unresolvable(f"no such parameters: {sorted(unknown)}")
        self._conditions = {}
        self._existing = {
            name: resource
            for name, resource in template.get("Resources", {}).items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }
        self.resources = {name: self.value(resource) for name, resource in self._existing.items()}
        self.outputs = {
            name: self.value(output["Value"])
            for name, output in template.get("Outputs", {}).items()
            if "Condition" not in output or self.holds(output["Condition"])
        }

    def plain(self):
        """A template of the same resources without parameters and functions."""
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": self.resources}

    def of_type(self, kind):
        """Logical ids and properties of the resources of one type."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def holds(self, condition):
        """Whether a named condition is true."""
        if condition not in self._conditions:
            self._conditions[condition] = self._truth(self.template["Conditions"][condition])
        return self._conditions[condition]

    def _truth(self, expression):
        (function, argument), = expression.items()
        if function == "Condition":
            return self.holds(argument)
        if function == "Fn::Equals":
            left, right = (self.value(side) for side in argument)
            return left == right
        if function == "Fn::Not":
            return not self._truth(argument[0])
        if function == "Fn::And":
            return all(self._truth(part) for part in argument)
        if function == "Fn::Or":
            return any(self._truth(part) for part in argument)
        raise Unresolvable(f"a condition made of {function}")

    def value(self, node):
        """A node without intrinsic functions; what is absent leaves its list or object."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, argument), = node.items()
            if function == "Ref":
                return self._ref(argument)
            if function.startswith("Fn::"):
                return self._function(function, argument)
        filled = {name: self.value(value) for name, value in node.items()}
        return {name: value for name, value in filled.items() if value is not ABSENT}

    def _function(self, function, argument):
        if function == "Fn::If":
            condition, then, otherwise = argument
            return self.value(then if self.holds(condition) else otherwise)
        if function == "Fn::GetAtt":
            name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
            return self._attribute(name, attribute)
        if function == "Fn::Sub":
            return self._substitute(argument)
        if function == "Fn::Join":
            separator, parts = argument
            return separator.join(self.value(parts))
        if function == "Fn::Select":
            index, parts = argument
            return self.value(parts)[int(index)]
        raise Unresolvable(function)

    def _substitute(self, argument):
        text, names = argument if isinstance(argument, list) else (argument, {})

        def fill(match):
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in names:
                return str(self.value(names[name]))
            if "." in name and not name.startswith("AWS::"):
                return str(self._attribute(*name.split(".", 1)))
            return str(self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", fill, text)

    def _ref(self, name):
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._given:
            return self._given[name]
        resource = self._existing.get(name)
        if resource is None:
            raise Unresolvable(f"a reference to {name}, which does not exist here")
        if resource["Type"] == "AWS::SNS::Topic":
            return self._attribute(name, "Arn")
        return self._name(name, resource)

    def _name(self, logical, resource):
        named = _NAMED_BY.get(resource["Type"])
        given = resource.get("Properties", {}).get(named) if named else None
        return self.value(given) if given is not None else logical.lower()

    def _attribute(self, name, attribute):
        resource = self._existing.get(name)
        if resource is None:
            raise Unresolvable(f"an attribute of {name}, which does not exist here")
        if attribute in ("Arn", "TopicArn") and resource["Type"] in _ARNS:
            given = {"region": REGION, "account": ACCOUNT, "name": self._name(name, resource), "id": name}
            return _ARNS[resource["Type"]].format(**given)
        if attribute == "QueueName":
            return self._name(name, resource)
        return f"{name}.{attribute}"


def main():
    """Prints the installation of a stage as JSON: python -m template.resolve [Parameter=value …]"""
    import sys

    from template.translate import read, translate

    parameters = dict(argument.split("=", 1) for argument in sys.argv[1:])
    there = Installation(translate(read()), parameters)
    json.dump({"resources": there.resources, "outputs": there.outputs}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
