//! Reduces a URL or a path to a template that names a place in the product and nobody in particular.

use std::borrow::Cow;

use crate::scrub::Reading;

/// The path template of a URL or a path: `https://u:p@shop.example/orders/4711?mail=a@b.c#top` gives `/orders/{id}`.
///
/// Scheme, host, user info, query and fragment go; a segment that may name somebody or something becomes `{id}`: digits,
/// UUIDs, hexadecimal runs of 8 and more, `@` or `%`, 5 and more digits, random-looking tokens of 20 and more characters.
/// Matrix parameters (`;…`), control and invisible characters, white space around segments and repeated slashes go too.
/// A URL that names no place in the product (`mailto:`, `data:`, `file:`, `C:\…`) is `{id}` as a whole. At most
/// [`TEMPLATE_BYTES_MAX`] bytes, cut at a character. Applying it twice changes nothing. Does not allocate when the
/// template is a part of the input.
#[must_use]
pub fn route_template(url: &str) -> Cow<'_, str> {
    if url.chars().any(must_be_cleaned) {
        let cleaned: String = url
            .chars()
            .map(|c| if c == '\\' { '/' } else { c })
            .filter(|c| !must_be_cleaned(*c))
            .collect();
        return Cow::Owned(template(&cleaned).into_owned());
    }
    template(url)
}

/// The length of a template is at most this many bytes.
pub const TEMPLATE_BYTES_MAX: usize = 256;

fn template(url: &str) -> Cow<'_, str> {
    let url = url.trim();
    if names_no_place(url) {
        return Cow::Borrowed(ID);
    }
    let path = path_of(url);
    if path.len() <= TEMPLATE_BYTES_MAX && is_template(path) {
        return Cow::Borrowed(path);
    }
    let rebuilt = rebuild(path);
    // Cutting a parameter out of a segment can bring a scheme to light.
    if names_no_place(&rebuilt) { Cow::Borrowed(ID) } else { Cow::Owned(rebuilt) }
}

fn names_no_place(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let letter = scheme.len() == 1 && scheme.bytes().all(|b| b.is_ascii_alphabetic());
    let drive = letter && rest.starts_with('/');
    drive || OPAQUE_SCHEMES.iter().any(|opaque| scheme.trim().eq_ignore_ascii_case(opaque))
}

/// What stands between the authority and the query, with its leading slash if there is one.
fn path_of(url: &str) -> &str {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = url.get(..end).unwrap_or_default().trim_end();
    let authority = match url.split_once("//") {
        Some((scheme, authority)) if is_scheme(scheme) => authority,
        Some(_) | None => return url,
    };
    authority.find('/').and_then(|start| authority.get(start..)).unwrap_or("/")
}

/// Empty as well: `//host/path` has the scheme of the page.
fn is_scheme(text: &str) -> bool {
    let Some(name) = text.strip_suffix(':') else { return text.is_empty() };
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn is_template(path: &str) -> bool {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.is_empty() && path.len() <= 1
        || inner.split('/').all(|segment| {
            !segment.is_empty() && segment == bare(segment) && !may_identify(segment)
        })
}

fn rebuild(path: &str) -> String {
    let mut template = String::with_capacity(path.len().min(TEMPLATE_BYTES_MAX));
    let mut segments = path.split('/').map(bare);
    let first = segments.next().unwrap_or_default();
    push_segment(&mut template, first);
    if first.is_empty() && path.contains('/') {
        template.push('/');
    }
    for segment in segments {
        if template.len() >= TEMPLATE_BYTES_MAX {
            break;
        }
        if !template.ends_with('/') && !template.is_empty() {
            template.push('/');
        }
        push_segment(&mut template, segment);
    }
    template
}

/// Appends as much of the segment as fits; a part is judged anew, because a part of a word may look like an id.
fn push_segment(template: &mut String, segment: &str) {
    let room = TEMPLATE_BYTES_MAX.saturating_sub(template.len());
    let whole = if may_identify(segment) { ID } else { segment };
    if whole.len() <= room {
        template.push_str(whole);
        return;
    }
    let part = whole.get(..whole.floor_char_boundary(room)).unwrap_or_default().trim_end();
    if !may_identify(part) {
        template.push_str(part);
    } else if ID.len() <= room {
        template.push_str(ID);
    }
}

/// The segment without matrix parameters and surrounding white space.
fn bare(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default().trim()
}

/// As it is written, or as it reads: full-width letters and the like hide nothing.
fn may_identify(segment: &str) -> bool {
    names(segment)
        || !segment.is_ascii()
            && Reading::of(segment).is_some_and(|reading| names(reading.text.trim()))
}

fn names(segment: &str) -> bool {
    let mut digits = 0;
    let mut others = 0;
    for c in segment.chars() {
        match c {
            '@' | '%' => return true,
            _ if c.is_numeric() => digits += 1,
            _ => others += 1,
        }
    }
    let all_digits = digits > 0 && others == 0;
    all_digits || digits >= DIGITS_MIN || has_hex_part(segment, digits > 0) || looks_random(segment)
}

/// A segment of hexadecimal digits, or a part of one that also holds a decimal digit (`main.25d4ab28.js`).
fn has_hex_part(segment: &str, has_digit: bool) -> bool {
    let is_hex = |part: &str| part.len() >= HEX_MIN && part.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex(segment)
        || has_digit
            && segment
                .split(|c: char| !c.is_ascii_alphanumeric())
                .map(|part| part.strip_prefix("0x").unwrap_or(part))
                .any(|part| is_hex(part) && part.bytes().any(|b| b.is_ascii_digit()))
}

/// Tokens have digits among both cases, change case more often than words do, or do not stop where words would.
fn looks_random(segment: &str) -> bool {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-_.=+~:!,$".contains(&b);
    if segment.len() < TOKEN_MIN || !segment.bytes().all(is_token) {
        return false;
    }
    let has = |class: fn(&u8) -> bool| segment.as_bytes().iter().any(class);
    let (lower, upper, digit) =
        (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase), has(u8::is_ascii_digit));
    let changes = segment.bytes().zip(segment.bytes().skip(1));
    let changes = changes.filter(|(a, b)| a.is_ascii_uppercase() != b.is_ascii_uppercase()).count();
    let longest_run =
        segment.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max().unwrap_or_default();
    lower && upper && (digit || changes * 3 > segment.len())
        || digit && longest_run >= TOKEN_MIN
        || longest_run >= WORD_MAX
}

