"""From the SAM template to what CloudFormation is given, offline."""

import copy
import logging
import os
import pathlib

# Before the import: the translator asks for a region, and there is one.
os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")

from samtranslator.model.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402
from samtranslator.yaml_helper import yaml_parse  # noqa: E402

# It wants its own metrics published.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"


class Untranslatable(Exception):
    """The translator refuses the template."""


class _NoManagedPolicies:
    """The template names none; asking IAM for their list would need an account."""

    def load(self):
        return {}


def read(path=TEMPLATE):
    """The SAM template as a value."""
    return yaml_parse(pathlib.Path(path).read_text(encoding="utf-8"))


def translate(source):
    """The CloudFormation template that `sam deploy` would hand over, code aside."""
    packaged = copy.deepcopy(source)
    for resource in packaged.get("Resources", {}).values():
        if resource.get("Type") == "AWS::Serverless::Function":
            code = resource.get("Properties", {}).get("CodeUri", "")
            if isinstance(code, str) and not code.startswith("s3://"):
                # What packaging does; the binary's name stays readable.
                resource["Properties"]["CodeUri"] = f"s3://packaged/{code.strip('/').rsplit('/', 1)[-1]}.zip"
    try:
        return transform(packaged, {}, _NoManagedPolicies())
    except InvalidDocumentException as error:
        raise Untranslatable("; ".join(cause.message for cause in error.causes)) from error
