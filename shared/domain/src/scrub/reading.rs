//! A text as a reader would take it: what was written in other characters than one reads, encoded, or hidden between the
//! characters of an identifier, is undone.
//!
//! `ｂｏｂ＠ｅｘａｍｐｌｅ。ｏｒｇ`, `b%6Fb%40example.org` and `b&shy;ob&#64;example.org` all read `bob@example.org`. Finders are
//! given such a reading beside the text itself, and what they find is found in the text.

use icu_normalizer::{ComposingNormalizer, ComposingNormalizerBorrowed};

use super::{Span, bytes::at};

/// What a text reads, and where each byte of that comes from.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) text: String,
    /// For each byte the bytes of the text that it stands for.
    origins: Vec<(usize, usize)>,
}

impl Reading {
    /// What `text` reads; nothing when that is what is written.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut reading = None;
        let mut piece = String::new();
        let mut place = 0;
        while let Some(rest) = text.get(place..).filter(|rest| !rest.is_empty()) {
            let plain = plain_length(rest);
            if plain > 0 {
                Self::keep(&mut reading, text, place, place + plain);
                place += plain;
                continue;
            }
            piece.clear();
            let width = read(rest, &mut piece);
            let end = place + width;
            if rest.get(..width) == Some(piece.as_str()) {
                Self::keep(&mut reading, text, place, end);
            } else {
                let reading = reading.get_or_insert_with(|| Self::up_to(text, place));
                reading.text.push_str(&piece);
                reading.origins.extend(piece.bytes().map(|_| (place, end)));
            }
            place = end;
        }
        reading
    }

    /// What this reading reads in turn, for what was disguised twice.
    pub(crate) fn again(&self) -> Option<Self> {
        let mut again = Self::of(&self.text)?;
        for origin in &mut again.origins {
            *origin = self.origin(origin.0, origin.1);
        }
        Some(again)
    }

    /// A span of the reading as one of the text.
    pub(crate) fn in_text(&self, span: Span) -> Span {
        let (start, end) = self.origin(span.start, span.end);
        Span { start, end, ..span }
    }

    fn origin(&self, start: usize, end: usize) -> (usize, usize) {
        let of = |place: usize| self.origins.get(place).copied().unwrap_or_default();
        (of(start).0, of(end.saturating_sub(1)).1)
    }

    fn up_to(text: &str, place: usize) -> Self {
        let mut reading = Self { text: String::with_capacity(text.len()), origins: Vec::new() };
        reading.copy(text, 0, place);
        reading
    }

    fn keep(reading: &mut Option<Self>, text: &str, start: usize, end: usize) {
        if let Some(reading) = reading {
            reading.copy(text, start, end);
        }
    }

    /// Each character comes from itself.
    fn copy(&mut self, text: &str, start: usize, end: usize) {
        let copied = text.get(start..end).unwrap_or_default();
        self.text.push_str(copied);
        for (at, c) in copied.char_indices() {
            let origin = (start + at, start + at + c.len_utf8());
            self.origins.extend((0..c.len_utf8()).map(|_| origin));
        }
    }
}

/// Whether a byte may begin something that reads otherwise.
#[inline]
pub(super) const fn may_disguise(byte: u8) -> bool {
    matches!(byte, b'%' | b'&' | b'\\' | 0x80..)
}

/// How many bytes from the start of `text` are what they read, as far as bytes tell.
fn plain_length(text: &str) -> usize {
    text.bytes().position(may_disguise).unwrap_or(text.len())
}

/// Appends what the first piece of `text` reads; answers its width.
fn read(text: &str, reads: &mut String) -> usize {
    let bytes = text.as_bytes();
    let decoded = match at(bytes, 0) {
        b'%' => percent(bytes),
        b'&' => reference(text),
        b'\\' => escape(bytes),
        _ => None,
    };
    if let Some((c, width)) = decoded {
        reads.push(c);
        return width;
    }
    let c = text.chars().next().unwrap_or_default();
    if !c.is_ascii() && !is_plain(c) {
        look_alike(c, reads);
    } else {
        reads.push(c);
    }
    c.len_utf8()
}

