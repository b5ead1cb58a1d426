"""Tables."""

from template.rules import rule

# The table of raw events, and those whose rows expire by themselves.
RAW = "StagingTable"
EXPIRING = {"StagingTable", "DeliveryTable", "DedupeTable", "SessionsTable"}
KEYS = {"CountersTable": ("partition_key", "sort_key")}
# By table: each index with its keys and what it carries. An attribute of a key is a text, but for these.
INDEXES = {
    "SessionsTable": {
        "ended": (["pk", "ended"], "ALL"),
        "due": (["lane", "due_at"], "KEYS_ONLY"),
        "listed": (["list", "place"], "ALL"),
        "named": (["named"], "KEYS_ONLY"),
    }
}
NUMBERS = {"due_at", "ended"}


def tables(there):
    return there.of_type("AWS::DynamoDB::Table").items()


@rule
def rows_that_expire_expire_by_the_attribute_ttl(there):
    for name, table in tables(there):
        ttl = table.get("TimeToLiveSpecification")
        if name in EXPIRING and ttl != {"AttributeName": "ttl", "Enabled": True}:
            yield f"{name}: its rows never expire"
        if name not in EXPIRING and ttl:
            yield f"{name}: nothing in it may expire"


@rule
def raw_events_have_no_point_in_time_recovery_and_everything_else_has(there):
    for name, table in tables(there):
        recovery = table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled")
        if name == RAW and recovery is not False:
            yield f"{name}: recovery would keep raw events 35 days beyond their TTL"
        if name != RAW and recovery is not True:
            yield f"{name}: it cannot be recovered"


@rule
def a_table_cannot_be_deleted_by_accident(there):
    for name, table in tables(there):
        if table.get("DeletionProtectionEnabled") is not True:
            yield f"{name}: no deletion protection"


@rule
def a_table_is_encrypted_under_the_data_key(there):
    for name, table in tables(there):
        wanted = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": there.arn("DataKey")}
        if table.get("SSESpecification") != wanted:
            yield f"{name}: not encrypted under the data key"


@rule
def a_table_is_paid_per_request(there):
    for name, table in tables(there):
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield f"{name}: not PAY_PER_REQUEST"


@rule
def a_table_has_the_key_attributes_that_the_adapters_write(there):
    for name, table in tables(there):
        wanted = KEYS.get(name, ("pk", "sk"))
        schema = [(key["AttributeName"], key["KeyType"]) for key in table.get("KeySchema", [])]
        if schema != [(wanted[0], "HASH"), (wanted[1], "RANGE")]:
            yield f"{name}: its key is {schema}"
        indexed = {attribute for keys, _ in INDEXES.get(name, {}).values() for attribute in keys}
        kinds = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
        if kinds != {attribute: "N" if attribute in NUMBERS else "S" for attribute in {*wanted, *indexed}}:
            yield f"{name}: its key attributes are {kinds}"


@rule
def a_table_has_the_indexes_that_the_adapters_read(there):
    for name, table in tables(there):
        found = {
            index["IndexName"]: ([key["AttributeName"] for key in index["KeySchema"]], index["Projection"]["ProjectionType"])
            for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes")
            for index in table.get(kind, [])
        }
        if found != INDEXES.get(name, {}):
            yield f"{name}: its indexes are {found}"


@rule
def changes_of_the_staging_table_go_to_the_stream_with_times_in_microseconds(there):
    for name, table in tables(there):
        destination = table.get("KinesisStreamSpecification")
        if name != RAW:
            if destination:
                yield f"{name}: its changes would be taken for events"
            continue
        wanted = {"StreamArn": there.arn("EventStream"), "ApproximateCreationDateTimePrecision": "MICROSECOND"}
        if destination != wanted:
            yield f"{name}: its changes go to {destination}"


@rule
def nothing_that_holds_data_leaves_with_the_stack(there):
    kinds = {"AWS::DynamoDB::Table", "AWS::Kinesis::Stream", "AWS::S3::Bucket", "AWS::KMS::Key"}
    for name, resource in there.resources.items():
        if resource["Type"] in kinds:
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resource.get(policy) != "Retain":
                    yield f"{name}: {policy} is {resource.get(policy)}"
