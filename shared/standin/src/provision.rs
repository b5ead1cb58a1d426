//! Makes what the template would make, as far as a stand-in can hold it.

use aws::{
    access::Access,
    resources::{Resource, Resources},
};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType, StreamSpecification,
    StreamViewType,
};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

/// Everything, under names that begin with a fresh random word.
pub(crate) async fn corner(access: &Access) -> Resources {
    // Random rather than counted: tests of several processes share the stand-ins.
    let word: String = uuid::Uuid::now_v7().simple().to_string().split_off(WORD_START);
    let name = |resource: Resource| format!("{word}-{}", resource.default_name().replace('/', "-"));
    let resources = Resources::named(Resource::ALL.map(|resource| (resource, name(resource))));
    for resource in Resource::ALL {
        make(access, resource, &name(resource)).await;
    }
    resources
}

async fn make(access: &Access, resource: Resource, name: &str) {
    match resource {
        Resource::Staging
        | Resource::Delivery
        | Resource::Dedupe
        | Resource::Reference
        | Resource::Keys => table(access, name, ["pk", "sk"], resource == Resource::Staging).await,
        Resource::Sessions => sessions(access, name).await,
        Resource::Counters => table(access, name, ["partition_key", "sort_key"], false).await,
        Resource::Stream => {
            let made = access.kinesis().create_stream().stream_name(name).shard_count(3);
            done("a stream", made.send().await);
        }
        Resource::Archive | Resource::Quarantine | Resource::OnFailure => {
            let place = CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::EuCentral1)
                .build();
            let made = access.s3().create_bucket().bucket(name).create_bucket_configuration(place);
            done("a bucket", made.send().await);
        }
        Resource::Bus => {
            done("a bus", access.eventbridge().create_event_bus().name(name).send().await);
        }
        Resource::PseudonymSecret => secret(access, name, KEYS).await,
        Resource::CursorSecret => secret(access, name, CURSOR_KEY).await,
        // An installation may do without.
        Resource::PseudonymKmsKey => {}
    }
}

async fn secret(access: &Access, name: &str, text: &str) {
    let secret = access.secrets().create_secret().name(name).secret_string(text);
    done("a secret", secret.send().await);
}

async fn table(access: &Access, name: &str, [hash, range]: [&str; 2], stream: bool) {
    let mut table =
        access.dynamodb().create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in [(hash, KeyType::Hash), (range, KeyType::Range)] {
        let key = KeySchemaElement::builder().attribute_name(attribute).key_type(kind);
        let definition = AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S);
        table = table
            .key_schema(done("a key", key.build()))
            .attribute_definitions(done("an attribute", definition.build()));
    }
    if stream {
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages);
        table = table.stream_specification(done("a change stream", stream.build()));
    }
    done("a table", table.send().await);
}

/// The table with its indexes, as the template has them.
async fn sessions(access: &Access, name: &str) {
    let mut table =
        access.dynamodb().create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for attribute in ["pk", "sk", "lane", "due_at", "ended", "list", "place", "named"] {
        let is_time = ["due_at", "ended"].contains(&attribute);
        let kind = if is_time { ScalarAttributeType::N } else { ScalarAttributeType::S };
        let definition =
            AttributeDefinition::builder().attribute_name(attribute).attribute_type(kind);
        table = table.attribute_definitions(done("an attribute", definition.build()));
    }
    let key = |attribute: &str, kind: KeyType| {
        let key = KeySchemaElement::builder().attribute_name(attribute).key_type(kind);
        done("a key", key.build())
    };
    for (attribute, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        table = table.key_schema(key(attribute, kind));
    }
    let indexes = [
        ("due", "lane", Some("due_at"), ProjectionType::KeysOnly),
        ("listed", "list", Some("place"), ProjectionType::All),
        ("named", "named", None, ProjectionType::KeysOnly),
    ];
    for (index, hash, range, carries) in indexes {
        let index = GlobalSecondaryIndex::builder()
            .index_name(index)
            .key_schema(key(hash, KeyType::Hash))
            .projection(Projection::builder().projection_type(carries).build());
        let index = match range {
            Some(range) => index.key_schema(key(range, KeyType::Range)),
            None => index,
        };
        table = table.global_secondary_indexes(done("an index", index.build()));
    }
    let ended = LocalSecondaryIndex::builder()
        .index_name("ended")
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("ended", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    let table = table.local_secondary_indexes(done("an index", ended.build()));
    done("a table", table.send().await);
}

fn done<T, E: std::fmt::Debug>(what: &str, made: Result<T, E>) -> T {
    match made {
        Ok(made) => made,
        Err(error) => panic!("{what} cannot be made: {error:?}"),
    }
}

/// The last 40 bits, which are random. A longer word would not leave room for Lambda's long object keys: the stand-in for
/// S3 makes a file name of bucket and key.
const WORD_START: usize = 22;
/// Keys of the form that provisioning writes; they protect nothing.
const KEYS: &str = r#"{"version":1,"currentEpoch":1,
  "rootKeys":{"1":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
  "sealKey":"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f"}"#;
const CURSOR_KEY: &str = r#"{"version":1,
  "cursorKey":"e0e1e2e3e4e5e6e7e8e9eaebecedeeef101112131415161718191a1b1c1d1e1f"}"#;
