//! Looks for planted identifiers in everything that was written: plain, inflated, upper and lower case.

use std::{collections::BTreeSet, io::Read as _, path::Path};

use anyhow::Context as _;

/// How many of `planted` occur in any file below `dir`.
pub(crate) fn count(dir: &Path, planted: &BTreeSet<String>) -> anyhow::Result<Found> {
    let needles: Vec<Vec<u8>> =
        planted.iter().map(|text| text.to_lowercase().into_bytes()).collect();
    let searcher =
        aho_corasick::AhoCorasick::new(&needles).context("too many identifiers to look for")?;
    let mut found = Found { files: 0, bytes: 0, places: Vec::new() };
    walk(dir, &searcher, &mut found)?;
    Ok(found)
}

/// What was looked through, and what was found where.
#[derive(Debug)]
pub(crate) struct Found {
    /// Files read.
    pub(crate) files: u64,
    /// Bytes looked through, after inflating.
    pub(crate) bytes: u64,
    /// Files with a planted identifier; the identifier itself is not repeated.
    pub(crate) places: Vec<String>,
}

fn walk(dir: &Path, searcher: &aho_corasick::AhoCorasick, found: &mut Found) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, searcher, found)?;
            continue;
        }
        let raw =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        found.files += 1;
        let mut texts = Vec::new();
        if raw.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(raw.as_slice()).read_to_end(&mut plain)?;
            texts.push(plain);
        }
        texts.push(raw);
        for text in &mut texts {
            found.bytes += u64::try_from(text.len())?;
            text.make_ascii_lowercase();
            if searcher.is_match(text.as_slice()) {
                found.places.push(path.display().to_string());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn an_identifier_is_found_in_plain_and_in_packed_files_whatever_its_case() {
        let dir = tempfile::tempdir().unwrap();
        let planted = BTreeSet::from(["Anna@Example.org".to_owned()]);
        std::fs::create_dir(dir.path().join("below")).unwrap();
        std::fs::write(dir.path().join("clean"), "anna at example").unwrap();
        assert!(count(dir.path(), &planted).unwrap().places.is_empty());
        std::fs::write(dir.path().join("below/plain"), "x anna@example.ORG y").unwrap();
        let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zip.write_all(b"ANNA@example.org").unwrap();
        std::fs::write(dir.path().join("packed"), zip.finish().unwrap()).unwrap();
        let found = count(dir.path(), &planted).unwrap();
        assert_eq!((found.files, found.places.len()), (3, 2));
    }
}
