//! The bytes of a request: how they are written, how many there are, and how long they may take.

use std::{io::Read, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
};
use contract::{
    Code,
    limits::{BODY_BYTES_MAX, DECOMPRESSION_RATIO_MAX},
};
use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::time::timeout;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// Judges what the headers say about the body, before any of it is read.
pub(crate) fn announced(headers: &HeaderMap) -> Result<Encoding, Code> {
    if !is_json(headers) {
        return Err(Code::UnsupportedMediaType);
    }
    let encoding = encoding(headers)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    if usize::try_from(length).is_ok_and(|length| length <= BODY_BYTES_MAX) {
        Ok(encoding)
    } else {
        Err(Code::PayloadTooLarge)
    }
}

/// Reads the body and inflates it.
pub(crate) async fn read(body: Body, encoding: Encoding, limit: Duration) -> Result<Bytes, Code> {
    let wire = timeout(limit, collect(body)).await.map_err(|_| Code::RequestTimeout)??;
    match encoding {
        Encoding::Identity => Ok(wire),
        Encoding::Gzip => inflate(MultiGzDecoder::new(wire.as_ref()), wire.len()),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(wire.as_ref())
                .map_err(|_| Code::InvalidEncoding)?;
            decoder.window_log_max(WINDOW_LOG_MAX).map_err(|_| Code::InvalidEncoding)?;
            inflate(decoder, wire.len())
        }
    }
}

/// Reads on and forgets: a client that is still writing would see its connection reset before it sees the answer.
/// Bounded, and not for a client that waits to be told to go on.
pub(crate) async fn discard(headers: &HeaderMap, mut body: Body) {
    let mut left = DISCARD_BYTES_MAX;
    while !headers.contains_key(header::EXPECT) && left > 0 {
        match timeout(DISCARD_IDLE, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                left = left.saturating_sub(frame.data_ref().map_or(1, Bytes::len).max(1));
            }
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

async fn collect(mut body: Body) -> Result<Bytes, Code> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // The client went away or wrote no HTTP; nobody will read the answer.
        let frame = frame.map_err(|_| Code::InvalidEncoding)?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            discard(&HeaderMap::new(), body).await;
            return Err(Code::PayloadTooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes.into())
}

/// Events of one source are so alike that a full batch of them may well shrink to a fortieth, so that the ratio is asked
/// of large bodies only; the size is asked of all.
fn inflate(mut decoder: impl Read, wire_bytes: usize) -> Result<Bytes, Code> {
    let by_ratio = wire_bytes.saturating_mul(DECOMPRESSION_RATIO_MAX);
    let most = by_ratio.clamp(RATIO_FREE_BYTES, BODY_BYTES_MAX);
    let mut inflated = Vec::with_capacity(most.min(4 * wire_bytes));
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let count = decoder.read(&mut chunk).map_err(|_| Code::InvalidEncoding)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
        if inflated.len() + read.len() > most {
            return Err(Code::DecompressedTooLarge);
        }
        inflated.extend_from_slice(read);
    }
    let is_compressed_again = inflated.starts_with(GZIP_MAGIC) || inflated.starts_with(ZSTD_MAGIC);
    if is_compressed_again { Err(Code::InvalidEncoding) } else { Ok(inflated.into()) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (values.next().map(HeaderValue::to_str), values.next()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| {
            parameter.is_empty()
                || parameter.split_once('=').is_some_and(|(name, value)| {
                    name.eq_ignore_ascii_case("charset")
                        && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
                })
        })
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Code> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    match (values.next().map(|value| value.as_bytes().to_ascii_lowercase()), values.next()) {
        (None, _) => Ok(Encoding::Identity),
        (Some(name), None) => match name.as_slice() {
            b"identity" | b"" => Ok(Encoding::Identity),
            b"gzip" | b"x-gzip" => Ok(Encoding::Gzip),
            b"zstd" => Ok(Encoding::Zstd),
            _ => Err(Code::UnsupportedEncoding),
        },
        (Some(_), Some(_)) => Err(Code::UnsupportedEncoding),
    }
}

const CHUNK_BYTES: usize = 16 * 1024;
const RATIO_FREE_BYTES: usize = 256 * 1024;
/// 8 MiB: what RFC 8878 asks every decoder to have.
const WINDOW_LOG_MAX: u32 = 23;
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const DISCARD_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;
const DISCARD_IDLE: Duration = Duration::from_millis(200);
