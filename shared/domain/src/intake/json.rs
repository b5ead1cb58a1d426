//! A strict JSON reader: every key once, every number a number, nothing deeper than the contract allows.

use std::borrow::Cow;

use contract::{Code, limits::JSON_DEPTH_MAX};

use super::path::Flaw;

/// A JSON value that borrows what it can from the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent.
    Integer(i64),
    /// Any other number; always finite, never −0.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Object<'a>),
}

/// The members of an object in their order; no name stands twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Object<'a>(pub(super) Vec<(Cow<'a, str>, Node<'a>)>);

/// Reads the text of one event. Brackets around the event in a request's body count towards the depth.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Flaw> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    let node = reader.value(DEPTH_OF_EVENTS)?;
    reader.skip_space();
    if reader.at < text.len() { Err(Code::InvalidJson.into()) } else { Ok(node) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Node<'a>, Flaw> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= JSON_DEPTH_MAX => Err(Code::TooDeep.into()),
            Some(b'{') => self.object(depth + 1).map(Node::Object),
            Some(b'[') => self.list(depth + 1).map(Node::List),
            Some(b'"') => self.string().map(Node::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Node::Bool(true)),
            Some(b'f') => self.word("false", Node::Bool(false)),
            Some(b'n') => self.word("null", Node::Null),
            Some(_) | None => Err(Code::InvalidJson.into()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object<'a>, Flaw> {
        let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(Code::InvalidJson.into());
            }
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            if members.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Flaw::from(Code::DuplicateField).under(&name));
            }
            if members.len() >= MEMBERS_MAX {
                return Err(Code::TooManyKeys.into());
            }
            let node = self.value(depth).map_err(|flaw| flaw.under(&name))?;
            members.push((name, node));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Object(members));
            }
            self.expect(b',')?;
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node<'a>>, Flaw> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            self.skip_space();
            items.push(self.value(depth).map_err(|flaw| flaw.at_index(items.len()))?);
            self.skip_space();
            if self.take(b']') {
                return Ok(items);
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Flaw> {
        self.at += 1;
        let mut decoded = String::new();
        loop {
            let run = self.rest().bytes().take_while(|b| !matches!(b, b'"' | b'\\' | 0..=0x1f));
            let plain = self.slice(run.count())?;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(if decoded.is_empty() {
                        Cow::Borrowed(plain)
                    } else {
                        decoded.push_str(plain);
                        Cow::Owned(decoded)
                    });
                }
                Some(b'\\') => {
                    decoded.push_str(plain);
                    self.at += 1;
                    decoded.push(self.escape()?);
                }
                Some(_) | None => return Err(Code::InvalidJson.into()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Flaw> {
        let letter = self.peek().ok_or(Code::InvalidJson)?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(Code::InvalidJson.into()),
        })
    }

    /// A surrogate must be followed by its other half.
    fn unicode_escape(&mut self) -> Result<char, Flaw> {
        let first = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            self.expect(b'\\')?;
            self.expect(b'u')?;
            let second = self.hex4()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(Code::InvalidJson.into());
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| Code::InvalidJson.into())
    }

    fn hex4(&mut self) -> Result<u32, Flaw> {
        let digits = self.slice(4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Code::InvalidJson.into());
        }
        u32::from_str_radix(digits, 16).map_err(|_| Code::InvalidJson.into())
    }

    fn number(&mut self) -> Result<Node<'a>, Flaw> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_integer = false;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if is_integer {
            return text.parse().map(Node::Integer).map_err(|_| Code::InvalidNumber.into());
        }
        match text.parse::<f64>() {
            // Adding zero turns −0 into 0.
            Ok(number) if number.is_finite() => Ok(Node::Float(number + 0.0)),
            Ok(_) | Err(_) => Err(Code::InvalidNumber.into()),
        }
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        if count == 0 { Err(Code::InvalidJson.into()) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, Flaw> {
        if !self.rest().starts_with(word) {
            return Err(Code::InvalidJson.into());
        }
        self.at += word.len();
        Ok(node)
    }

    fn skip_space(&mut self) {
        let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().bytes().take_while(is_space).count();
    }

    fn expect(&mut self, byte: u8) -> Result<(), Flaw> {
        if self.take(byte) { Ok(()) } else { Err(Code::InvalidJson.into()) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// The next `bytes` bytes, which must end at a character.
    fn slice(&mut self, bytes: usize) -> Result<&'a str, Flaw> {
        let end = self.at + bytes;
        let slice = self.text.get(self.at..end).ok_or(Code::InvalidJson)?;
        self.at = end;
        Ok(slice)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

/// An event stands in the body's object and in its list.
const DEPTH_OF_EVENTS: usize = 2;
/// More members than any declared object has; looking for a name twice stays cheap.
const MEMBERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use contract::Code;
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> Result<Node<'_>, Code> {
        parse(text).map_err(|flaw| flaw.fault().code)
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "truex",
            "{",
            "[",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "-",
            "NaN",
            "Infinity",
            "\"",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "{} {}",
            "\u{feff}{}",
            "[1 2]",
            "\"\\",
            "\"\\u00é\"",
        ] {
            assert_eq!(code(text), Err(Code::InvalidJson), "{text}");
        }
    }

    #[test]
    fn numbers_are_finite_and_whole_ones_fit_64_bits() {
        for (text, expected) in [
            ("-0", Ok(Node::Integer(0))),
            ("9223372036854775807", Ok(Node::Integer(i64::MAX))),
            ("9223372036854775808", Err(Code::InvalidNumber)),
            ("1e999", Err(Code::InvalidNumber)),
            ("-1e999", Err(Code::InvalidNumber)),
            ("1e2", Ok(Node::Float(100.0))),
            ("0.1000000000000000055511151231257827", Ok(Node::Float(0.1))),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
        let Ok(Node::Float(zero)) = code("-0.0") else { panic!("a float") };
        assert!(zero.is_sign_positive());
    }

    #[test]
    fn a_name_stands_once_however_it_is_spelt() {
        let fault = parse(r#"{"context":{"feature":1,"f\u0065ature":2}}"#).unwrap_err().fault();
        assert_eq!(fault.code, Code::DuplicateField);
        assert_eq!(fault.path.as_deref(), Some("/context/feature"));
        let hidden = parse(r#"{"context":{"anna@example.org":1,"anna@example.org":2}}"#);
        assert_eq!(hidden.unwrap_err().fault().path.as_deref(), Some("/context"));
        let below = parse(r#"{"context":{"anna@example.org":{"feature":1,"feature":2}}}"#);
        assert_eq!(below.unwrap_err().fault().path.as_deref(), Some("/context"));
    }

    #[test]
    fn depth_counts_the_brackets_of_the_body() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(6)).is_ok());
        assert_eq!(code(&nested(7)), Err(Code::TooDeep));
        assert_eq!(code(&nested(100_000)), Err(Code::TooDeep));
    }

    #[test]
    fn an_object_of_too_many_members_is_refused() {
        let members: Vec<String> = (0..65).map(|n| format!("\"k{n}\":0")).collect();
        assert_eq!(code(&format!("{{{}}}", members.join(","))), Err(Code::TooManyKeys));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn reads_what_serde_reads(value in json()) {
            let text = value.to_string();
            prop_assert_eq!(to_value(&parse(&text).unwrap()), value);
        }

        #[test]
        fn a_broken_document_is_refused_exactly_when_serde_refuses_it(value in json(), at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0e.\\\\u -]") {
            let mut text = value.to_string();
            let place = text.floor_char_boundary(at.index(text.len()));
            text.insert_str(place, &with);
            let reads = serde_json::from_str::<serde_json::Value>(&text);
            match parse(&text).map_err(|flaw| flaw.fault().code) {
                Ok(_) => prop_assert!(reads.is_ok(), "{}", text),
                Err(Code::InvalidJson) => prop_assert!(reads.is_err(), "{}", text),
                Err(_) => {}
            }
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-1e6..1e6_f64).prop_map(|n| (n + 0.5).into()),
            "\\PC{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-z\\\\\"é]{0,4}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn to_value(node: &Node<'_>) -> serde_json::Value {
        match node {
            Node::Null => serde_json::Value::Null,
            Node::Bool(value) => (*value).into(),
            Node::Integer(value) => (*value).into(),
            Node::Float(value) => (*value).into(),
            Node::Text(value) => value.as_ref().into(),
            Node::List(items) => items.iter().map(to_value).collect::<Vec<_>>().into(),
            Node::Object(Object(members)) => serde_json::Value::Object(
                members.iter().map(|(name, node)| (name.to_string(), to_value(node))).collect(),
            ),
        }
    }
}
