//! Keys as an installation on AWS keeps them: the root in a secret, or in a key service that never gives it away.

use aws_sdk_dynamodb::{Client as DynamoDb, types::AttributeValue};
use contract::OrgId;
use domain::pseudonym::{OrgKey, Pseudonymiser};

use super::{KeyError, KeySource};

/// The root key lies in a secret of Secrets Manager, in the form in which the suite keeps it.
///
/// It needs `secretsmanager:GetSecretValue` on the secret and `dynamodb:GetItem` on the reference table, and asks each
/// once.
#[cfg(feature = "secrets")]
#[derive(Debug)]
pub struct SecretKey {
    secrets: aws_sdk_secretsmanager::Client,
    secret: String,
    salts: Salts,
}

#[cfg(feature = "secrets")]
impl SecretKey {
    /// The keys of `secret`; `reference_table` holds the organisations.
    #[must_use]
    pub fn new(
        secrets: aws_sdk_secretsmanager::Client,
        secret: impl Into<String>,
        dynamodb: DynamoDb,
        reference_table: impl Into<String>,
    ) -> Self {
        Self {
            secrets,
            secret: secret.into(),
            salts: Salts { dynamodb, table: reference_table.into() },
        }
    }
}

#[cfg(feature = "secrets")]
impl KeySource for SecretKey {
    async fn pseudonymiser(&self, org: &OrgId) -> Result<Pseudonymiser, KeyError> {
        let salt = self.salts.of(org).await?;
        let found = self.secrets.get_secret_value().secret_id(&self.secret).send().await;
        let found = found.map_err(|_| unavailable("the secret cannot be read"))?;
        let keys = domain::key_file::read(found.secret_string().unwrap_or_default())
            .map_err(|_| unavailable("the secret holds no keys"))?;
        let root = keys.root.ok_or(unavailable("the root key lies in the key service"))?;
        let key = OrgKey::derive(&root, keys.epoch, org, &salt);
        Ok(Pseudonymiser::new(org.clone(), &key))
    }
}

/// The root key is an `HMAC_256` key of KMS, which no host ever sees.
///
/// It needs `kms:GenerateMac` on the key and `dynamodb:GetItem` on the reference table, and asks each once.
#[cfg(feature = "kms")]
#[derive(Debug)]
pub struct KmsKey {
    kms: aws_sdk_kms::Client,
    key: String,
    epoch: u32,
    salts: Salts,
}

#[cfg(feature = "kms")]
impl KmsKey {
    /// The key under which tokens of `epoch` are made; `reference_table` holds the organisations.
    #[must_use]
    pub fn new(
        kms: aws_sdk_kms::Client,
        key: impl Into<String>,
        epoch: u32,
        dynamodb: DynamoDb,
        reference_table: impl Into<String>,
    ) -> Self {
        let salts = Salts { dynamodb, table: reference_table.into() };
        Self { kms, key: key.into(), epoch, salts }
    }
}

#[cfg(feature = "kms")]
impl KeySource for KmsKey {
    async fn pseudonymiser(&self, org: &OrgId) -> Result<Pseudonymiser, KeyError> {
        let salt = self.salts.of(org).await?;
        let message = OrgKey::mac_message(self.epoch, org, &salt);
        let mac = self
            .kms
            .generate_mac()
            .key_id(&self.key)
            .mac_algorithm(aws_sdk_kms::types::MacAlgorithmSpec::HmacSha256)
            .message(aws_sdk_kms::primitives::Blob::new(message));
        let mac = mac.send().await.map_err(|_| unavailable("the key service refuses"))?;
        let mac = mac.mac().and_then(|mac| <[u8; 32]>::try_from(mac.as_ref()).ok());
        let mac = mac.ok_or(unavailable("the key service answered with another MAC"))?;
        Ok(Pseudonymiser::new(org.clone(), &OrgKey::from_mac(mac, self.epoch)))
    }
}

/// Where an organisation's salt lies.
#[derive(Debug)]
struct Salts {
    dynamodb: DynamoDb,
    table: String,
}

impl Salts {
    async fn of(&self, org: &OrgId) -> Result<[u8; 32], KeyError> {
        let get = self
            .dynamodb
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S("ORG".to_owned()))
            .key("sk", AttributeValue::S(org.to_string()))
            .projection_expression("salt");
        let found = get.send().await.map_err(|_| unavailable("the organisation cannot be read"))?;
        let item = found.item.ok_or(KeyError::UnknownOrg)?;
        let salt = item.get("salt").and_then(|salt| salt.as_b().ok());
        let salt = salt.and_then(|salt| <[u8; 32]>::try_from(salt.as_ref()).ok());
        salt.ok_or(unavailable("the organisation has no salt"))
    }
}

fn unavailable(why: &'static str) -> KeyError {
    KeyError::Unavailable { why }
}
