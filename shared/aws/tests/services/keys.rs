//! Keys, secrets and what is known about organisations: what is kept in a process, and for whom.

use aws::{
    Cloud,
    resources::{Resource, Resources},
    secrets::{Reference, StoredCredentials},
};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use contract::{OrgId, ProductId, Timestamp, event::Assignment};
use domain::{
    api_key::Scope,
    pseudonym::{Kind, OrgKey, Pseudonymiser},
};
use ports::{
    endpoint::{ConnectorSecrets as _, Freshness},
    keys::{ApiKeyRecord, ApiKeys as _, PseudonymKeys as _},
    reference::{Organisations as _, Reference as _, Subject},
};

use crate::{
    support::{Rig, acme, now},
    wire::Reply,
};

#[test]
fn an_organisation_whose_answer_was_lost_was_created_by_us() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.wire.script("PutItem", Reply::Lost);
        assert!(rig.cloud.create(&acme()).await.unwrap());
        assert_eq!(rig.wire.asked("PutItem").len(), 2);
        assert!(!rig.other().create(&acme()).await.unwrap());
    });
}

fn subject(number: usize) -> Subject {
    Subject { org: acme(), product: ProductId::default(), actor: format!("u1.1.{number}") }
}

fn assignment(variant: &str) -> Assignment {
    Assignment {
        experiment_id: "exp".to_owned(),
        variant_id: variant.to_owned(),
        assigned_at: now(),
        time_since_assignment: None,
    }
}

#[test]
fn assignments_are_asked_for_once_the_absent_ones_too() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.other().assign(&[(subject(1), assignment("a"))]).await.unwrap();
        let asked = [subject(0), subject(1), subject(2)];
        for _ in 0..3 {
            let found = rig.cloud.assignments(&asked).await.unwrap();
            assert_eq!(found, [None, Some(assignment("a")), None]);
        }
        assert_eq!(rig.wire.asked("BatchGetItem").len(), 1);
        // What this process assigns, it knows at once.
        rig.cloud.assign(&[(subject(0), assignment("b"))]).await.unwrap();
        assert_eq!(rig.cloud.assignments(&asked).await.unwrap()[0], Some(assignment("b")));
    });
}

#[test]
fn more_subjects_than_one_call_takes_are_all_answered() {
    standin::run(async {
        let rig = Rig::open().await;
        let known: Vec<_> = (0..250).step_by(2).map(|n| (subject(n), assignment("a"))).collect();
        rig.cloud.assign(&known).await.unwrap();
        let asked: Vec<_> = (0..250).map(subject).collect();
        let found = rig.other().assignments(&asked).await.unwrap();
        assert_eq!(found.len(), 250);
        assert!(found.iter().enumerate().all(|(n, found)| found.is_some() == (n % 2 == 0)));
    });
}

#[test]
fn a_callers_key_is_asked_for_once_and_an_unknown_one_each_time() {
    standin::run(async {
        let rig = Rig::open().await;
        let key = ApiKeyRecord {
            key_id: "k1".to_owned(),
            secret_hash: [7; 32],
            orgs: vec![acme()],
            scopes: vec![Scope::Ingest],
            created_at: Timestamp::from_ms(5),
            revoked_at: None,
        };
        rig.other().put(&key).await.unwrap();
        for _ in 0..3 {
            assert_eq!(rig.cloud.find("k1").await.unwrap().as_ref(), Some(&key));
            assert_eq!(rig.cloud.find("k2").await.unwrap(), None);
        }
        assert_eq!(rig.wire.asked("GetItem").len(), 1 + 3);
        let revoked = ApiKeyRecord { revoked_at: Some(now()), ..key };
        rig.cloud.put(&revoked).await.unwrap();
        assert_eq!(rig.cloud.find("k1").await.unwrap(), Some(revoked));
        assert_eq!(rig.cloud.find("").await.unwrap(), None);
    });
}

#[test]
fn pseudonyms_cost_no_call_after_the_first() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.other().create(&acme()).await.unwrap();
        for _ in 0..3 {
            assert!(rig.cloud.pseudonymiser(&acme()).await.unwrap().is_some());
            rig.cloud.seal_key().await.unwrap();
        }
        assert_eq!(rig.wire.asked("GetSecretValue").len(), 1);
        assert_eq!(rig.wire.asked("GetItem").len(), 1);
    });
}

#[test]
fn a_malformed_secret_is_told_without_its_content() {
    standin::run(async {
        let rig = Rig::open().await;
        let secret = r#"{"version":1,"currentEpoch":1,"rootKeys":{"1":"anna"},"sealKey":"otto"}"#;
        let put = rig.corner.access().secrets().put_secret_value();
        let put = put.secret_id(rig.corner.name(Resource::PseudonymSecret)).secret_string(secret);
        put.send().await.unwrap();
        let error = rig.cloud.seal_key().await.unwrap_err();
        assert!(!error.transient);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("anna") && !shown.contains("otto"), "{shown}");
    });
}

