"""The stream and the mappings that feed its consumers."""

from template.rules import rule

WEEK_HOURS = 168
# The smallest record age and retry count that survive a weekend, and the largest that still end.
AGE_SECONDS = (86_400, WEEK_HOURS * 3_600 - 86_400)
RETRIES = (10, 1_000)
# Whom the stream feeds.
CONSUMERS = ["processor", "sessionizer", "warehouse"]
# Whose records are tried until they are too old, however often.
ENDLESS = {"warehouse"}


def mappings(there):
    """Those of streams; a queue's are among the invocations."""
    queues = {there.arn(name) for name in there.of_type("AWS::SQS::Queue")}
    return [
        (name, mapping) for name, mapping in there.of_type("AWS::Lambda::EventSourceMapping").items()
        if mapping.get("EventSourceArn") not in queues
    ]


@rule
def the_stream_keeps_records_for_a_week(there):
    for name, stream in there.of_type("AWS::Kinesis::Stream").items():
        if int(stream.get("RetentionPeriodHours", 24)) != WEEK_HOURS:
            yield f"{name}: keeps records for {stream.get('RetentionPeriodHours', 24)} hours"


@rule
def the_stream_is_encrypted_under_the_data_key(there):
    for name, stream in there.of_type("AWS::Kinesis::Stream").items():
        if stream.get("StreamEncryption") != {"EncryptionType": "KMS", "KeyId": there.arn("DataKey")}:
            yield f"{name}: not encrypted under the data key"


@rule
def only_a_provisioned_stream_has_a_number_of_shards(there):
    for name, stream in there.of_type("AWS::Kinesis::Stream").items():
        mode = stream.get("StreamModeDetails", {}).get("StreamMode")
        if mode not in ("ON_DEMAND", "PROVISIONED"):
            yield f"{name}: its mode is {mode}"
        if (mode == "PROVISIONED") != ("ShardCount" in stream):
            yield f"{name}: {mode} with ShardCount {stream.get('ShardCount')}"


@rule
def every_consumer_reads_the_stream_from_its_beginning(there):
    wanted = [there.functions[binary].arn for binary in CONSUMERS if binary in there.functions]
    fed = [mapping.get("FunctionName") for _, mapping in mappings(there)]
    if sorted(fed) != sorted(wanted):
        yield f"mappings feed {sorted(fed)}"
    for name, mapping in mappings(there):
        if mapping.get("EventSourceArn") != there.arn("EventStream"):
            yield f"{name}: it reads {mapping.get('EventSourceArn')}"
        if mapping.get("StartingPosition") != "TRIM_HORIZON":
            yield f"{name}: what came before the mapping is skipped"


@rule
def partial_answers_are_honoured(there):
    for name, mapping in mappings(there):
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: a partial failure would be taken as success"


@rule
def a_failing_batch_is_split_and_its_retries_end(there):
    endless = {there.functions[binary].arn for binary in ENDLESS if binary in there.functions}
    for name, mapping in mappings(there):
        if mapping.get("BisectBatchOnFunctionError") is not True:
            yield f"{name}: a failing batch is not split"
        for property_, (least, most) in {"MaximumRetryAttempts": RETRIES, "MaximumRecordAgeInSeconds": AGE_SECONDS}.items():
            value = int(mapping.get(property_, -1))
            if value == -1 and property_ == "MaximumRetryAttempts" and mapping.get("FunctionName") in endless:
                continue
            if not least <= value <= most:
                yield f"{name}: {property_} is {value}, wanted {least} to {most}"


@rule
def one_shard_has_one_reader_and_a_batch_fits_its_timeout(there):
    for name, mapping in mappings(there):
        if int(mapping.get("ParallelizationFactor", 1)) != 1:
            yield f"{name}: two invocations of one shard would meet at the same places"
        if int(mapping.get("BatchSize", 100)) > 1_000:
            yield f"{name}: a batch of {mapping.get('BatchSize')} records"
        if int(mapping.get("MaximumBatchingWindowInSeconds", 0)) > 30:
            yield f"{name}: a batch waits {mapping.get('MaximumBatchingWindowInSeconds')} s"
        if mapping.get("TumblingWindowInSeconds"):
            yield f"{name}: windows are lost when the stream is resharded"


@rule
def nothing_is_filtered_before_a_consumer_sees_it(there):
    for name, mapping in mappings(there):
        if "FilterCriteria" in mapping:
            yield f"{name}: a filter drops what is no JSON without a trace"


@rule
def what_is_given_up_is_kept_with_its_records(there):
    for name, mapping in mappings(there):
        destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if destination != there.arn("OnFailureBucket"):
            yield f"{name}: given-up records go to {destination}"
        if mapping.get("MetricsConfig") != {"Metrics": ["EventCount"]}:
            yield f"{name}: nobody counts what is given up"
