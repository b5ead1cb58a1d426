//! Credentials: by the prefix their issuer gave them, by the name before them, or by their place in a URL.

use super::{
    EntityKind, Span,
    bytes::{at, before, cut, end_of, is_word, reads},
    context::placeholder_length,
};

/// A credential that begins at this word: issued with a known prefix, or announced by `Bearer` and the like.
pub(super) fn at_word(bytes: &[u8], start: usize, word_end: usize, limit: usize) -> Option<Span> {
    let long = word_end - start >= 10 || matches!(at(bytes, word_end), b'-' | b'.');
    let issued = || issued(bytes, start, limit).or_else(|| json_web_token(bytes, start, limit));
    (if long { issued() } else { None })
        .or_else(|| authorization(bytes, start, word_end, limit))
        .or_else(|| told(bytes, start, limit))
}

/// A block of PEM at its five dashes, to the end of the text when it is not closed.
pub(super) fn pem(bytes: &[u8], start: usize) -> Option<Span> {
    if !reads(bytes, start, "-----BEGIN ") {
        return None;
    }
    let rest = bytes.get(start..)?;
    let end =
        rest.windows(END.len()).position(|window| window == END).map_or(bytes.len(), |place| {
            let name = start + place + END.len();
            let dashes = end_of(bytes, name, name + 40, |byte| byte != b'-' && byte != b'\n');
            end_of(bytes, dashes, dashes + 5, |byte| byte == b'-')
        });
    Some(secret(start, end))
}

/// The user information of a URL, at its `://`.
pub(super) fn user_info(bytes: &[u8], colon: usize, limit: usize) -> Option<Span> {
    if cut(bytes, colon, colon + 3) != b"://" {
        return None;
    }
    let start = colon + 3;
    let inside = |byte: u8| {
        !matches!(byte, b'@' | b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'[' | b'\\')
            && byte > b' '
    };
    let end = end_of(bytes, start, limit.min(start + USER_INFO_MAX), inside);
    (end > start && at(bytes, end) == b'@').then(|| secret(start, end))
}

/// The value after a name that means a credential, at the `=` or `:` between them.
pub(super) fn named(bytes: &[u8], sign: usize, floor: usize, limit: usize) -> Option<Span> {
    let strength = strength_of(bytes, sign, floor)?;
    let value = Value::read(bytes, sign, limit)?;
    let text = cut(bytes, value.start, value.end);
    let has_digit = text.iter().any(u8::is_ascii_digit);
    let has_symbol =
        text.iter().any(|byte| byte.is_ascii_punctuation() && !matches!(byte, b'.' | b'_' | b'-'));
    let accepted = match (strength, value.sign) {
        (Strength::Password, b'=') => text.len() >= 2,
        (Strength::Password, _) => value.quote != 0 || has_digit || has_symbol,
        (Strength::Token, _) => text.len() >= 6 && (has_digit || has_symbol || text.len() >= 24),
        (Strength::Weak, b'=') => text.len() >= 12 && has_digit,
        (Strength::Weak, _) => false,
    };
    let nothing = NOTHINGS.iter().any(|nothing| text.eq_ignore_ascii_case(nothing.as_bytes()))
        || text.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'));
    let scrubbed = (value.start..value.end).any(|place| placeholder_length(bytes, place).is_some());
    (accepted && !nothing && !scrubbed).then(|| secret(value.start, value.end(bytes, limit)))
}

fn issued(bytes: &[u8], start: usize, limit: usize) -> Option<Span> {
    let (prefix, min) = PREFIXES
        .iter()
        .find(|(prefix, _)| cut(bytes, start, start + prefix.len()) == prefix.as_bytes())?;
    let body = start + prefix.len();
    let end = end_of(bytes, body, limit, |byte| {
        is_word(byte) || byte == b'-' || (byte == b'.' && *prefix == "SG.")
    });
    (end - body >= *min).then(|| secret(start, trimmed(bytes, start, end)))
}

/// Three parts of base64url, of which the last may be empty.
fn json_web_token(bytes: &[u8], start: usize, limit: usize) -> Option<Span> {
    if cut(bytes, start, start + 3) != b"eyJ" {
        return None;
    }
    let part = |from: usize| end_of(bytes, from, limit, |byte| is_word(byte) || byte == b'-');
    let first = part(start);
    let second = part(first + 1);
    let dotted = at(bytes, first) == b'.' && second > first + 4;
    if !dotted {
        return (first - start >= 40).then(|| secret(start, first));
    }
    let mut end = second;
    // An encrypted token has five parts.
    for _ in 0..3 {
        if at(bytes, end) == b'.' {
            end = part(end + 1);
        }
    }
    Some(secret(start, trimmed(bytes, start, end)))
}

