"""What rules look at: one installation, and what the code says it needs."""

import functools
import re

from template.resolve import Installation
from template.translate import ROOT

# What is looked at: the plain installation, and one with everything that is optional.
SETS = {
    "prod": {},
    "everything": {
        "Stage": "staging",
        "Architecture": "x86_64",
        "ConnectorUrl": "https://connector.example.com",
        "MockMode": "false",
        "StreamMode": "PROVISIONED",
        "ShardCount": "4",
        "AlarmEmail": "oncall@example.com",
        "PseudonymKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/pseudonyms",
        "SecretsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/secrets",
        "CodeSigningConfigArn": "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-1",
        "EmitterExample": "true",
        "WarehouseUrl": "https://warehouse.example.com:8443",
    },
}

# The functions of the suite by the name of their binary.
BINARIES = ["ingest", "processor", "redrive", "batcher", "sessionizer", "insights", "live", "warehouse", "emitter_example"]


class There(Installation):
    """An installation as rules see it."""

    def __init__(self, template, parameters, title):
        super().__init__(template, parameters)
        self.title = title

    @functools.cached_property
    def functions(self):
        """The functions by the name of their binary."""
        found = {}
        for name, properties in self.of_type("AWS::Lambda::Function").items():
            key = properties.get("Code", {}).get("S3Key", name)
            found[key.removesuffix(".zip")] = Function(self, name, properties)
        return found

    def table(self, variable_or_name):
        """The properties of a table by its name."""
        for name, properties in self.of_type("AWS::DynamoDB::Table").items():
            if properties.get("TableName") == variable_or_name:
                return name, properties
        return None, None

    def arn(self, logical):
        """The ARN of a resource."""
        return self._attribute(logical, "Arn")


class Function:
    """A function with its role and its log group."""

    def __init__(self, there, name, properties):
        self.name, self.properties = name, properties
        self.arn = there.arn(name)
        self.environment = properties.get("Environment", {}).get("Variables", {})
        self.log_group = properties.get("LoggingConfig", {}).get("LogGroup")
        self.role = next(
            (role for role in there.of_type("AWS::IAM::Role") if there.arn(role) == properties.get("Role")), None
        )
        policies = there.of_type("AWS::IAM::Role").get(self.role, {}).get("Policies", [])
        self.statements = [
            statement for policy in policies for statement in many(policy["PolicyDocument"]["Statement"])
        ]

    @property
    def own(self):
        """What its own code calls; the rest is what the platform does in its name."""
        return [statement for statement in self.statements if not statement.get("Sid", "").startswith("Platform")]


def many(value):
    """A list of what may be alone."""
    return value if isinstance(value, list) else [value]


@functools.cache
def resources_of_the_code():
    """From shared/aws/src/resources.rs: {"Staging": ("EVENTS_DDB_TABLE", "eu-friction-events"), …}."""
    text = (ROOT / "shared/aws/src/resources.rs").read_text(encoding="utf-8")

    def arms(function):
        body = text.split(f"fn {function}(", 1)[1].split("\n    }\n", 1)[0]
        return dict(re.findall(r"Self::(\w+) => \"([^\"]+)\"", body))

    variables, names = arms("variable"), arms("default_name")
    found = {name: (variables[name], names[name]) for name in variables}
    if len(found) < 12:
        raise ValueError("shared/aws/src/resources.rs is not read any more: has its form changed?")
    return found


@functools.cache
def optional_resources():
    """The resources that an installation may do without."""
    text = (ROOT / "shared/aws/src/resources.rs").read_text(encoding="utf-8")
    listed = re.search(r"pub const OPTIONAL: \[Self; \d+\] = \[([^\]]*)\]", text)
    return set(re.findall(r"Self::(\w+)", listed[1])) if listed else set()


@functools.cache
def entry_point(binary):
    """The source of a binary's `main`, or nothing while there is none."""
    packages = list((ROOT / "functions").iterdir())
    places = [path / "src/bin" / f"{binary}.rs" for path in packages]
    places += [path / "src/main.rs" for path in packages if path.name == binary]
    return next((path.read_text(encoding="utf-8") for path in places if path.is_file()), None)


def needed_resources(binary):
    """The resources without which an entry point does not start."""
    source = entry_point(binary) or ""
    return sorted(set(re.findall(r"Resource::([A-Z]\w+)", source)))
