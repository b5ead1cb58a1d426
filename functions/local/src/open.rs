//! Opening a data directory, or a stage deployed to AWS.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use contract::OrgId;
use embedded::{Options, Store};
use friction::policy::SessionPolicy;
use ports::reference::Organisations;

use crate::{cli::PlaceArgs, output};

/// What a command works on.
pub(crate) enum Place {
    /// A data directory.
    Directory(Store),
    /// A deployed stage.
    #[cfg(feature = "aws")]
    Stage(aws::Cloud),
}

impl Place {
    /// That of whoever makes its sessions otherwise, but without waiting for anything.
    pub(crate) fn session_policy(&self) -> SessionPolicy {
        let usual = match self {
            Self::Directory(_) => SessionPolicy::whole_horizon(),
            #[cfg(feature = "aws")]
            Self::Stage(_) => SessionPolicy::nine_days(),
        };
        SessionPolicy { live_ms: Some(0), ..usual }
    }
}

/// Does the same with whatever a place is.
macro_rules! at {
    ($place:expr, $world:ident => $work:expr) => {
        match $place {
            $crate::open::Place::Directory($world) => $work,
            #[cfg(feature = "aws")]
            $crate::open::Place::Stage($world) => $work,
        }
    };
}
pub(crate) use at;

impl PlaceArgs {
    /// The place, which must exist: reading commands never make one by a mistyped name.
    pub(crate) fn existing(&self) -> anyhow::Result<Place> {
        #[cfg(feature = "aws")]
        if let Some(stage) = &self.stage {
            return crate::stage::open(stage).map(Place::Stage);
        }
        existing(&self.data_dir).map(Place::Directory)
    }

    /// The data directory, which must exist: for what belongs to one machine.
    pub(crate) fn directory(&self) -> anyhow::Result<Store> {
        #[cfg(feature = "aws")]
        if let Some(stage) = &self.stage {
            bail!("the stage {stage} is no data directory: name one with --data-dir");
        }
        existing(&self.data_dir)
    }

    /// The place; a data directory is made when it does not exist.
    pub(crate) fn or_create(&self) -> anyhow::Result<Place> {
        #[cfg(feature = "aws")]
        if let Some(stage) = &self.stage {
            return crate::stage::open(stage).map(Place::Stage);
        }
        or_create(&self.data_dir).map(Place::Directory)
    }
}

/// Opens a data directory that exists: reading commands never make one by a mistyped path.
pub(crate) fn existing(dir: &Path) -> anyhow::Result<Store> {
    if !dir.join(embedded::DATABASE).exists() {
        bail!("{} is no data directory; `tribo local --data-dir` makes one", dir.display());
    }
    with(dir, Options::default())
}

/// Refuses an organisation that nobody made: a mistyped name would look like one without events.
pub(crate) async fn known<W: Organisations>(world: &W, org: Option<&OrgId>) -> anyhow::Result<()> {
    let Some(org) = org else { return Ok(()) };
    if Organisations::list(world).await?.contains(org) {
        return Ok(());
    }
    Err(unknown(org))
}

/// There is no such organisation.
pub(crate) fn unknown(org: &OrgId) -> anyhow::Error {
    anyhow!("no organisation {org}; `tribo orgs list` shows them")
}

/// Opens a data directory, and makes it, with keys of its own, when it does not exist; which is said, in case the path
/// was mistyped.
pub(crate) fn or_create(dir: &Path) -> anyhow::Result<Store> {
    let is_new = !dir.join(embedded::DATABASE).exists();
    let world = with(dir, Options::default())?;
    if is_new {
        output::note(&format!("{} is a new data directory", dir.display()));
    }
    Ok(world)
}

/// Opens or makes a data directory as the options say.
pub(crate) fn with(dir: &Path, options: Options) -> anyhow::Result<Store> {
    let is_used = dir.join(embedded::DATABASE).exists();
    if is_used && !dir.join(embedded::KEY_FILE).exists() {
        bail!(
            "{0} holds a database but not its {1}: with other keys everybody would get another token and nothing in \
             quarantine could be opened. Put {1} back; a directory that never took an event can be removed instead",
            dir.display(),
            embedded::KEY_FILE
        );
    }
    let store =
        Store::open(dir, options).with_context(|| format!("cannot open {}", dir.display()))?;
    store
        .create_keys_if_absent()
        .with_context(|| format!("cannot make keys in {}", dir.display()))?;
    Ok(store)
}
