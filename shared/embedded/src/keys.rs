//! Keys: pseudonymisation and quarantine keys in a file of their own, callers' keys in the database.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use contract::{OrgId, Timestamp};
use domain::{
    api_key::Scope,
    key_file,
    pseudonym::{OrgKey, Pseudonymiser, RootKey},
    seal::SealKey,
};
use ports::{
    PortResult,
    keys::{ApiKeyRecord, ApiKeys, PseudonymKeys},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use zeroize::Zeroizing;

use crate::{
    OpenError, Store,
    fault::Fault,
    rows::{ms, org, time},
    writer::Tx,
};

impl PseudonymKeys for Store {
    async fn pseudonymiser(&self, org: &OrgId) -> PortResult<Option<Arc<Pseudonymiser>>> {
        const OPERATION: &str = "derive an organisation's keys";
        if let Some(known) = self.0.keys.cached(org) {
            return Ok(Some(known));
        }
        let key = org.clone();
        let job = move |connection: &Connection| {
            let mut select = connection.prepare_cached("SELECT salt FROM orgs WHERE org = ?1")?;
            Ok(select.query_row([key.as_str()], |row| row.get::<_, [u8; 32]>(0)).optional()?)
        };
        let Some(salt) = self.query(OPERATION, job).await? else { return Ok(None) };
        self.0.keys.derive(org, &salt).map(Some).map_err(|fault| fault.into_port(OPERATION))
    }

    async fn seal_key(&self) -> PortResult<Arc<SealKey>> {
        let keys = self.0.keys.keys().map_err(|fault| fault.into_port("read the seal key"))?;
        Ok(Arc::clone(&keys.seal))
    }
}

impl ApiKeys for Store {
    async fn find(&self, key_id: &str) -> PortResult<Option<ApiKeyRecord>> {
        let key_id = key_id.to_owned();
        let job = move |connection: &Connection| {
            let sql = format!("SELECT {KEY_COLUMNS} FROM api_keys WHERE key_id = ?1");
            let mut select = connection.prepare_cached(&sql)?;
            let mut found = select.query([key_id])?;
            found.next()?.map(key_record).transpose()
        };
        self.query("find a caller's key", job).await
    }

    async fn put(&self, key: &ApiKeyRecord) -> PortResult<()> {
        let key = key.clone();
        self.write("write a caller's key", 1, move |tx| put(tx, &key)).await
    }

    async fn list(&self) -> PortResult<Vec<ApiKeyRecord>> {
        let job = move |connection: &Connection| {
            let sql = format!("SELECT {KEY_COLUMNS} FROM api_keys ORDER BY created_at, key_id");
            let mut select = connection.prepare_cached(&sql)?;
            let mut found = select.query([])?;
            let mut keys = Vec::new();
            while let Some(row) = found.next()? {
                keys.push(key_record(row)?);
            }
            Ok(keys)
        };
        self.query("list callers' keys", job).await
    }
}

impl Store {
    /// Makes the pseudonymisation and quarantine keys of this installation from the system's random bytes, in a file
    /// of mode 0600; false when there are some already. Until then nothing can be pseudonymised, and no door takes an
    /// event.
    ///
    /// # Errors
    /// The file cannot be written, or the one that exists is not a key file.
    pub fn create_keys_if_absent(&self) -> Result<bool, OpenError> {
        self.0.keys.create_if_absent()
    }
}

/// The installation's keys, read once, and what was derived from them.
pub(crate) struct KeyRing {
    path: PathBuf,
    keys: OnceLock<Keys>,
    derived: RwLock<HashMap<OrgId, Arc<Pseudonymiser>>>,
}

struct Keys {
    epoch: u32,
    root: RootKey,
    seal: Arc<SealKey>,
}

impl KeyRing {
    pub(crate) fn load(directory: &Path) -> Result<Self, OpenError> {
        let ring = Self {
            path: directory.join(KEY_FILE),
            keys: OnceLock::new(),
            derived: RwLock::default(),
        };
        ring.read()?;
        Ok(ring)
    }

    fn keys(&self) -> Result<&Keys, Fault> {
        self.keys.get().ok_or(Fault::Invalid("there is no key file yet"))
    }

    fn cached(&self, org: &OrgId) -> Option<Arc<Pseudonymiser>> {
        self.derived.read().unwrap_or_else(PoisonError::into_inner).get(org).cloned()
    }

    fn derive(&self, org: &OrgId, salt: &[u8; 32]) -> Result<Arc<Pseudonymiser>, Fault> {
        let keys = self.keys()?;
        let key = OrgKey::derive(&keys.root, keys.epoch, org, salt);
        let derived = Arc::new(Pseudonymiser::new(org.clone(), &key));
        let mut all = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(all.entry(org.clone()).or_insert(derived)))
    }

    fn create_if_absent(&self) -> Result<bool, OpenError> {
        let failed = |source| OpenError::Directory { path: self.path.clone(), source };
        if self.path.exists() {
            self.read()?;
            return Ok(false);
        }
        let secret = || random().map(Zeroizing::new);
        let secrets = secret().and_then(|root| Ok((root, secret()?)));
        let (root, seal) = secrets.map_err(|fault| failed(io::Error::other(fault.to_string())))?;
        let created = create(&self.path, &key_file::write(&root, &seal)).map_err(failed)?;
        self.read()?;
        Ok(created)
    }

    /// Reads the file if there is one and it was not read yet.
    fn read(&self) -> Result<(), OpenError> {
        let path = &self.path;
        let failed = |source| OpenError::Directory { path: path.clone(), source };
        let refused = |reason| OpenError::Keys { path: path.clone(), reason };
        let mode = match fs::metadata(path) {
            Ok(found) => found.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        if mode & 0o077 != 0 {
            return Err(refused("others may read the key file: chmod 600"));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        let keys = key_file::read(&text).map_err(|error| refused(error.reason()))?;
        let root = keys.root.ok_or_else(|| refused("there is no root key"))?;
        let seal = Arc::new(keys.seal);
        // Somebody else may have been faster; it is the same file.
        drop(self.keys.set(Keys { epoch: keys.epoch, root, seal }));
        Ok(())
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Writes the file beside its place and links it there, so that it is whole from the start and replaces nothing.
fn create(path: &Path, text: &str) -> io::Result<bool> {
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let mut open = OpenOptions::new();
    let written = open
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    let linked = written.and_then(|()| fs::hard_link(&aside, path));
    drop(fs::remove_file(&aside));
    match linked {
        Ok(()) => {
            if let Some(directory) = path.parent() {
                File::open(directory)?.sync_all()?;
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// 32 bytes nobody can predict.
pub(crate) fn random() -> Result<[u8; 32], Fault> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Fault::Io(io::Error::other("the system gives no random bytes")))?;
    Ok(bytes)
}

fn put(tx: &Tx<'_>, key: &ApiKeyRecord) -> Result<(), Fault> {
    let orgs: Vec<_> = key.orgs.iter().map(OrgId::as_str).collect();
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    tx.execute(
        "INSERT OR REPLACE INTO api_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            key.key_id,
            key.secret_hash,
            orgs.join(","),
            scopes.join(","),
            key.created_at.ms(),
            ms(key.revoked_at)
        ],
    )?;
    Ok(())
}

fn key_record(row: &Row<'_>) -> Result<ApiKeyRecord, Fault> {
    let (orgs, scopes): (String, String) = (row.get(2)?, row.get(3)?);
    let scope = |word: &str| Scope::parse(word).ok_or(Fault::Invalid("a stored scope is not one"));
    Ok(ApiKeyRecord {
        key_id: row.get(0)?,
        secret_hash: row.get(1)?,
        orgs: words(&orgs).map(|name| org(name.to_owned())).collect::<Result<_, _>>()?,
        scopes: words(&scopes).map(scope).collect::<Result<_, _>>()?,
        created_at: Timestamp::from_ms(row.get(4)?),
        revoked_at: time(row.get(5)?),
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|word| !word.is_empty())
}

const KEY_COLUMNS: &str = "key_id, secret_hash, orgs, scopes, created_at, revoked_at";
pub const KEY_FILE: &str = "keys.json";
