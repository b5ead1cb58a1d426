"""The faults that `planted` plants: what happens to people every day, each with the rule that must find it."""

import copy
import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Fault:
    """One mistake, and who must find it: a rule of ours, a check of checkov (CKV…), or one of cfn-lint (E…)."""

    found_by: str
    title: str
    plant: typing.Callable[[dict], None]

    def planted_in(self, source):
        """A copy of the template with the mistake in it."""
        template = copy.deepcopy(source)
        before = copy.deepcopy(template)
        self.plant(template["Resources"])
        if template == before:
            raise ValueError(f"the fault changes nothing: {self.title}")
        return template


def put(path, value):
    """Sets what lies at a path like `Stream.Properties.Name`; a number is a place in a list."""

    def plant(resources):
        *way, last = _keys(path)
        node = resources
        for key in way:
            node = node[key] if isinstance(node, list) else node.setdefault(key, {})
        node[last] = copy.deepcopy(value)

    return plant


def drop(path):
    """Removes what lies at a path."""

    def plant(resources):
        *way, last = _keys(path)
        node = resources
        for key in way:
            node = node[key]
        del node[last]

    return plant


def edit(path, change):
    """Replaces what lies at a path by a function of it."""

    def plant(resources):
        *way, last = _keys(path)
        node = resources
        for key in way:
            node = node[key]
        node[last] = change(copy.deepcopy(node[last]))

    return plant


def _keys(path):
    return [int(key) if key.isdigit() else key for key in path.split("|" if "|" in path else ".")]


def without(sid):
    """A list of statements without one."""
    return lambda statements: [one for one in statements if one.get("Sid") != sid]


def changed(sid, **fields):
    """A list of statements with some fields of one replaced."""
    return lambda statements: [{**one, **fields} if one.get("Sid") == sid else one for one in statements]


def grant(**statement):
    """A list of statements with one more."""
    return lambda statements: [*statements, {"Effect": "Allow", **statement}]


def policy(role):
    """Where a role's statements are."""
    return f"{role}.Properties.Policies.0.PolicyDocument.Statement"


def document(resource):
    """Where a resource policy's statements are."""
    return f"{resource}.Properties.PolicyDocument.Statement"


ARN = {"StagingTable": {"Fn::GetAtt": ["StagingTable", "Arn"]}}

