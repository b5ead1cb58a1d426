//! Compression of archive objects: deterministic, so that a retry writes the same bytes.

use std::fmt;

use libdeflater::{CompressionLvl, Compressor};

/// A compressor and its output, kept from object to object.
pub struct Gzip {
    compressor: Compressor,
    packed: Vec<u8>,
}

impl Gzip {
    /// `bytes` as one gzip member without a time and without a name. The answer lives until the next call.
    pub fn pack(&mut self, bytes: &[u8]) -> &[u8] {
        let bound = self.compressor.gzip_compress_bound(bytes.len());
        if self.packed.len() < bound {
            self.packed.resize(bound, 0);
        }
        let packed = self.compressor.gzip_compress(bytes, &mut self.packed);
        #[expect(
            clippy::expect_used,
            reason = "the only failure is an output smaller than the bound asked for above"
        )]
        let length = packed.expect("the output holds the bound");
        self.packed.get(..length).unwrap_or_default()
    }
}

impl Default for Gzip {
    fn default() -> Self {
        let level = CompressionLvl::new(LEVEL).unwrap_or_default();
        Self { compressor: Compressor::new(level), packed: Vec::new() }
    }
}

impl fmt::Debug for Gzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gzip").field("packed_bytes", &self.packed.len()).finish_non_exhaustive()
    }
}

/// libdeflate's own default: faster and smaller than zlib's level 6 on these lines.
const LEVEL: i32 = 6;

#[cfg(test)]
mod tests {
    use libdeflater::Decompressor;

    use super::*;

    #[test]
    fn what_was_packed_unpacks_and_packing_again_gives_the_same_bytes() {
        let text = "{\"eventId\":\"e.1\"}\n".repeat(1_000);
        let mut gzip = Gzip::default();
        let packed = gzip.pack(text.as_bytes()).to_vec();
        assert!(packed.len() * 20 < text.len());
        assert_eq!(&packed[..10], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], "no time, no name");
        let mut unpacked = vec![0; text.len()];
        let length = Decompressor::new().gzip_decompress(&packed, &mut unpacked).unwrap();
        assert_eq!(&unpacked[..length], text.as_bytes());
        assert!(gzip.pack(b"short").len() < 64, "a later, shorter object ends where it ends");
        assert_eq!(gzip.pack(text.as_bytes()), packed);
        assert_eq!(Gzip::default().pack(text.as_bytes()), packed);
    }
}