/// A character in the percent-encoding of URLs, one to four bytes.
fn percent(bytes: &[u8]) -> Option<(char, usize)> {
    let byte = |place: usize| {
        let digits = bytes.get(place..place + 3)?.strip_prefix(b"%")?;
        number(digits, 16).and_then(|byte| u8::try_from(byte).ok())
    };
    let lead = byte(0)?;
    let length: usize = match lead {
        0..0x80 => 1,
        0xC2..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0..0xF5 => 4,
        _ => return None,
    };
    let encoded: Vec<u8> = (0..length).map(|at| byte(3 * at)).collect::<Option<_>>()?;
    let c = std::str::from_utf8(&encoded).ok()?.chars().next()?;
    Some((c, 3 * length))
}

/// A character reference of HTML: by number, or one of the names that stand in identifiers.
fn reference(text: &str) -> Option<(char, usize)> {
    let rest = text.strip_prefix('&')?;
    let Some(numbered) = rest.strip_prefix('#') else {
        let (_, c, length) = NAMES.iter().find_map(|(name, c)| {
            let known = rest.strip_prefix(name)?.starts_with(';');
            known.then_some((name, *c, name.len() + 2))
        })?;
        return Some((c, length));
    };
    let (digits, radix, before) = match numbered.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 3),
        None => (numbered, 10, 2),
    };
    let length = digits.bytes().take(DIGITS_MAX).take_while(|b| char::from(*b).is_digit(radix));
    let length = length.count();
    let c = char::from_u32(number(digits.as_bytes().get(..length)?, radix)?)?;
    // Browsers do without the semicolon.
    let closed = usize::from(at(digits.as_bytes(), length) == b';');
    Some((c, before + length + closed))
}

/// `\u0040`, `\u{40}` and `\x40`.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let (start, end, width) = match at(bytes, 1) {
        b'x' => (2, 4, 4),
        b'u' if at(bytes, 2) == b'{' => {
            let length = bytes.iter().skip(3).take(7).position(|byte| *byte == b'}')?;
            (3, 3 + length, 4 + length)
        }
        b'u' => (2, 6, 6),
        _ => return None,
    };
    let c = char::from_u32(number(bytes.get(start..end)?, 16)?)?;
    Some((c, width))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    })
}

