//! The archive: objects of a bucket, under keys that name their content.

use ports::{PortResult, archive::Archive};

use crate::{Cloud, resources::Resource};

impl Archive for Cloud {
    async fn write(&self, key: &str, bytes: &[u8]) -> PortResult<()> {
        self.put_object("archive.write", Resource::Archive, key, bytes).await
    }

    async fn read(&self, key: &str) -> PortResult<Option<Vec<u8>>> {
        self.get_object("archive.read", Resource::Archive, key).await
    }

    async fn list(&self, prefix: &str) -> PortResult<Vec<String>> {
        self.list_keys("archive.list", Resource::Archive, prefix).await
    }
}