/// A process whose root of pseudonyms lies in KMS.
async fn with_kms(rig: &Rig) -> (Cloud, String) {
    let create = rig.corner.access().kms().create_key();
    let create = create.key_spec(KeySpec::Hmac256).key_usage(KeyUsageType::GenerateVerifyMac);
    let key = create.send().await.unwrap().key_metadata.unwrap().key_id;
    let named = Resource::ALL.map(|resource| (resource, rig.corner.name(resource).to_owned()));
    let kms = (Resource::PseudonymKmsKey, key.clone());
    let resources = Resources::named(named.into_iter().chain([kms]));
    let access = rig.corner.access().clone().with_http(rig.wire.client());
    (Cloud::new(&access, resources), key)
}

#[test]
fn with_a_key_of_kms_the_organisations_key_is_its_mac_over_the_documented_message() {
    standin::run(async {
        let rig = Rig::open().await;
        let (cloud, key) = with_kms(&rig).await;
        cloud.create(&acme()).await.unwrap();
        let by_kms = cloud.pseudonymiser(&acme()).await.unwrap().unwrap();
        let item = rig.corner.access().dynamodb().get_item();
        let item = item
            .table_name(rig.corner.name(Resource::Reference))
            .key("pk", aws_sdk_dynamodb::types::AttributeValue::S("ORG".to_owned()))
            .key("sk", aws_sdk_dynamodb::types::AttributeValue::S("acme".to_owned()));
        let item = item.send().await.unwrap().item.unwrap();
        let salt: [u8; 32] = item["salt"].as_b().unwrap().as_ref().try_into().unwrap();
        let mac = rig.corner.access().kms().generate_mac().key_id(key);
        let mac = mac
            .mac_algorithm(aws_sdk_kms::types::MacAlgorithmSpec::HmacSha256)
            .message(aws_sdk_kms::primitives::Blob::new(OrgKey::mac_message(1, &acme(), &salt)));
        let mac: [u8; 32] = mac.send().await.unwrap().mac.unwrap().as_ref().try_into().unwrap();
        let expected = Pseudonymiser::new(acme(), &OrgKey::from_mac(mac, 1));
        let token = |pseudonymiser: &Pseudonymiser| pseudonymiser.token(Kind::User, "someone");
        assert_eq!(token(&by_kms), token(&expected));
        // The root in the secret is not used.
        let by_secret = rig.other().pseudonymiser(&acme()).await.unwrap().unwrap();
        assert_ne!(token(&by_kms), token(&by_secret));
        cloud.pseudonymiser(&acme()).await.unwrap();
        assert_eq!(rig.wire.asked("GenerateMac").len(), 1, "derived once per organisation");
    });
}

async fn put_secret(rig: &Rig, name: &str, text: &str) {
    let secrets = rig.corner.access().secrets();
    let put = secrets.put_secret_value().secret_id(name).secret_string(text).send().await;
    if put.is_err() {
        secrets.create_secret().name(name).secret_string(text).send().await.unwrap();
    }
}

const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn credentials_are_kept_until_fresh_ones_are_asked_for() {
    standin::run(async {
        let rig = Rig::open().await;
        let name = rig.corner.name(Resource::PseudonymSecret).to_owned() + "-connector";
        put_secret(&rig, &name, &format!(r#"{{"key":"k1","signing":"{SIGNING}"}}"#)).await;
        let reference = |field: &str| Reference::parse(&format!("secret:{name}#{field}"));
        let credentials =
            StoredCredentials::new(rig.cloud.clone(), reference("key"), reference("signing"));
        for _ in 0..3 {
            credentials.credentials(&acme(), Freshness::Recent).await.unwrap();
        }
        assert_eq!(rig.wire.asked("GetSecretValue").len(), 1);
        put_secret(&rig, &name, r#"{"key":"k1","signing":"whsec_oops"}"#).await;
        credentials.credentials(&acme(), Freshness::Recent).await.unwrap();
        let error = credentials.credentials(&acme(), Freshness::Now).await.unwrap_err();
        assert!(error.transient && !format!("{error:?}").contains("oops"), "{error:?}");
    });
}

#[test]
fn an_organisation_may_have_credentials_of_its_own() {
    standin::run(async {
        let rig = Rig::open().await;
        let prefix = rig.corner.name(Resource::PseudonymSecret).to_owned();
        put_secret(&rig, &format!("{prefix}/acme"), "k1").await;
        let key = Reference::parse(&format!("secret:{prefix}/{{org}}"));
        let credentials = StoredCredentials::new(rig.cloud.clone(), key, Reference::parse(SIGNING));
        credentials.credentials(&acme(), Freshness::Recent).await.unwrap();
        let globex = OrgId::parse("globex").unwrap();
        assert!(credentials.credentials(&globex, Freshness::Recent).await.is_err());
    });
}