fn authorization(bytes: &[u8], start: usize, word_end: usize, limit: usize) -> Option<Span> {
    let scheme = cut(bytes, start, word_end);
    let bearer = scheme.eq_ignore_ascii_case(b"bearer");
    if !(bearer || scheme.eq_ignore_ascii_case(b"basic")) {
        return None;
    }
    let value = end_of(bytes, word_end, word_end + 4, |byte| matches!(byte, b' ' | b':' | b'='));
    let end = end_of(bytes, value, limit, |byte| {
        is_word(byte) || matches!(byte, b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
    });
    let text = cut(bytes, value, end);
    let random = text.iter().any(u8::is_ascii_digit)
        || text.iter().skip(1).any(u8::is_ascii_uppercase)
        || text.ends_with(b"=");
    let pem = text.starts_with(b"-----");
    (value > word_end && text.len() >= 8 && random && !pem)
        .then(|| secret(value, trimmed(bytes, value, end)))
}

/// `my password is hunter2`, in seven languages.
fn told(bytes: &[u8], start: usize, limit: usize) -> Option<Span> {
    if !b"pkwcmhPKWCMH".contains(&at(bytes, start)) {
        return None;
    }
    let word = PASSWORD_WORDS.iter().find(|word| reads(bytes, start, word))?;
    let place = start + word.len();
    let copula = COPULAS.iter().find(|copula| reads(bytes, place, copula))?;
    let value = place + copula.len();
    let value = end_of(bytes, value, value + 1, |byte| matches!(byte, b'"' | b'\'' | b'`'));
    let end = end_of(bytes, value, limit, |byte| byte > b' ' && !UNQUOTED_ENDS.contains(&byte));
    let end = trimmed(bytes, value, end);
    let text = cut(bytes, value, end);
    let credible =
        text.len() >= 4 && text.iter().any(u8::is_ascii_digit) && at(bytes, value) != b'[';
    credible.then(|| secret(value, end))
}

#[derive(Debug, Clone, Copy)]
enum Strength {
    Password,
    Token,
    /// Also the name of harmless things.
    Weak,
}

/// What the name before the sign means.
fn strength_of(bytes: &[u8], sign: usize, floor: usize) -> Option<Strength> {
    let mut end = sign;
    while end > floor
        && matches!(before(bytes, end), b' ' | b'"' | b'\'' | b'`' | b'\\' | b']')
        && sign - end < 3
    {
        end -= 1;
    }
    // `[SECRET]:` is what an earlier scrubbing left, not a name.
    if cut(bytes, end.saturating_sub(7), end) == b"[SECRET" {
        return None;
    }
    let last = before(bytes, end);
    if !(last.is_ascii_alphabetic() || last >= 0x80) {
        return None;
    }
    let mut name = [0; NAME_MAX];
    let mut length = 0;
    let mut place = end;
    while place > floor && length < NAME_MAX {
        let byte = before(bytes, place);
        if byte.is_ascii_alphanumeric() || byte >= 0x80 {
            if let Some(slot) = name.iter_mut().rev().nth(length) {
                *slot = byte.to_ascii_lowercase();
            }
            length += 1;
        } else if !matches!(byte, b'_' | b'-' | b'.') {
            break;
        }
        place -= 1;
    }
    let name = name.get(NAME_MAX - length..)?;
    let is = |known: &[&str]| known.iter().any(|known| name == known.as_bytes());
    let ends = |known: &[&str]| known.iter().any(|known| name.ends_with(known.as_bytes()));
    if ends(&PASSWORDS) || is(&["pass", "pwd", "pw", "pin", "mdp", "otp", "cvv", "cvc"]) {
        Some(Strength::Password)
    } else if ends(&TOKENS) {
        Some(Strength::Token)
    } else {
        ends(&WEAK).then_some(Strength::Weak)
    }
}

#[derive(Debug)]
struct Value {
    start: usize,
    end: usize,
    sign: u8,
    /// The quotation mark around it; 0 for none.
    quote: u8,
}

impl Value {
    /// Reads the beginning of the value, enough to judge it.
    fn read(bytes: &[u8], sign: usize, limit: usize) -> Option<Self> {
        let next = at(bytes, sign + 1);
        let previous = before(bytes, sign);
        if matches!(next, b'=' | b':' | b'~')
            || matches!(previous, b'=' | b':' | b'!' | b'<' | b'>')
        {
            return None;
        }
        let start = end_of(bytes, sign + 1, sign + 4, |byte| matches!(byte, b' ' | b'>'));
        let start = end_of(bytes, start, start + 1, |byte| byte == b'\\');
        let quote = at(bytes, start);
        let quoted = matches!(quote, b'"' | b'\'' | b'`');
        let (start, quote) = if quoted { (start + 1, quote) } else { (start, 0) };
        let mut value = Self { start, end: start, sign: at(bytes, sign), quote };
        value.end = value.end(bytes, limit.min(start + VALUE_MAX));
        let template = matches!(at(bytes, start), b'[' | b'$' | b'{' | b'<')
            || reads(bytes, start, "-----BEGIN");
        let scheme = reads(bytes, start, "Bearer ") || reads(bytes, start, "Basic ");
        (value.end > start && !template && !scheme).then_some(value)
    }

    fn end(&self, bytes: &[u8], limit: usize) -> usize {
        match self.quote {
            0 => {
                let inside = |byte| byte > b' ' && !UNQUOTED_ENDS.contains(&byte);
                trimmed(bytes, self.start, end_of(bytes, self.start, limit, inside))
            }
            quote => {
                let inside = |byte| byte != quote && byte != b'\\' && byte != b'\n';
                end_of(bytes, self.start, limit, inside)
            }
        }
    }
}

/// Without the full stop of the sentence.
fn trimmed(bytes: &[u8], start: usize, end: usize) -> usize {
    let mut end = end;
    while end > start && matches!(before(bytes, end), b'.' | b',' | b';' | b':') {
        end -= 1;
    }
    end
}

fn secret(start: usize, end: usize) -> Span {
    Span { start, end, kind: EntityKind::Secret }
}

const END: &[u8] = b"-----END ";
const UNQUOTED_ENDS: &[u8] = b"\"'`,;&<>(){}[]|";
const USER_INFO_MAX: usize = 256;
const VALUE_MAX: usize = 64;
const NAME_MAX: usize = 40;
/// Prefix and the fewest characters after it.
#[rustfmt::skip]
const PREFIXES: [(&str, usize); 37] = [
    ("AKIA", 16), ("ASIA", 16), ("ghp_", 20), ("gho_", 20), ("ghu_", 20), ("ghs_", 20), ("ghr_", 20), ("github_pat_", 20),
    ("glpat-", 16), ("sk_live_", 10), ("sk_test_", 10), ("rk_live_", 10), ("rk_test_", 10), ("pk_live_", 10), ("whsec_", 16),
    ("xoxb-", 10), ("xoxp-", 10), ("xoxa-", 10), ("xoxr-", 10), ("xoxs-", 10), ("xoxe-", 10), ("xapp-", 10), ("AIza", 30), ("SG.", 30),
    ("npm_", 30), ("pypi-", 30), ("sk-", 20), ("fk_", 16), ("ya29.", 20), ("hf_", 30), ("dop_v1_", 40), ("shpat_", 20), ("shpss_", 20),
    ("glrt-", 16), ("gldt-", 16), ("dckr_pat_", 16), ("AGE-SECRET-KEY-", 40),
];
const PASSWORDS: [&str; 11] = [
    "password",
    "passwd",
    "passwort",
    "kennwort",
    "passphrase",
    "contraseña",
    "contrasena",
    "motdepasse",
    "hasło",
    "wachtwoord",
    "userpwd",
];
const TOKENS: [&str; 12] = [
    "token",
    "secret",
    "secretkey",
    "apikey",
    "accesskey",
    "accesskeyid",
    "privatekey",
    "authkey",
    "credential",
    "credentials",
    "xapikey",
    "sessionkey",
];
const WEAK: [&str; 12] = [
    "code",
    "sig",
    "signature",
    "key",
    "session",
    "sessionid",
    "sid",
    "csrf",
    "nonce",
    "cookie",
    "auth",
    "jwt",
];
const NOTHINGS: [&str; 18] = [
    "null",
    "undefined",
    "true",
    "false",
    "none",
    "nil",
    "required",
    "invalid",
    "missing",
    "incorrect",
    "wrong",
    "expired",
    "hidden",
    "redacted",
    "empty",
    "string",
    "optional",
    "unknown",
];
const PASSWORD_WORDS: [&str; 9] = [
    "password",
    "passwort",
    "kennwort",
    "wachtwoord",
    "contraseña",
    "mot de passe",
    "hasło",
    "passcode",
    "la password",
];
const COPULAS: [&str; 12] = [
    " is ", " ist ", " lautet ", " es ", " est ", " è ", " to ", " was ", " war ", " was: ",
    " était ", " era ",
];