/// Control characters, and those that are not seen but can hide what is.
fn must_be_cleaned(c: char) -> bool {
    c.is_control()
        || matches!(c, '\\' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

const ID: &str = "{id}";
const DIGITS_MIN: usize = 5;
const HEX_MIN: usize = 8;
const TOKEN_MIN: usize = 20;
/// Longer than any word of a path that a person wrote.
const WORD_MAX: usize = 32;
const OPAQUE_SCHEMES: [&str; 11] = [
    "about",
    "blob",
    "cid",
    "content",
    "data",
    "file",
    "javascript",
    "mailto",
    "sms",
    "tel",
    "view-source",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_letter_is_a_drive() {
        assert_eq!(route_template("C:/users/anna"), "{id}");
        assert_eq!(route_template("///:/"), "/:/");
        assert_eq!(route_template("/:/"), "/:/");
    }

    #[test]
    fn only_the_path_of_a_url_stays() {
        check("https://user:secret@shop.example:8080/cart/items?mail=a@b.c#top", "/cart/items");
        check("//cdn.example/lib/app.js", "/lib/app.js");
        check("https://shop.example", "/");
        check("https://shop.example?x=1", "/");
        check("/cart?next=https://shop.example/", "/cart");
        check("/cart#/orders/12", "/cart");
        check("checkout/step-2", "checkout/step-2");
        check("Checkout", "Checkout");
        check("", "");
        check("?a=b", "");
        check("/", "/");
        check("//", "/");
        check("/a//b///c/", "/a/b/c/");
        check(" https:\\\\shop.example\\cart ", "/cart");
        check("/cart;jsessionid=8F3A/pay", "/cart/pay");
    }

    #[test]
    fn a_segment_that_may_identify_becomes_id() {
        for segment in [
            "4711",
            "6fbfdf5a-aa5a-4a27-8660-543df64c140e",
            "deadbeef",
            "25D4AB28",
            "0x5e77f0d0",
            "main.25d4ab28.js",
            "ann@example.org",
            "@ann",
            "ann%40example",
            "ann-19840",
            "+31612345678",
            "NL95YARW2650497566",
            "1LVapcxh6ApKW5TcuGG5sGX4YqUDFqNXMB",
            "u1.3.0123456789abcdefghjkmnpqr0",
            "dGhpcyBpcyBzZWNyZXQx",
            "eyJhbGciOiJIUzI.VOgvwWT.OVgwWTx",
            "aBcDeFgHiJkLmNoPqRsTu",
            "qwertyuiopasdfghjklzxcvbnmqwertyu",
            "٤٧١١",
            "ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ",
            "ann﹫example。org",
            "ｄｅａｄｂｅｅｆ",
            "𝐝𝐞𝐚𝐝𝐛𝐞𝐞𝐟",
            "d\u{301}eadbeef",
        ] {
            check(&format!("/orders/{segment}/lines"), "/orders/{id}/lines");
        }
    }

    #[test]
    fn words_of_a_path_stay() {
        for path in [
            "/terms-and-conditions-of-use",
            "/getUserAccountSettingsPage",
            "/how-to-install-version-2-of-it",
            "/v2/facade/step-3",
            "/über-uns/日本語",
            "/orders/{id}/lines",
            "/orders/:id",
        ] {
            assert!(matches!(route_template(path), Cow::Borrowed(same) if same == path), "{path}");
        }
    }

    #[test]
    fn what_is_no_place_in_the_product_is_one_id() {
        for url in [
            "mailto:ann@example.org",
            "file:///home/ann/letter.pdf",
            "C:\\Users\\ann\\letter.pdf",
            "javascript:alert(1)",
            "data:text/html,<b>Ann</b>",
            "Data:x",
            "tel:+31612345678",
        ] {
            check(url, "{id}");
        }
    }

    #[test]
    fn invisible_characters_hide_nothing() {
        check("/orders/4\u{200b}7\u{202e}11", "/orders/{id}");
        check("/ord\ners\0/x", "/orders/x");
        check("ht\ttps://shop.example/x", "/x");
    }

    #[test]
    fn a_long_path_is_cut_at_a_character() {
        let long = format!("/{}", "é/".repeat(200));
        let template = route_template(&long);
        assert!(template.len() <= TEMPLATE_BYTES_MAX && template.len() > TEMPLATE_BYTES_MAX - 3);
        assert_eq!(route_template(&format!("/{}", "one two ".repeat(60))).len(), 256);
    }

    #[track_caller]
    fn check(url: &str, expected: &str) {
        assert_eq!(route_template(url), expected, "{url}");
    }
}
