"""Makes the keys and secrets of a stage; see scripts/provision."""

import argparse
import json
import os
import pathlib
import re
import secrets
import signal
import stat
import sys

REGION = "eu-central-1"
FORM = 1


def main():
    arguments = _arguments()
    stage = Stage(arguments.stage)
    credentials = _credentials(arguments.connector) if arguments.connector else None
    password = _password(arguments.warehouse) if arguments.warehouse else None
    if arguments.dry_run:
        _explain(arguments, stage)
        return
    account = Account(stage)
    if arguments.parameters:
        account.print_parameters()
        return
    print(f"account {account.number}, {REGION}, stage {stage.name}")
    account.secrets_key()
    if arguments.new_epoch:
        account.new_epoch()
    elif arguments.switch_epoch:
        account.switch_epoch()
    else:
        account.pseudonym_keys(arguments.pseudonyms)
        account.cursor_key()
    if credentials:
        account.connector(credentials, arguments.replace)
    if password:
        account.warehouse(password, arguments.replace)
    account.tell_how_to_verify()


def _arguments():
    parser = argparse.ArgumentParser(prog="scripts/provision", allow_abbrev=False, description="Prepares keys and secrets of a stage. Never overwrites, never prints a secret.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("--pseudonyms", choices=["secret", "kms"], help="where the pseudonyms' root lies (default: in the secret)")
    parser.add_argument("--connector", type=pathlib.Path, metavar="FILE", help="the connector's credentials, mode 0600")
    parser.add_argument("--warehouse", type=pathlib.Path, metavar="FILE", help="the warehouse's password, mode 0600")
    parser.add_argument("--replace", action="store_true", help="write a new version of the connector's credentials, or of the warehouse's")
    parser.add_argument("--new-epoch", action="store_true", help="add a root for a new epoch")
    parser.add_argument("--switch-epoch", action="store_true", help="with roots in KMS: make the newest key's epoch the current one")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--parameters", action="store_true", help=argparse.SUPPRESS)  # for scripts/deploy
    arguments = parser.parse_args()
    if arguments.replace and not (arguments.connector or arguments.warehouse):
        parser.error("--replace needs --connector FILE or --warehouse FILE: pseudonym keys are never replaced")
    if arguments.new_epoch and arguments.switch_epoch:
        parser.error("--new-epoch comes first, and --switch-epoch when the door stands still: one after the other")
    return arguments


class Stage:
    """How things of a stage are called."""

    def __init__(self, name):
        if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", name):
            sys.exit("provision: a stage is a lower-case letter and up to 11 lower-case letters and digits")
        self.name = name
        suffix = "" if name == "prod" else f"-{name}"
        self.pseudonym_secret = f"friction/pseudonym-keys{suffix}"
        self.connector_secret = f"friction/connector{suffix}"
        self.cursor_secret = f"friction/cursor-key{suffix}"
        self.warehouse_secret = f"friction/warehouse{suffix}"
        self.secrets_alias = f"alias/friction-secrets{suffix}"
        self._suffix = suffix

    def epoch_alias(self, epoch):
        return f"alias/friction-pseudonym-e{epoch}{self._suffix}"


class Account:
    """The account that the environment's credentials lead to."""

    def __init__(self, stage):
        # Here, so that a dry run needs nothing.
        import boto3
        import botocore.exceptions

        self.stage = stage
        session = boto3.session.Session(region_name=REGION)
        if session.get_credentials() is None:
            sys.exit("provision: no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        self._kms, self._secrets = session.client("kms"), session.client("secretsmanager")
        try:
            self.number = session.client("sts").get_caller_identity()["Account"]
        except botocore.exceptions.ClientError as error:
            sys.exit(f"provision: AWS refuses these credentials: {error.response['Error']['Code']}")
        except botocore.exceptions.BotoCoreError as error:
            sys.exit(f"provision: AWS cannot be reached: {type(error).__name__}")

    # ── keys of KMS

    def secrets_key(self):
        """The key under which the secrets lie."""
        alias = self.stage.secrets_alias
        found = self._key(alias)
        if found:
            print(f"exists  {alias}")
            return found
        made = self._make_key(alias, Description=f"Tribometer {self.stage.name}: secrets")
        self._kms.enable_key_rotation(KeyId=made)
        return made

    def _key(self, alias):
        """The ARN of the key behind an alias, or nothing."""
        try:
            return self._kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
        except self._kms.exceptions.NotFoundException:
            return None

    def _make_key(self, alias, **settings):
        tags = [{"TagKey": "suite", "TagValue": "tribometer"}, {"TagKey": "stage", "TagValue": self.stage.name}]
        made = self._kms.create_key(Tags=tags, **settings)["KeyMetadata"]["Arn"]
        self._kms.create_alias(AliasName=alias, TargetKeyId=made)
        print(f"made    {alias}")
        return made

    def _make_epoch_key(self, epoch):
        self._make_key(
            self.stage.epoch_alias(epoch), KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC",
            Description=f"Tribometer {self.stage.name}: pseudonyms, epoch {epoch}",
        )

    # ── secrets

    def pseudonym_keys(self, where):
        """The root of the pseudonyms and the key of what is set aside; whatever exists stays as it is."""
        name = self.stage.pseudonym_secret
        if self._exists(name):
            keys = self._read_keys()
            lies = "secret" if "rootKeys" in keys else "kms"
            if where and where != lies:
                sys.exit(f"provision: the root of {name} lies in {'KMS' if lies == 'kms' else 'the secret'}; tokens would change, so it stays there")
            if lies == "kms" and not self._key(self.stage.epoch_alias(keys["currentEpoch"])):
                sys.exit(f"provision: {self.stage.epoch_alias(keys['currentEpoch'])} is gone, and with it the current epoch's pseudonyms: restore the key (cancel-key-deletion)")
            print(f"exists  {name}, untouched")
            return
        keys = {"version": FORM, "currentEpoch": 1, "sealKey": secrets.token_hex(32)}
        if where == "kms":
            if not self._key(self.stage.epoch_alias(1)):
                self._make_epoch_key(1)
        else:
            keys["rootKeys"] = {"1": secrets.token_hex(32)}
        self._create(name, keys, "pseudonym roots by epoch, and the key of what is set aside")

    def cursor_key(self):
        """The key that signs cursors of lists. Whoever loses it makes callers begin their lists anew, and no more."""
        name = self.stage.cursor_secret
        if self._exists(name):
            print(f"exists  {name}, untouched")
            return
        self._create(name, {"version": FORM, "cursorKey": secrets.token_hex(32)}, "key of the cursors of lists")

    def new_epoch(self):
        """A new root beside the old ones: from then on tokens cannot be linked to earlier ones."""
        name = self.stage.pseudonym_secret
        if not self._exists(name):
            sys.exit(f"provision: there is no {name} yet: run without --new-epoch first")
        keys = self._read_keys()
        if "rootKeys" not in keys:
            epoch = keys["currentEpoch"] + 1
            if not self._key(self.stage.epoch_alias(epoch)):
                self._make_epoch_key(epoch)
            print(f"the secret still says epoch {epoch - 1}: docs/deployment.md tells when to run --switch-epoch")
            return
        keys["currentEpoch"] += 1
        keys["rootKeys"][str(keys["currentEpoch"])] = secrets.token_hex(32)
        self._secrets.put_secret_value(SecretId=name, SecretString=json.dumps(keys))
        print(f"changed {name}: epoch {keys['currentEpoch']}; functions take it up within 5 minutes")

    def switch_epoch(self):
        """With roots in KMS: from now on tokens are made under the next epoch's key."""
        name = self.stage.pseudonym_secret
        keys = self._read_keys() if self._exists(name) else {}
        epoch = keys.get("currentEpoch", 0) + 1
        if "rootKeys" in keys or not keys or not self._key(self.stage.epoch_alias(epoch)):
            sys.exit(f"provision: there is no key {self.stage.epoch_alias(epoch)} to switch to: --new-epoch makes it where roots lie in KMS")
        keys["currentEpoch"] = epoch
        self._secrets.put_secret_value(SecretId=name, SecretString=json.dumps(keys))
        print(f"changed {name}: epoch {epoch}; now scripts/deploy, which hands the functions its key")

    def connector(self, credentials, replace):
        """The connector's key and its signing secrets."""
        self._hand_over(self.stage.connector_secret, credentials, replace, "key and signing secrets of the connector")

    def warehouse(self, password, replace):
        """The password of the warehouse's user."""
        self._hand_over(self.stage.warehouse_secret, password, replace, "password of the warehouse")

    def _hand_over(self, name, value, replace, what):
        if not self._exists(name):
            self._create(name, value, what)
        elif replace:
            self._secrets.put_secret_value(SecretId=name, SecretString=json.dumps(value))
            print(f"changed {name}: a new version; functions take it up within 5 minutes")
        else:
            print(f"exists  {name}, untouched (--replace writes a new version)")

    def _exists(self, name):
        try:
            told = self._secrets.describe_secret(SecretId=name)
        except self._secrets.exceptions.ResourceNotFoundException:
            return False
        if told.get("DeletedDate"):
            sys.exit(f"provision: {name} is marked for deletion: aws secretsmanager restore-secret --secret-id {name} --region {REGION}")
        return True

    def _read_keys(self):
        keys = json.loads(self._secrets.get_secret_value(SecretId=self.stage.pseudonym_secret)["SecretString"])
        if keys.get("version") != FORM:
            sys.exit(f"provision: {self.stage.pseudonym_secret} has another form than this build writes")
        return keys

    def _create(self, name, value, what):
        tags = [{"Key": "suite", "Value": "tribometer"}, {"Key": "stage", "Value": self.stage.name}]
        self._secrets.create_secret(
            Name=name, SecretString=json.dumps(value), KmsKeyId=self.stage.secrets_alias, Tags=tags,
            Description=f"Tribometer {self.stage.name}: {what}",
        )
        print(f"made    {name}")

    # ── for people and for scripts/deploy

    def print_parameters(self):
        """What the template has to be told, one `Name=value` a line."""
        name = self.stage.pseudonym_secret
        if not self._exists(name):
            sys.exit(f"provision: there is no secret {name}: run scripts/provision --stage {self.stage.name} first")
        if not self._exists(self.stage.cursor_secret):
            sys.exit(f"provision: there is no secret {self.stage.cursor_secret}: run scripts/provision --stage {self.stage.name} first")
        keys = self._read_keys()
        print(f"SecretsKeyArn={self._key(self.stage.secrets_alias) or ''}")
        key = "" if "rootKeys" in keys else self._key(self.stage.epoch_alias(keys["currentEpoch"]))
        if key is None:
            sys.exit(f"provision: {self.stage.epoch_alias(keys['currentEpoch'])} is gone, and with it the current epoch's pseudonyms")
        print(f"PseudonymKeyArn={key}")
        print(f"Connector={'yes' if self._exists(self.stage.connector_secret) else 'no'}")
        print(f"Warehouse={'yes' if self._exists(self.stage.warehouse_secret) else 'no'}")

    def tell_how_to_verify(self):
        print("verify with (none of them shows a value):")
        for name in (self.stage.pseudonym_secret, self.stage.cursor_secret, self.stage.connector_secret, self.stage.warehouse_secret):
            # Of the last two a stage may have neither.
            if self._exists(name):
                print(f"  aws secretsmanager describe-secret --region {REGION} --secret-id {name} --query '[Name,KmsKeyId,LastChangedDate]'")
        print(f"  aws kms get-key-rotation-status --region {REGION} --key-id $(aws kms describe-key --region {REGION} --key-id {self.stage.secrets_alias} --query KeyMetadata.KeyId --output text)")
        print(f"next: scripts/deploy --stage {self.stage.name}")


def _read(path):
    """What a file holds that only its owner can read; nothing for what is no JSON. Errors repeat nothing of it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        sys.exit(f"provision: {path}: {error.strerror}")
    if stat.S_IMODE(mode) & 0o077:
        sys.exit(f"provision: {path} can be read by others: chmod 600 {path}")
    try:
        return json.loads(text)
    except ValueError:
        return None


def _password(path):
    """The warehouse's password."""
    told = _read(path)
    if not isinstance(told, dict) or set(told) != {"password"} or not isinstance(told["password"], str) or not told["password"].strip():
        sys.exit(f'provision: {path} must hold {{"password": "…"}} and nothing else')
    return told


def _credentials(path):
    """The connector's credentials."""
    told = _read(path)
    if not isinstance(told, dict) or set(told) != {"key", "signing"} or not all(isinstance(value, str) for value in told.values()):
        sys.exit(f'provision: {path} must hold {{"key": "…", "signing": "whsec_…"}} and nothing else')
    if not told["key"].strip() or not told["key"].isascii():
        sys.exit(f"provision: {path}: the key is empty or not ASCII")
    signing = re.split(r"[\s,]+", told["signing"].strip())
    if not 1 <= len(signing) <= 2 or not all(re.fullmatch(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}", one) for one in signing):
        sys.exit(f"provision: {path}: signing must be one whsec_… (24 to 64 bytes in base64), or two during a rotation")
    return told


def _explain(arguments, stage):
    where = "an HMAC_256 key of KMS" if arguments.pseudonyms == "kms" else "the secret itself, from /dev/urandom"
    print(f"would, in eu-central-1, for the stage {stage.name}:")
    print(f"  make the key {stage.secrets_alias} with yearly rotation, unless it exists")
    if arguments.new_epoch:
        print(f"  add a root for a new epoch to {stage.pseudonym_secret} (or make its HMAC key, where roots lie in KMS)")
    elif arguments.switch_epoch:
        print(f"  let {stage.pseudonym_secret} name the next epoch, whose key lies in KMS")
    else:
        print(f"  make the secret {stage.pseudonym_secret} unless it exists; the pseudonyms' root lies in {where}")
        print(f"  make the secret {stage.cursor_secret} unless it exists")
    if arguments.connector:
        what = "write a new version of" if arguments.replace else "make, unless it exists,"
        print(f"  {what} the secret {stage.connector_secret} from {arguments.connector}, whose form is right")
    if arguments.warehouse:
        what = "write a new version of" if arguments.replace else "make, unless it exists,"
        print(f"  {what} the secret {stage.warehouse_secret} from {arguments.warehouse}, whose form is right")
    print("  print how to verify it; no secret is shown, nothing that exists is overwritten")


if __name__ == "__main__":
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
