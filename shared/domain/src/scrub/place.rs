//! Where somebody is: coordinates, and the home directory that carries a name.

use super::{
    EntityKind, Span,
    bytes::{at, before, cut, digit, end_of, is_word, reads},
    candidate::Candidate,
    context::Topic,
    number::is_joined,
};

/// A pair of coordinates with at least four decimals, or one that is called latitude or longitude.
pub(super) fn coordinates(candidate: &mut Candidate<'_>) -> Option<Span> {
    let Candidate { bytes, start, limit, .. } = *candidate;
    if is_joined(bytes, start) && before(bytes, start) != b':' {
        return None;
    }
    let first = Degrees::read(bytes, start, limit)?;
    let start = if matches!(before(bytes, start), b'-' | b'+') { start - 1 } else { start };
    let announced = candidate.near(Topic::Place, 16);
    let between = end_of(bytes, first.end, limit.min(first.end + 4), |byte| {
        matches!(byte, b',' | b';' | b' ')
    });
    let signed = end_of(bytes, between, between + 1, |byte| matches!(byte, b'-' | b'+'));
    let second = if between > first.end { Degrees::read(bytes, signed, limit) } else { None };
    if let Some(second) = second
        && first.whole.max(second.whole) <= 180
        && first.whole.min(second.whole) <= 90
    {
        let more =
            end_of(bytes, second.end, second.end + 3, |byte| matches!(byte, b',' | b' ' | b'-'));
        let list = more > second.end && Degrees::read(bytes, more, limit).is_some();
        let fractions = first.whole == 0 && second.whole == 0;
        if announced || !(list || fractions || cut(bytes, first.end, between) == b" ") {
            return Some(Span { start, end: second.end, kind: EntityKind::Geo });
        }
    }
    let alone = first.whole <= 180 && candidate.near(Topic::Place, 5);
    alone.then_some(Span { start, end: first.end, kind: EntityKind::Geo })
}

#[derive(Debug)]
struct Degrees {
    whole: u32,
    end: usize,
}

impl Degrees {
    fn read(bytes: &[u8], start: usize, limit: usize) -> Option<Self> {
        let point = end_of(bytes, start, limit.min(start + 4), |byte| byte.is_ascii_digit());
        let end = end_of(bytes, point + 1, limit.min(point + 20), |byte| byte.is_ascii_digit());
        let shaped = point > start
            && at(bytes, point) == b'.'
            && end - point > DECIMALS_MIN
            && !is_word(at(bytes, end));
        let whole = cut(bytes, start, point)
            .iter()
            .fold(0, |whole, byte| whole * 10 + u32::from(digit(*byte)));
        let last = at(bytes, end) != b'.' || !at(bytes, end + 1).is_ascii_digit();
        (shaped && last).then_some(Self { whole, end })
    }
}

/// The user's part of a home directory, at a slash or backslash.
pub(super) fn home(bytes: &[u8], start: usize, limit: usize) -> Option<Span> {
    let slash = |place: usize| end_of(bytes, place, place + 2, |byte| matches!(byte, b'/' | b'\\'));
    let name = slash(start);
    let folder =
        HOMES.iter().find(|home| cut(bytes, name, name + home.len()) == home.as_bytes())?;
    let after = name + folder.len();
    let user = slash(after);
    // `https://shop.example/home/sale` is nobody's home, `file:///home/ann` is.
    let part_of_url = is_word(before(bytes, start)) || before(bytes, start) == b']';
    if user == after || part_of_url {
        return None;
    }
    let end = user_end(bytes, user, limit);
    let person = cut(bytes, user, end);
    let nobody = NOBODIES.iter().any(|nobody| person.eq_ignore_ascii_case(nobody.as_bytes()));
    (!person.is_empty() && !nobody).then_some(Span { start: user, end, kind: EntityKind::UserPath })
}

/// A name may hold blanks when the path goes on after them.
fn user_end(bytes: &[u8], start: usize, limit: usize) -> usize {
    let inside = |byte: u8| {
        !matches!(
            byte,
            b'/' | b'\\'
                | b'"'
                | b'\''
                | b'<'
                | b'>'
                | b'|'
                | b'\n'
                | b'\r'
                | b'\t'
                | b'['
                | b']'
                | b':'
                | b','
                | b';'
                | b')'
                | b'?'
                | b'*'
        )
    };
    let end = end_of(bytes, start, limit, inside);
    let person = cut(bytes, start, end);
    let goes_on = matches!(at(bytes, end), b'/' | b'\\')
        && person.iter().filter(|byte| **byte == b' ').count() <= 2;
    let first_word = person.iter().position(|byte| *byte == b' ').map(|blank| start + blank);
    if goes_on { end } else { first_word.unwrap_or(end) }
}

/// Whether a path to a home directory can begin here.
pub(super) fn may_be_home(bytes: &[u8], place: usize) -> bool {
    ["/home", "\\home", "/Users", "\\Users", "\\\\Users", "//home", "/Documents and"]
        .iter()
        .any(|head| reads(bytes, place, head))
}

const DECIMALS_MIN: usize = 4;
const HOMES: [&str; 3] = ["home", "Users", "Documents and Settings"];
#[rustfmt::skip]
const NOBODIES: [&str; 22] = [
    "runner", "runneradmin", "ubuntu", "node", "shared", "public", "default", "all users", "default user", "root", "app", "ec2-user",
    "vscode", "circleci", "travis", "jenkins", "git", "www-data", "vsts", "containeradministrator", "debian", "sbx_user1051",
];
