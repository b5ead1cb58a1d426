//! What a short text may hold.

use contract::Code;

use super::Fault;

/// Checks a text that is shown to people: 1 to `bytes_max` bytes, nothing invisible.
pub(crate) fn printable(text: &str, bytes_max: usize, path: &str) -> Result<(), Fault> {
    let code = if text.is_empty() {
        Code::InvalidValue
    } else if text.len() > bytes_max {
        Code::TooLong
    } else if has_control(text) {
        Code::ControlCharacter
    } else {
        return Ok(());
    };
    Err(Fault::at(code, path))
}

/// Checks a short name: printable, and either `[A-Za-z0-9._:/-]` throughout or one placeholder of the scrubber.
pub(crate) fn name(text: &str, bytes_max: usize, path: &str) -> Result<(), Fault> {
    printable(text, bytes_max, path)?;
    if is_name(text) || is_placeholder(text) {
        return Ok(());
    }
    Err(Fault::at(Code::InvalidValue, path))
}

/// `[A-Za-z0-9._:/-]` throughout.
pub(crate) fn is_name(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/-".contains(&b))
}

/// Control characters, those that change direction, and those that are not seen.
pub(crate) fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|b| b.is_ascii_control());
    }
    text.chars().any(|c| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })
}

/// `[EMAIL]`, `[NATIONAL_ID]`, …
fn is_placeholder(text: &str) -> bool {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|kind| {
        !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
    })
}
