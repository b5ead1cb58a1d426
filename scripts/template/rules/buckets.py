"""Buckets."""

from template.rules import rule
from template.there import many

LOGS = "AccessLogBucket"
# Privacy: what is set aside lives this long, days.
QUARANTINE_DAYS = 14
BLOCKS = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]


def buckets(there):
    return there.of_type("AWS::S3::Bucket").items()


def denials(there, bucket):
    """The statements that forbid something on a bucket."""
    name = there.resources[bucket]["Properties"].get("BucketName")
    for policy in there.of_type("AWS::S3::BucketPolicy").values():
        if policy.get("Bucket") == name:
            yield from (one for one in many(policy["PolicyDocument"]["Statement"]) if one["Effect"] == "Deny")


@rule
def a_bucket_is_private_in_all_four_ways(there):
    for name, bucket in buckets(there):
        if bucket.get("PublicAccessBlockConfiguration") != dict.fromkeys(BLOCKS, True):
            yield f"{name}: public access is not blocked"


@rule
def a_bucket_knows_no_access_lists(there):
    for name, bucket in buckets(there):
        rules = bucket.get("OwnershipControls", {}).get("Rules")
        if rules != [{"ObjectOwnership": "BucketOwnerEnforced"}] or "AccessControl" in bucket:
            yield f"{name}: objects may have owners and lists of their own"


@rule
def a_bucket_is_reached_over_tls_only(there):
    for name, _ in buckets(there):
        wanted = {there.arn(name), f"{there.arn(name)}/*"}
        if not any(
            statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            and statement.get("Principal") == "*"
            and statement.get("Action") == "s3:*"
            and set(many(statement.get("Resource"))) == wanted
            for statement in denials(there, name)
        ):
            yield f"{name}: plain HTTP is not denied"


@rule
def a_bucket_is_encrypted_under_the_data_key_with_a_bucket_key(there):
    for name, bucket in buckets(there):
        rules = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
        key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": there.arn("DataKey")}
        wanted = [{"ServerSideEncryptionByDefault": key, "BucketKeyEnabled": True}]
        if name == LOGS:
            # S3 delivers access logs to no other bucket.
            wanted = [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        if rules != wanted:
            yield f"{name}: encrypted by {rules}"


@rule
def nobody_writes_events_under_another_key(there):
    for name in ("ArchiveBucket", "QuarantineBucket", "OnFailureBucket"):
        key = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        wanted = {"Null": {key: "false"}, "StringNotEquals": {key: there.arn("DataKey")}}
        if not any(statement.get("Condition") == wanted for statement in denials(there, name)):
            yield f"{name}: objects under other keys are not denied"


@rule
def objects_expire_and_half_uploads_are_removed(there):
    for name, bucket in buckets(there):
        rules = [one for one in bucket.get("LifecycleConfiguration", {}).get("Rules", []) if one.get("Status") == "Enabled"]
        if not any(int(one.get("ExpirationInDays", 0)) > 0 for one in rules):
            yield f"{name}: nothing ever expires"
        if not any("AbortIncompleteMultipartUpload" in one for one in rules):
            yield f"{name}: half uploads stay for ever"
        versioned = bucket.get("VersioningConfiguration", {}).get("Status") == "Enabled"
        if versioned and not any("NoncurrentVersionExpiration" in one for one in rules):
            yield f"{name}: old versions stay for ever"


@rule
def what_is_set_aside_is_gone_after_fourteen_days(there):
    bucket = there.resources["QuarantineBucket"]["Properties"]
    rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
    if [int(one.get("ExpirationInDays", 0)) for one in rules] != [QUARANTINE_DAYS]:
        yield f"QuarantineBucket: not {QUARANTINE_DAYS} days"
    if bucket.get("VersioningConfiguration"):
        yield "QuarantineBucket: versions would outlive what expired or was released"


@rule
def the_archive_and_what_was_given_up_survive_an_accident(there):
    for name in ("ArchiveBucket", "OnFailureBucket"):
        bucket = there.resources[name]["Properties"]
        if bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield f"{name}: an overwritten object is lost"


@rule
def archived_events_outlive_their_markers(there):
    rules = there.resources["ArchiveBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    if min(int(one["ExpirationInDays"]) for one in rules) < 35:
        yield "ArchiveBucket: expires before a recount could use it"


@rule
def access_to_buckets_is_logged(there):
    logs = there.resources[LOGS]["Properties"]["BucketName"]
    prefixes = set()
    for name, bucket in buckets(there):
        if name == LOGS:
            continue
        logging = bucket.get("LoggingConfiguration", {})
        if logging.get("DestinationBucketName") != logs:
            yield f"{name}: access is not logged"
        elif logging.get("LogFilePrefix") in prefixes:
            yield f"{name}: its log is mixed with another's"
        prefixes.add(logging.get("LogFilePrefix"))