_FAULTS = [
    # ── tables
    ("rows_that_expire_expire_by_the_attribute_ttl", "the staging table's TTL is switched off",
     put("StagingTable.Properties.TimeToLiveSpecification.Enabled", False)),
    ("rows_that_expire_expire_by_the_attribute_ttl", "the dedupe table expires by another attribute",
     put("DedupeTable.Properties.TimeToLiveSpecification.AttributeName", "expires")),
    ("rows_that_expire_expire_by_the_attribute_ttl", "callers' keys expire",
     put("KeysTable.Properties.TimeToLiveSpecification", {"AttributeName": "ttl", "Enabled": True})),
    ("raw_events_have_no_point_in_time_recovery_and_everything_else_has", "raw events can be recovered for 35 days",
     put("StagingTable.Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", True)),
    ("raw_events_have_no_point_in_time_recovery_and_everything_else_has", "the counters cannot be recovered",
     drop("CountersTable.Properties.PointInTimeRecoverySpecification")),
    ("a_table_cannot_be_deleted_by_accident", "the delivery table can be deleted",
     put("DeliveryTable.Properties.DeletionProtectionEnabled", False)),
    ("a_table_is_encrypted_under_the_data_key", "a table goes back to the service's own key",
     drop("ReferenceTable.Properties.SSESpecification")),
    ("a_table_is_paid_per_request", "a table gets a fixed capacity",
     put("DedupeTable.Properties.BillingMode", "PROVISIONED")),
    ("a_table_has_the_key_attributes_that_the_adapters_write", "the counters' key is called pk",
     put("CountersTable.Properties.KeySchema.0.AttributeName", "pk")),
    ("a_table_has_the_key_attributes_that_the_adapters_write", "a sort key becomes a number",
     put("DeliveryTable.Properties.AttributeDefinitions.1.AttributeType", "N")),
    ("a_table_has_the_indexes_that_the_adapters_read", "sessions are listed without what they say",
     put("SessionsTable.Properties.GlobalSecondaryIndexes.1.Projection.ProjectionType", "KEYS_ONLY")),
    ("changes_of_the_staging_table_go_to_the_stream_with_times_in_microseconds", "the precision of change times is left open",
     drop("StagingTable.Properties.KinesisStreamSpecification.ApproximateCreationDateTimePrecision")),
    ("changes_of_the_staging_table_go_to_the_stream_with_times_in_microseconds", "the change stream is forgotten",
     drop("StagingTable.Properties.KinesisStreamSpecification")),
    ("nothing_that_holds_data_leaves_with_the_stack", "the archive leaves with the stack",
     put("ArchiveBucket.DeletionPolicy", "Delete")),
    # ── stream
    ("the_stream_keeps_records_for_a_week", "the stream keeps records for a day",
     put("EventStream.Properties.RetentionPeriodHours", 24)),
    ("the_stream_is_encrypted_under_the_data_key", "the stream is not encrypted",
     drop("EventStream.Properties.StreamEncryption")),
    ("only_a_provisioned_stream_has_a_number_of_shards", "an on-demand stream has shards",
     put("EventStream.Properties.ShardCount", 2)),
    ("every_consumer_reads_the_stream_from_its_beginning", "the mapping starts at the end of the stream",
     put("ProcessorMapping.Properties.StartingPosition", "LATEST")),
    ("every_consumer_reads_the_stream_from_its_beginning", "nothing feeds the sessionizer",
     put("SessionizerMapping.Properties.FunctionName", {"Fn::GetAtt": ["Processor", "Arn"]})),
    ("what_is_given_up_is_kept_with_its_records", "given-up records of sessions are dropped",
     drop("SessionizerMapping.Properties.DestinationConfig")),
    ("partial_answers_are_honoured", "ReportBatchItemFailures is forgotten",
     drop("ProcessorMapping.Properties.FunctionResponseTypes")),
    ("a_failing_batch_is_split_and_its_retries_end", "a failing batch is never split",
     put("ProcessorMapping.Properties.BisectBatchOnFunctionError", False)),
    ("a_failing_batch_is_split_and_its_retries_end", "a bad record is retried for ever",
     put("ProcessorMapping.Properties.MaximumRetryAttempts", -1)),
    ("a_failing_batch_is_split_and_its_retries_end", "records are tried for longer than the stream keeps them",
     put("ProcessorMapping.Properties.MaximumRecordAgeInSeconds", 604800)),
    ("one_shard_has_one_reader_and_a_batch_fits_its_timeout", "ten invocations work on one shard",
     put("ProcessorMapping.Properties.ParallelizationFactor", 10)),
    ("nothing_is_filtered_before_a_consumer_sees_it", "a filter drops what is no JSON",
     put("ProcessorMapping.Properties.FilterCriteria", {"Filters": [{"Pattern": '{"data":{"eventId":[{"exists":true}]}}'}]})),
    ("what_is_given_up_is_kept_with_its_records", "given-up records go to a queue, which gets their numbers only",
     put("ProcessorMapping.Properties.DestinationConfig.OnFailure.Destination", {"Fn::GetAtt": ["BatcherDeadLetters", "Arn"]})),
    ("what_is_given_up_is_kept_with_its_records", "given-up records are not counted",
     drop("ProcessorMapping.Properties.MetricsConfig")),
    # ── buckets
    ("a_bucket_is_private_in_all_four_ways", "a bucket may get a public policy",
     put("QueryBucket.Properties.PublicAccessBlockConfiguration.BlockPublicPolicy", False)),
    ("a_bucket_knows_no_access_lists", "writers own their objects",
     put("ArchiveBucket.Properties.OwnershipControls.Rules.0.ObjectOwnership", "ObjectWriter")),
    ("a_bucket_is_reached_over_tls_only", "plain HTTP reaches the quarantine",
     edit(document("QuarantineBucketPolicy"), without("OnlyOverTls"))),
    ("a_bucket_is_reached_over_tls_only", "plain HTTP reaches objects, though not the bucket",
     edit(document("ArchiveBucketPolicy"), changed("OnlyOverTls", Resource={"Fn::GetAtt": ["ArchiveBucket", "Arn"]}))),
    ("a_bucket_is_encrypted_under_the_data_key_with_a_bucket_key", "every object asks KMS",
     put("ArchiveBucket.Properties.BucketEncryption.ServerSideEncryptionConfiguration.0.BucketKeyEnabled", False)),
    ("nobody_writes_events_under_another_key", "objects may come under a stranger's key",
     edit(document("ArchiveBucketPolicy"), without("OnlyUnderOurKey"))),
    ("objects_expire_and_half_uploads_are_removed", "half uploads stay for ever",
     drop("OnFailureBucket.Properties.LifecycleConfiguration.Rules.0.AbortIncompleteMultipartUpload")),
    ("what_is_set_aside_is_gone_after_fourteen_days", "the quarantine keeps for three months",
     put("QuarantineBucket.Properties.LifecycleConfiguration.Rules.0.ExpirationInDays", 90)),
    ("what_is_set_aside_is_gone_after_fourteen_days", "the quarantine keeps old versions",
     put("QuarantineBucket.Properties.VersioningConfiguration", {"Status": "Enabled"})),
    ("the_archive_and_what_was_given_up_survive_an_accident", "the archive has no versions",
     drop("ArchiveBucket.Properties.VersioningConfiguration")),
    ("archived_events_outlive_their_markers", "the archive expires before the markers",
     put("ArchiveBucket.Properties.LifecycleConfiguration.Rules.0.ExpirationInDays", 30)),
    ("access_to_buckets_is_logged", "nobody knows who read the archive",
     drop("ArchiveBucket.Properties.LoggingConfiguration")),
    # ── functions
    ("every_function_of_the_suite_is_there", "two functions run the same binary",
     put("Redrive.Properties.CodeUri", "target/lambda/processor/")),
    ("a_function_is_a_bootstrap_on_al2023_of_the_chosen_architecture", "a function ignores the chosen architecture",
     put("Batcher.Properties.Architectures", ["x86_64"])),
    ("a_function_is_told_every_resource_that_its_entry_point_needs", "the processor is not told where counters are",
     drop("Processor.Properties.Environment.Variables.DYNAMODB_TABLE")),
    ("a_variable_names_the_resource_that_the_code_means", "two variables are swapped",
     put("Batcher.Properties.Environment.Variables.DEDUPE_TABLE", {"Ref": "DeliveryTable"})),
    ("no_secret_stands_in_a_variable", "the connector's key stands in a variable",
     put("Batcher.Properties.Environment.Variables.FRICTIONMELT_API_KEY", "sk-live-4242424242")),
    ("the_batcher_delivers_to_the_mock_until_a_connector_is_given", "the signing secret is forgotten",
     drop("Batcher.Properties.Environment.Variables.FRICTIONMELT_SIGNING_SECRET")),
    ("no_variable_is_empty", "a variable is empty without a connector",
     put("Batcher.Properties.Environment.Variables.FRICTIONMELT_API_URL", {"Ref": "ConnectorUrl"})),
    ("metrics_of_stages_do_not_mix", "every stage writes the same metrics",
     put("Batcher.Properties.Environment.Variables.METRICS_NAMESPACE", "Tribometer")),
    ("a_function_has_a_log_group_of_its_own_that_forgets_and_is_encrypted", "two functions share a log group",
     put("Redrive.Properties.LoggingConfig.LogGroup", {"Ref": "ProcessorLogs"})),
    ("logs_are_forgotten_and_encrypted", "logs are kept for ever",
     drop("BatcherLogs.Properties.RetentionInDays")),
    ("logs_are_forgotten_and_encrypted", "logs are not encrypted",
     drop("DoorLogs.Properties.KmsKeyId")),
    ("a_function_has_bounds_of_time_memory_and_concurrency", "nothing bounds a function's concurrency",
     drop("Ingest.Properties.ReservedConcurrentExecutions")),
    ("a_function_is_told_every_resource_that_its_entry_point_needs", "the insights are not told where the cursors' key is",
     drop("Insights.Properties.Environment.Variables.CURSOR_SECRET")),
    ("a_request_ends_before_the_gateway_gives_it_up", "the gateway gives up before the insights",
     put("Insights.Properties.Timeout", 60)),
    ("a_consumer_has_two_minutes_and_a_tick_ends_before_the_next", "a tick runs into the next one",
     put("Batcher.Properties.Timeout", 600)),
    ("a_request_ends_before_the_gateway_gives_it_up", "the gateway gives up before the function",
     put("Ingest.Properties.Timeout", 60)),
    ("the_origins_function_keeps_its_name", "the batcher gets a name of its own",
     put("Batcher.Properties.FunctionName", {"Fn::Sub": "friction_batcher-${Stage}"})),
    # ── roles
    ("a_role_names_every_action", "the batcher may do everything with its table",
     edit(policy("BatcherRole"), changed("Delivery", Action="dynamodb:*"))),
    ("a_role_names_every_resource", "the door may put into any table",
     edit(policy("IngestRole"), changed("Staging", Resource="*"))),
    ("a_role_names_every_resource", "the processor may put into every table that begins alike",
     edit(policy("ProcessorRole"), changed("Rescue", Resource={"Fn::Sub": "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/eu-friction*"}))),
    ("a_statement_says_what_it_is_for", "a statement has no name",
     edit(policy("RedriveRole"), grant(Action="s3:GetObject", Resource={"Fn::Sub": "${OnFailureBucket.Arn}/aws/lambda/*"}))),
    ("permissions_are_written_out_in_one_role_per_function", "the redrive takes the processor's role",
     put("Redrive.Properties.Role", {"Fn::GetAtt": ["ProcessorRole", "Arn"]})),
    ("permissions_are_written_out_in_one_role_per_function", "a managed policy comes along",
     put("BatcherRole.Properties.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"])),
    ("a_role_is_taken_by_its_service_only", "any machine may take the batcher's role",
     put("BatcherRole.Properties.AssumeRolePolicyDocument.Statement.0.Principal", {"Service": "ec2.amazonaws.com"})),
    ("the_platform_gets_only_what_it_is_known_to_need", "a permission hides among the platform's",
     edit(policy("IngestRole"), grant(Sid="PlatformTables", Action="dynamodb:DeleteItem", Resource=ARN["StagingTable"]))),
    ("keys_are_used_through_their_services_only", "the door may decrypt anything by itself",
     edit(policy("IngestRole"), changed("PlatformDataKey", Condition={}))),
    ("a_function_reaches_only_what_it_is_told_of", "the batcher may read callers' keys",
     edit(policy("BatcherRole"), grant(Sid="Keys", Action="dynamodb:GetItem", Resource={"Fn::GetAtt": ["KeysTable", "Arn"]}))),
    ("a_function_reaches_only_what_it_is_told_of", "the sessionizer may read counters",
     edit(policy("SessionizerRole"), grant(Sid="Counters", Action="dynamodb:GetItem", Resource={"Fn::GetAtt": ["CountersTable", "Arn"]}))),
    ("a_role_names_every_resource", "the insights may read every index of every table",
     edit(policy("InsightsRole"), changed("Sessions", Resource={"Fn::Sub": "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/*"}))),
    ("a_function_reaches_only_what_it_is_told_of", "the door has lost its stream",
     edit(policy("IngestRole"), without("Stream"))),
    ("nobody_but_this_account_and_the_named_services_gets_in", "anybody may read the archive",
     edit(document("ArchiveBucketPolicy"), grant(Sid="Everybody", Principal="*", Action="s3:GetObject", Resource={"Fn::Sub": "${ArchiveBucket.Arn}/*"}))),
    ("nobody_but_this_account_and_the_named_services_gets_in", "another account administers the data key",
     put("DataKey.Properties.KeyPolicy.Statement.0.Principal", {"AWS": "arn:aws:iam::999999999999:root"})),
    ("nobody_but_this_account_and_the_named_services_gets_in", "any rule of any account may fill the dead letters",
     edit(document("DeadLettersPolicy"), changed("TheRuleGivesUp", Condition={}))),
    ("a_function_is_invoked_by_named_callers_only", "any rule may invoke the batcher",
     drop("UrgentPermission.Properties.SourceArn")),
    ("the_data_key_rotates", "the data key never rotates",
     put("DataKey.Properties.EnableKeyRotation", False)),
    # ── invocations
    ("an_api_is_throttled", "nothing throttles the door",
     drop("Door.Properties.DefaultRouteSettings")),
    ("an_apis_log_tells_neither_who_nor_what", "the door logs addresses",
     edit("Door.Properties.AccessLogSettings.Format", lambda format_: format_.replace("$context.requestId", "$context.identity.sourceIp"))),
    ("an_api_has_the_contracts_routes_and_no_others", "a route has a wrong path",
     put("Ingest.Properties.Events.Batch.Properties.Path", "/events/batch")),
    ("an_api_has_the_contracts_routes_and_no_others", "every page may post",
     put("Door.Properties.CorsConfiguration", {"AllowOrigins": ["*"]})),
    ("an_api_has_the_contracts_routes_and_no_others", "a question has no route",
     drop("Insights.Properties.Events.TopFlows")),
    ("an_api_has_the_contracts_routes_and_no_others", "every page may ask",
     put("InsightsApi.Properties.CorsConfiguration", {"AllowOrigins": ["*"]})),
    ("an_api_is_throttled", "nothing throttles who asks",
     drop("InsightsApi.Properties.DefaultRouteSettings.ThrottlingBurstLimit")),
    ("what_works_by_the_clock_is_started_at_its_rate", "the sweep says nothing of what it is",
     put("CompactSchedule.Properties.Target.Input", "{}")),
    ("what_works_by_the_clock_is_started_at_its_rate", "sessions end once an hour",
     put("SweepSchedule.Properties.ScheduleExpression", "rate(1 hour)")),
    ("what_works_by_the_clock_is_started_at_its_rate", "nothing redrives what was given up of sessions",
     drop("SessionizerRedriveSchedule")),
    ("what_works_by_the_clock_is_started_at_its_rate", "the batcher is started once an hour",
     put("BatcherSchedule.Properties.ScheduleExpression", "rate(1 hour)")),
    ("what_works_by_the_clock_is_started_at_its_rate", "the redrive is switched off",
     put("RedriveSchedule.Properties.State", "DISABLED")),
    ("a_late_tick_is_dropped_and_a_lost_one_is_seen", "ticks pile up for a day",
     drop("BatcherSchedule.Properties.Target.RetryPolicy")),
    ("a_late_tick_is_dropped_and_a_lost_one_is_seen", "a lost tick leaves no trace",
     drop("BatcherSchedule.Properties.Target.DeadLetterConfig")),
    ("an_invocation_nobody_waits_for_is_not_repeated_and_leaves_a_trace", "failed ticks are repeated for six hours",
     drop("Batcher.Properties.EventInvokeConfig")),
    ("what_is_announced_reaches_whom_it_is_for", "the rule listens on the account's own bus",
     drop("UrgentRule.Properties.EventBusName")),
    ("what_is_announced_reaches_whom_it_is_for", "the rule waits for another kind of event",
     put("UrgentRule.Properties.EventPattern", {"source": ["tribometer"], "detail-type": ["org.Urgent"]})),
    ("what_is_announced_reaches_whom_it_is_for", "nobody who listens hears of a change",
     drop("LiveRulePermission")),
    ("whoever_listens_is_heard_by_one_function_which_may_answer", "what clients say goes nowhere",
     drop("LiveMessage")),
    ("whoever_listens_is_heard_by_one_function_which_may_answer", "goodbyes are answered by another function",
     put("LiveIntegration.Properties.IntegrationUri", {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Insights.Arn}/invocations"})),
    ("whoever_listens_is_heard_by_one_function_which_may_answer", "the function answers at a stage that is not there",
     put("LiveStage.Properties.StageName", "prod")),
    ("whoever_listens_is_heard_by_one_function_which_may_answer", "the gateway may not ask the function",
     put("LiveApiPermission.Properties.SourceArn", {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Door}/live/*"})),
    ("nobody_tells_a_listener_after_its_turn", "an invocation outlives its turn at telling",
     put("Live.Properties.Timeout", 30)),
    ("an_api_is_throttled", "anybody may open connections without end",
     drop("LiveStage.Properties.DefaultRouteSettings")),
    ("an_apis_log_tells_neither_who_nor_what", "the address of whoever listens is logged",
     put("LiveStage.Properties.AccessLogSettings.Format", "$context.identity.sourceIp")),
    ("a_role_names_every_resource", "the live function reaches the connections of every API",
     put(policy("LiveRole") + ".4.Resource", "arn:aws:execute-api:*")),
    ("a_function_reaches_only_what_it_is_told_of", "the live function reaches the connections of another API",
     put(policy("LiveRole") + ".4.Resource", {"Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Door}/live/POST/@connections/*"})),
    ("what_is_announced_reaches_the_warehouse_through_a_queue", "the warehouse hears of no incident",
     put("WarehouseRule.Properties.EventPattern", {"source": ["tribometer"], "detail-type": ["session.closed", "session.superseded"]})),
    ("what_is_announced_reaches_the_warehouse_through_a_queue", "a warehouse that is away for an hour loses sessions",
     put("WarehouseQueue.Properties.RedrivePolicy.maxReceiveCount", 5)),
    ("what_is_announced_reaches_the_warehouse_through_a_queue", "messages are handed out again while they are worked on",
     drop("WarehouseQueue.Properties.VisibilityTimeout")),
    ("what_is_announced_reaches_the_warehouse_through_a_queue", "one unreadable message brings back all",
     drop("WarehouseQueueMapping.Properties.FunctionResponseTypes")),
    ("every_dead_letter_queue_has_an_alarm", "nobody hears that announcements do not reach the warehouse",
     drop("WarehouseQueueOld")),
    ("a_failing_batch_is_split_and_its_retries_end", "the processor tries without end",
     put("ProcessorMapping.Properties.MaximumRetryAttempts", -1)),
    ("the_schedules_may_start_what_they_target", "the schedules may not start the redrive",
     put(policy("ScheduleRole") + ".0.Resource", [{"Fn::GetAtt": ["Batcher", "Arn"]}, {"Fn::GetAtt": ["Sessionizer", "Arn"]}])),
    ("a_queue_is_encrypted_and_keeps_what_is_dead_for_two_weeks", "dead letters are forgotten after four days",
     drop("BatcherDeadLetters.Properties.MessageRetentionPeriod")),
    ("a_queue_is_reached_over_tls_only", "plain HTTP reaches a queue",
     edit(document("RedriveDeadLettersPolicy"), changed("OnlyOverTls", Effect="Allow"))),
    # ── alarms
    ("what_must_not_go_unnoticed_has_an_alarm", "nobody hears that rows expire undelivered",
     drop("RowsRescued")),
    ("what_must_not_go_unnoticed_has_an_alarm", "nobody hears that sweeps fail",
     drop("SweepsFailed")),
    ("a_consumers_lag_is_told_within_five_minutes", "nobody hears that the sessionizer falls behind",
     drop("SessionizerIteratorAgeHigh")),
    ("silence_is_alarming_only_where_a_sign_of_life_is_expected", "sweeps that never run look healthy",
     put("SweepsMissing.Properties.TreatMissingData", "notBreaching")),
    ("what_must_not_go_unnoticed_has_an_alarm", "nobody hears that the redrive fails",
     drop("RedriveErrors")),
    ("an_undelivered_batch_is_told_after_a_quarter_an_hour_an_hour_and_half_a_day", "a waiting batch is told in seconds instead of milliseconds",
     put("UndeliveredForAnHour.Properties.Threshold", 3600)),
    ("a_consumers_lag_is_told_within_five_minutes", "the processor's lag is averaged away",
     put("IteratorAgeHigh.Properties.Statistic", "Average")),
    ("every_dead_letter_queue_has_an_alarm", "a queue has no alarm",
     drop("BatcherDeadLettersFilled")),
    ("an_alarm_is_heard_and_so_is_its_end", "an alarm rings nowhere",
     drop("QuarantineRateHigh.Properties.AlarmActions")),
    ("silence_is_alarming_only_where_a_sign_of_life_is_expected", "a batcher that is never started looks healthy",
     put("TicksMissing.Properties.TreatMissingData", "notBreaching")),
    ("an_alarm_looks_at_a_metric_that_the_code_writes", "a metric is spelt as nobody writes it",
     put("BreakersOpen.Properties.MetricName", "breaker_open")),
    ("an_alarm_looks_at_a_metric_that_the_code_writes", "an alarm looks at another stage's metrics",
     put("EventsParked.Properties.Namespace", "Tribometer")),
    ("an_alarm_looks_at_a_thing_that_exists", "an alarm watches a function that is gone",
     put("IteratorAgeHigh.Properties.Dimensions", [{"Name": "FunctionName", "Value": "friction-processor"}])),
    ("alarms_go_over_tls_to_an_encrypted_topic", "alarms go under a key that they may not use",
     put("AlarmTopic.Properties.KmsMasterKeyId", "alias/aws/sns")),
    ("an_address_that_is_given_hears_the_alarms", "the given address is not subscribed",
     drop("AlarmSubscription")),
    ("the_dashboard_shows_what_exists", "a widget shows what nobody writes",
     edit("Dashboard.Properties.DashboardBody", lambda body: {"Fn::Sub": [body["Fn::Sub"][0].replace("events_formed", "events_batched"), body["Fn::Sub"][1]]})),
    ("the_dashboard_shows_what_exists", "the dashboard is no JSON",
     edit("Dashboard.Properties.DashboardBody", lambda body: {"Fn::Sub": [body["Fn::Sub"][0].replace('"widgets": [', '"widgets": [,'), body["Fn::Sub"][1]]})),
    # ── archive
    ("the_archives_table_lies_where_the_processor_writes", "the table looks for dt= where year= is written",
     edit("ArchiveTable|Properties|TableInput|Parameters|storage.location.template", lambda sub: {"Fn::Sub": sub["Fn::Sub"].replace("year=", "y=")})),
    ("every_hour_is_a_partition_without_a_catalogue", "an hour has one digit",
     drop("ArchiveTable|Properties|TableInput|Parameters|projection.hour.digits")),
    ("every_hour_is_a_partition_without_a_catalogue", "the last hour of the day is missing",
     put("ArchiveTable|Properties|TableInput|Parameters|projection.hour.range", "0,22")),
    ("a_column_is_a_field_of_the_event_and_every_field_is_a_column", "a field has no column",
     edit("ArchiveTable.Properties.TableInput.StorageDescriptor.Columns", lambda columns: columns[:-1])),
    ("a_query_is_bounded_and_its_answer_encrypted", "a query may read the whole archive",
     drop("Queries.Properties.WorkGroupConfiguration.BytesScannedCutoffPerQuery")),
    ("a_saved_query_names_its_days_and_columns_that_exist", "a query counts lines instead of events",
     edit("RecountQuery.Properties.QueryString", lambda text: text.replace("count(DISTINCT event_id)", "count(event_id)"))),
    # ── places
    ("nothing_leaves_the_region", "a resource of another region is named",
     edit(policy("IngestRole"), changed("Stream", Resource="arn:aws:kinesis:us-east-1:123456789012:stream/friction-events"))),
    ("nothing_needs_a_network_of_its_own", "a function moves into a VPC",
     put("Batcher.Properties.VpcConfig", {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]})),
    ("every_thing_that_the_code_knows_exists_under_its_name", "the staging table gets another name",
     put("StagingTable.Properties.TableName", {"Fn::Sub": "friction-staging-${Stage}"})),
    ("two_stages_share_nothing_but_the_account", "two stages share a table",
     put("KeysTable.Properties.TableName", "friction-keys")),
    # ── what the tools find
    ("CKV_AWS_108", "an inline policy may read any secret",
     edit(policy("BatcherRole"), grant(Sid="Any", Action="secretsmanager:GetSecretValue", Resource="*"))),
    ("CKV_AWS_62", "the batcher is an administrator",
     edit(policy("BatcherRole"), grant(Sid="All", Action="*", Resource="*"))),
    ("CKV_AWS_95", "the door keeps no access log",
     drop("Door.Properties.AccessLogSettings")),
    ("E3002", "a property is misspelt",
     put("StagingTable.Properties.TimeToLiveSpecifications", {"AttributeName": "ttl", "Enabled": True})),
    ("E1010", "an attribute of a resource that is gone",
     put("BatcherSchedule.Properties.Target.RoleArn", {"Fn::GetAtt": ["SchedulerRole", "Arn"]})),
    ("E3012", "a number is a word",
     put("ProcessorMapping.Properties.BatchSize", "many")),
]


def _template_wide():
    """Faults outside of the resources."""

    def parameter(template):
        template["Parameters"]["ConnectorKey"] = {"Type": "String", "NoEcho": True, "Default": "x"}

    def region(template):
        del template["Rules"]["StaysInTheEu"]

    def output(template):
        del template["Outputs"]["S3BUCKET"]

    yield WideFault("no_parameter_takes_a_secret", "the connector's key is a parameter", parameter)
    yield WideFault("nothing_leaves_the_region", "the template can be deployed anywhere", region)
    yield WideFault("an_operator_is_told_every_name", "an operator is not told where the archive is", output)


class WideFault(Fault):
    """A fault whose plant is given the whole template."""

    def planted_in(self, source):
        template = copy.deepcopy(source)
        self.plant(template)
        return template


FAULTS = [Fault(*fault) for fault in _FAULTS] + list(_template_wide())
