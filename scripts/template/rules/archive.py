"""The archive as a table: where objects lie and what a line holds must be what the code writes."""

import re

from template.rules import rule
from template.translate import ROOT

RANGES = {"month": (1, 12), "day": (1, 31), "hour": (0, 23)}


def tables(there):
    return there.of_type("AWS::Glue::Table").items()


def _camel(name):
    return re.sub(r"_([a-z])", lambda letter: letter[1].upper(), name)


def fields_of_an_event():
    """The names on the wire of the fields of `contract::Event`, in order."""
    text = (ROOT / "shared/contract/src/event.rs").read_text(encoding="utf-8")
    body = text.split("pub struct Event {", 1)[1].split("\n}\n", 1)[0]
    return [_camel(name) for name in re.findall(r"^    pub (\w+):", body, re.M)]


def pattern_of_a_key():
    """The prefix and the partitions that `domain::archive` writes: `events/v1/`, `year=/month=/day=/hour=/`."""
    text = (ROOT / "shared/domain/src/archive.rs").read_text(encoding="utf-8")
    prefix = re.search(r'pub const PREFIX: &str = "([^"]+)"', text)[1]
    parts = re.search(r'format!\("\{PREFIX\}((?:\w+=\{\w+:0\d\}/)+)"\)', text)[1]
    return prefix, re.findall(r"(\w+)=\{\w+:0(\d)\}", parts)


@rule
def the_archives_table_lies_where_the_processor_writes(there):
    prefix, parts = pattern_of_a_key()
    bucket = there.resources["ArchiveBucket"]["Properties"]["BucketName"]
    wanted = f"s3://{bucket}/{prefix}" + "".join(f"{part}=${{{part}}}/" for part, _ in parts)
    for name, table in tables(there):
        settings = table["TableInput"]["Parameters"]
        if settings.get("storage.location.template") != wanted:
            yield f"{name}: {settings.get('storage.location.template')} is not {wanted}"
        if table["TableInput"]["StorageDescriptor"]["Location"] != f"s3://{bucket}/{prefix}":
            yield f"{name}: {table['TableInput']['StorageDescriptor']['Location']}"


@rule
def every_hour_is_a_partition_without_a_catalogue(there):
    _, parts = pattern_of_a_key()
    for name, table in tables(there):
        settings = table["TableInput"]["Parameters"]
        if settings.get("projection.enabled") != "true":
            yield f"{name}: partitions are not computed"
        keys = [key["Name"] for key in table["TableInput"]["PartitionKeys"]]
        if keys != [part for part, _ in parts]:
            yield f"{name}: partitions are {keys}"
        for part, digits in parts:
            if settings.get(f"projection.{part}.type") != "integer" or settings.get(f"projection.{part}.digits") != digits:
                yield f"{name}: {part} is not written as the code writes it"
            low, high = map(int, settings.get(f"projection.{part}.range", "0,0").split(","))
            if part in RANGES and (low, high) != RANGES[part]:
                yield f"{name}: {part} goes from {low} to {high}"
            if part == "year" and not low <= 2026 < high:
                yield f"{name}: years {low} to {high}"


@rule
def a_column_is_a_field_of_the_event_and_every_field_is_a_column(there):
    fields = fields_of_an_event()
    for name, table in tables(there):
        storage = table["TableInput"]["StorageDescriptor"]
        reader = storage["SerdeInfo"]["Parameters"]
        if reader.get("case.insensitive") != "FALSE":
            yield f"{name}: keys lose their case, and the mapping misses them"
        read = [reader.get(f"mapping.{column['Name']}") for column in storage["Columns"]]
        if read != fields:
            yield f"{name}: missing {sorted(set(fields) - set(read))}, too many {sorted(set(map(str, read)) - set(fields))}"


@rule
def a_query_is_bounded_and_its_answer_encrypted(there):
    for name, group in there.of_type("AWS::Athena::WorkGroup").items():
        settings = group["WorkGroupConfiguration"]
        encryption = settings.get("ResultConfiguration", {}).get("EncryptionConfiguration")
        if settings.get("EnforceWorkGroupConfiguration") is not True:
            yield f"{name}: anybody may set other settings"
        if encryption != {"EncryptionOption": "SSE_KMS", "KmsKey": there.arn("DataKey")}:
            yield f"{name}: answers are encrypted by {encryption}"
        if not 0 < int(settings.get("BytesScannedCutoffPerQuery", 0)) <= 1 << 40:
            yield f"{name}: a query may read everything"


@rule
def a_saved_query_names_its_days_and_columns_that_exist(there):
    table = next(iter(dict(tables(there)).values()))["TableInput"]
    columns = {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
    queries = there.of_type("AWS::Athena::NamedQuery")
    if not {"recount", "search"} <= {query["Name"] for query in queries.values()}:
        yield "recount or search is missing"
    for name, query in queries.items():
        text = re.sub(r"--.*|'[^']*'|\"[^\"]*\"", "", query["QueryString"])
        if not re.search(r"year = \?.*month = \?.*day BETWEEN \? AND \?", text):
            yield f"{name}: reads the whole archive"
        if "count(" in text and "count(DISTINCT event_id)" not in text:
            yield f"{name}: counts lines, of which an event may have several"
        known = columns | {"year", "month", "day", "hour", "events", "lines", "shard", "sequence", "arrived_at", "actors_estimated"}
        functions = set(re.findall(r"\b(\w+)\(", text))
        for word in set(re.findall(r"\b[a-z_]+\b", text)) - known - functions:
            yield f"{name}: {word} is no column"
