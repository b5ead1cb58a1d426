//! Objects of buckets: written, read, listed, deleted.

use std::ops::RangeInclusive;

use aws_sdk_s3::{
    error::SdkError,
    operation::get_object::{GetObjectError, builders::GetObjectFluentBuilder},
    primitives::ByteStream,
};
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
        let list = self.0.s3.list_objects_v2().bucket(self.resources().name(bucket)?);
        let mut pages = list.prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error(operation, error))?;
            keys.extend(
                page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key),
            );
        }
        Ok(keys)
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