/// Letters that read as they are, so that most texts cost no look into a table; and the blanks that finders know.
fn is_plain(c: char) -> bool {
    matches!(c,
        '\u{a0}' | '\u{c0}'..='\u{131}' | '\u{134}'..='\u{13e}' | '\u{141}'..='\u{148}' | '\u{14a}'..='\u{17e}'
        | '\u{391}'..='\u{3c9}' | '\u{400}'..='\u{45f}' | '\u{5d0}'..='\u{5ea}' | '\u{621}'..='\u{64a}'
        | '\u{2010}'..='\u{2014}' | '\u{2018}'..='\u{201e}' | '\u{20ac}' | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// What a character reads that is none of ASCII: nothing if it is not seen or sits on the one before it.
fn look_alike(c: char, reads: &mut String) {
    if is_unseen(c) {
        return;
    }
    for c in COMPATIBLE.normalize_iter(std::iter::once(c)) {
        let plain = match c {
            '\u{3002}' => '.',
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            other => decimal(other).unwrap_or(other),
        };
        if !is_unseen(plain) {
            reads.push(plain);
        }
    }
}

/// The digit of ASCII for one of another script.
fn decimal(c: char) -> Option<char> {
    let place = ZEROS.partition_point(|zero| *zero <= c).checked_sub(1)?;
    let value = u32::from(c) - u32::from(*ZEROS.get(place)?);
    char::from_digit(value, 10)
}

/// Format characters, fillers, variation selectors, and marks that combine.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{20d0}'..='\u{20ff}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

const COMPATIBLE: ComposingNormalizerBorrowed<'static> = ComposingNormalizer::new_nfkc();
/// Leading zeros included.
const DIGITS_MAX: usize = 10;
#[rustfmt::skip]
const NAMES: [(&str, char); 24] = [
    ("amp", '&'), ("AMP", '&'), ("commat", '@'), ("period", '.'), ("lowbar", '_'), ("plus", '+'), ("dash", '-'), ("hyphen", '-'),
    ("colon", ':'), ("sol", '/'), ("bsol", '\\'), ("percnt", '%'), ("num", '#'), ("equals", '='), ("quot", '"'), ("apos", '\''),
    ("lt", '<'), ("gt", '>'), ("nbsp", ' '), ("shy", '\u{ad}'), ("zwnj", '\u{200c}'), ("zwj", '\u{200d}'),
    ("ZeroWidthSpace", '\u{200b}'), ("NoBreak", '\u{2060}'),
];
/// The zeros of the scripts whose digits are no compatibility forms; nine digits follow each.
#[rustfmt::skip]
const ZEROS: [char; 58] = [
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}',
    '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}', '\u{1946}', '\u{19d0}', '\u{1a80}',
    '\u{1a90}', '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}', '\u{a900}', '\u{a9d0}', '\u{a9f0}', '\u{aa50}',
    '\u{abf0}', '\u{104a0}', '\u{10d30}', '\u{11066}', '\u{110f0}', '\u{11136}', '\u{111d0}', '\u{112f0}', '\u{11450}', '\u{114d0}',
    '\u{11650}', '\u{116c0}', '\u{11730}', '\u{118e0}', '\u{11950}', '\u{11c50}', '\u{11d50}', '\u{11da0}', '\u{16a60}', '\u{16ac0}',
    '\u{16b50}', '\u{1e140}', '\u{1e2f0}', '\u{1e950}',
];

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> String {
        Reading::of(text).map_or_else(|| text.to_owned(), |reading| reading.text)
    }

    #[test]
    fn a_disguise_is_undone_and_anything_else_reads_as_it_is_written() {
        for (text, expected) in [
            ("ｂｏｂ＠ｅｘａｍｐｌｅ．ｏｒｇ", "bob@example.org"),
            ("𝐛𝓸𝕓＠example。org ｡", "bob@example.org ."),
            ("b%6Fb%40%e4%b8%ad.org", "bob@中.org"),
            ("b&#111;b&#x40;&#0000101x&commat;&period;", "bob@ex@."),
            (r"b\u006fb\x40\u{65}x", "bob@ex"),
            ("b\u{200b}o\u{ad}b\u{fe0f}\u{301}", "bob"),
            ("+٣١ ६۱２³", "+31 6123"),
            ("１２\u{2212}３", "12-3"),
        ] {
            assert_eq!(reads(text), expected, "{text}");
        }
        for same in [
            "",
            "bob@example.org",
            "100% of %zz %4 & co. &c; &#; &#x; &#9999999999; &nope; C:\\users\\x \\u00 \\u{110000} \\ud800",
            "%c3 %ff%fe %e4%b8",
            "Größe – „naïve“ Привет 日本語 한국어 12\u{a0}345 €",
        ] {
            assert!(Reading::of(same).is_none(), "{same} {}", reads(same));
        }
    }

    #[test]
    fn what_is_found_in_a_reading_is_found_in_the_text() {
        let text = "a％ｂ &amp;#64; c";
        let once = Reading::of(text).unwrap();
        let twice = once.again().unwrap();
        assert_eq!((once.text.as_str(), twice.text.as_str()), ("a%b &#64; c", "a%b @ c"));
        assert!(twice.again().is_none());
        let sign = twice.text.find('@').unwrap();
        let span = Span { start: sign, end: sign + 1, kind: super::super::EntityKind::Email };
        let span = twice.in_text(span);
        assert_eq!(text.get(span.start..span.end), Some("&amp;#64;"));
    }
}
