//! Pseudonymisation keys: a secret of Secrets Manager, and where it is used the key of KMS that never leaves it.
//!
//! The secret has the form of [`domain::key_file`]. With a key of KMS (`HMAC_256`) the root of the current epoch is that
//! key: the organisation's key is the MAC that KMS computes over [`OrgKey::mac_message`], so that nobody who reads the
//! secret or the salts can make a token. The seal key is read from the secret in both cases.

use std::{sync::Arc, time::Duration};

use contract::OrgId;
use domain::{
    key_file::{self, Keys},
    pseudonym::{OrgKey, Pseudonymiser, RootKey},
    seal::SealKey,
};
use ports::{PortError, PortResult, endpoint::Freshness, keys::PseudonymKeys};

use crate::{Cloud, cache::Cache, resources::Resource};

impl PseudonymKeys for Cloud {
    async fn pseudonymiser(&self, org: &OrgId) -> PortResult<Option<Arc<Pseudonymiser>>> {
        let keys = self.keys().await?;
        let known = self.0.pseudonyms.derived.get(org);
        if let Some(known) = known.filter(|known| known.epoch() == keys.epoch) {
            return Ok(Some(known));
        }
        let Some(salt) = self.salt(org).await? else { return Ok(None) };
        let key = self.org_key(&keys, org, &salt).await?;
        let derived = Arc::new(Pseudonymiser::new(org.clone(), &key));
        self.0.pseudonyms.derived.keep(org.clone(), Arc::clone(&derived));
        Ok(Some(derived))
    }

    async fn seal_key(&self) -> PortResult<Arc<SealKey>> {
        Ok(Arc::clone(&self.keys().await?.seal))
    }
}

/// The installation's keys, and what was derived from them.
pub(crate) struct Pseudonyms {
    ring: Cache<(), Arc<Ring>>,
    derived: Cache<OrgId, Arc<Pseudonymiser>>,
}

impl Default for Pseudonyms {
    fn default() -> Self {
        // How old the secret may be is seen to where it is read; here it only need not be read for every event.
        Self { ring: Cache::new(RING_FRESH, 1), derived: Cache::new(DERIVED_FRESH, DERIVED_MAX) }
    }
}

struct Ring {
    epoch: u32,
    root: Option<RootKey>,
    seal: Arc<SealKey>,
}

impl Cloud {
    async fn keys(&self) -> PortResult<Arc<Ring>> {
        if let Some(ring) = self.0.pseudonyms.ring.get(&()) {
            return Ok(ring);
        }
        let id = self.resources().name(Resource::PseudonymSecret)?;
        let text = self.secret(id, Freshness::Recent).await?;
        let keys = key_file::read(&text);
        let Keys { epoch, root, seal } =
            keys.map_err(|error| PortError::permanent("pseudonyms.keys", error))?;
        let ring = Arc::new(Ring { epoch, root, seal: Arc::new(seal) });
        self.0.pseudonyms.ring.keep((), Arc::clone(&ring));
        Ok(ring)
    }

    async fn org_key(&self, keys: &Ring, org: &OrgId, salt: &[u8; 32]) -> PortResult<OrgKey> {
        match (self.resources().optional(Resource::PseudonymKmsKey), &keys.root) {
            (Some(key), _) => self.mac(key, keys.epoch, org, salt).await,
            (None, Some(root)) => Ok(OrgKey::derive(root, keys.epoch, org, salt)),
            (None, None) => Err(PortError::permanent(OPERATION, "the secret holds no root key")),
        }
    }

    #[cfg(feature = "kms")]
    async fn mac(&self, key: &str, epoch: u32, org: &OrgId, salt: &[u8; 32]) -> PortResult<OrgKey> {
        use aws_sdk_kms::{primitives::Blob, types::MacAlgorithmSpec};
        let message = OrgKey::mac_message(epoch, org, salt);
        let generate = self.0.kms.generate_mac().key_id(key).message(Blob::new(message));
        let answer = generate.mac_algorithm(MacAlgorithmSpec::HmacSha256).send().await;
        let answer = answer.map_err(|error| crate::fault::port_error(OPERATION, error))?;
        let mac = answer.mac.map(|mac| zeroize::Zeroizing::new(mac.into_inner()));
        let mac = mac.and_then(|mac| <[u8; 32]>::try_from(mac.as_slice()).ok());
        let mac =
            mac.ok_or_else(|| PortError::permanent(OPERATION, "a MAC that is not 32 bytes"))?;
        Ok(OrgKey::from_mac(mac, epoch))
    }

    #[cfg(not(feature = "kms"))]
    #[expect(clippy::unused_async, reason = "with KMS it waits")]
    async fn mac(&self, _: &str, _: u32, _: &OrgId, _: &[u8; 32]) -> PortResult<OrgKey> {
        Err(PortError::permanent(OPERATION, "this function was built without KMS"))
    }
}

const OPERATION: &str = "pseudonyms.derive";
/// With the secret's own age this stays within five minutes.
const RING_FRESH: Duration = Duration::from_secs(1);
/// A key of an organisation that is gone lives on for as long.
const DERIVED_FRESH: Duration = Duration::from_secs(3_600);
const DERIVED_MAX: usize = 10_000;
