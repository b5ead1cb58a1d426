//! The request: the batch's own bytes, compressed where the profile says so, and the headers that sign them.

use std::io::Write;

use contract::{OrgId, Timestamp};
use domain::profile::{Credentials, Encoding};
use flate2::{Compression, GzBuilder};
use ports::{delivery::NewBatch, endpoint::DeliveryRequest};

use crate::Settings;

/// One attempt at a batch. What travels depends on the batch alone: only time and signature differ between attempts.
pub(crate) fn request(
    settings: &Settings,
    org: &OrgId,
    batch: &NewBatch,
    credentials: &Credentials,
    now: Timestamp,
) -> DeliveryRequest {
    let profile = &settings.profile;
    let body = match profile.encoding {
        Encoding::Identity => batch.body.clone(),
        Encoding::Gzip => compressed(&batch.body),
    };
    let headers = profile.request_headers(batch, &body, org, &settings.sender, credentials, now);
    DeliveryRequest { org: org.clone(), path: profile.path.clone(), headers, body }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    #[expect(clippy::expect_used, reason = "writing into memory does not fail")]
    {
        gzip.write_all(body).expect("memory");
        gzip.finish().expect("memory")
    }
}
