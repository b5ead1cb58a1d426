//! Objects of buckets: written, read, listed, deleted.

use std::ops::RangeInclusive;

use aws_sdk_s3::{
    error::SdkError,
    operation::get_object::{GetObjectError, builders::GetObjectFluentBuilder},
    primitives::ByteStream,
};
use contract::Timestamp;
use ports::{PortError, PortResult};

use crate::{Cloud, fault::port_error, resources::Resource};

impl Cloud {
    /// Writes an object, in the place of one that is there.
    pub(crate) async fn put_object(
        &self,
        operation: &'static str,
        bucket: Resource,
        key: &str,
        bytes: &[u8],
    ) -> PortResult<()> {
        let put = self.0.s3.put_object().bucket(self.resources().name(bucket)?).key(key);
        let put = put.body(ByteStream::from(bytes.to_vec()));
        put.send().await.map(drop).map_err(|error| port_error(operation, error))
    }

    /// An object, or nothing.
    pub(crate) async fn get_object(
        &self,
        operation: &'static str,
        bucket: Resource,
        key: &str,
    ) -> PortResult<Option<Vec<u8>>> {
        let get = self.0.s3.get_object().bucket(self.resources().name(bucket)?).key(key);
        fetch(operation, get).await
    }

    /// These bytes of an object, as far as it has them; nothing of an object that does not begin before their end.
    pub(crate) async fn get_part(
        &self,
        operation: &'static str,
        bucket: Resource,
        key: &str,
        bytes: RangeInclusive<usize>,
    ) -> PortResult<Option<Vec<u8>>> {
        let get = self.0.s3.get_object().bucket(self.resources().name(bucket)?).key(key);
        fetch(operation, get.range(format!("bytes={}-{}", bytes.start(), bytes.end()))).await
    }

    /// The keys that begin with `prefix`, ascending.
    pub(crate) async fn list_keys(
        &self,
        operation: &'static str,
        bucket: Resource,
        prefix: &str,
    ) -> PortResult<Vec<String>> {
        let dated = self.list_dated(operation, bucket, prefix).await?;
        Ok(dated.into_iter().map(|(key, _)| key).collect())
    }

    /// The keys that begin with `prefix`, ascending, each with the time of writing.
    pub(crate) async fn list_dated(
        &self,
        operation: &'static str,
        bucket: Resource,
        prefix: &str,
    ) -> PortResult<Vec<(String, Timestamp)>> {
        let list = self.0.s3.list_objects_v2().bucket(self.resources().name(bucket)?);
        let mut pages = list.prefix(prefix).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(operation, error))?;
            for object in page.contents.unwrap_or_default() {
                let written = object.last_modified.and_then(|at| at.to_millis().ok());
                let written = Timestamp::from_ms(written.unwrap_or_default());
                found.extend(object.key.map(|key| (key, written)));
            }
        }
        Ok(found)
    }

    /// Deletes an object; one that is not there is deleted already.
    pub(crate) async fn delete_object(
        &self,
        operation: &'static str,
        bucket: Resource,
        key: &str,
    ) -> PortResult<()> {
        let delete = self.0.s3.delete_object().bucket(self.resources().name(bucket)?).key(key);
        delete.send().await.map(drop).map_err(|error| port_error(operation, error))
    }
}

async fn fetch(
    operation: &'static str,
    get: GetObjectFluentBuilder,
) -> PortResult<Option<Vec<u8>>> {
    let object = match get.send().await {
        Ok(object) => object,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(port_error(operation, error)),
    };
    let bytes = object.body.collect().await;
    bytes.map(|bytes| Some(bytes.to_vec())).map_err(|error| PortError::transient(operation, error))
}

/// No such object, or one without the bytes that were asked for.
fn is_absence<R>(error: &SdkError<GetObjectError, R>) -> bool {
    error
        .as_service_error()
        .is_some_and(|error| error.is_no_such_key() || error.meta().code() == Some("InvalidRange"))
}
