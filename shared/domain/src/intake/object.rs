//! Typed access to the members of an object; every fault names the member.

use contract::{Code, Timestamp};

use super::json::{Node, Object};
use crate::admit::Fault;

/// An object and where it stands in the event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'n, 'a> {
    object: &'n Object<'a>,
    pointer: &'static str,
}

impl<'a> Object<'a> {
    /// The member `name`; `null` is absent.
    pub(super) fn member(&self, name: &str) -> Option<&Node<'a>> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, node)| node)
            .filter(|node| **node != Node::Null)
    }
}

impl<'n, 'a> Fields<'n, 'a> {
    pub(super) fn new(object: &'n Object<'a>, pointer: &'static str) -> Self {
        Self { object, pointer }
    }

    /// Refuses members beside `names`; which one is not said, because its name may be somebody's.
    pub(super) fn only(self, names: &[&str]) -> Result<Self, Fault> {
        if self.object.0.iter().all(|(name, _)| names.contains(&name.as_ref())) {
            return Ok(self);
        }
        let fault = Fault::new(Code::UnknownField);
        Err(if self.pointer.is_empty() { fault } else { Fault::at(fault.code, self.pointer) })
    }

    pub(super) fn fault(self, code: Code, name: &str) -> Fault {
        Fault::at(code, format!("{}/{name}", self.pointer))
    }

    pub(super) fn node(self, name: &str) -> Option<&'n Node<'a>> {
        self.object.member(name)
    }

    pub(super) fn object(
        self,
        name: &str,
        pointer: &'static str,
    ) -> Result<Option<Fields<'n, 'a>>, Fault> {
        let object = self.read(name, |node| node.as_object().ok_or(Code::InvalidType))?;
        Ok(object.map(|object| Fields { object, pointer }))
    }

    pub(super) fn list(self, name: &str) -> Result<Option<&'n [Node<'a>]>, Fault> {
        self.read(name, |node| node.as_list().ok_or(Code::InvalidType))
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'n str>, Fault> {
        self.read(name, |node| node.as_text().ok_or(Code::InvalidType))
    }

    /// A text that says nothing when it is empty.
    pub(super) fn optional_text(self, name: &str) -> Result<Option<&'n str>, Fault> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    pub(super) fn required_text(self, name: &str) -> Result<&'n str, Fault> {
        self.text(name)?.ok_or_else(|| self.fault(Code::MissingField, name))
    }

    pub(super) fn flag(self, name: &str) -> Result<Option<bool>, Fault> {
        self.read(name, |node| node.as_flag().ok_or(Code::InvalidType))
    }

    pub(super) fn number(self, name: &str) -> Result<Option<f64>, Fault> {
        self.read(name, |node| node.as_number().ok_or(Code::InvalidType))
    }

    /// A whole number; `3.0` is one. Outside of the type's range is out of range.
    pub(super) fn whole<N: TryFrom<i64>>(self, name: &str) -> Result<Option<N>, Fault> {
        self.read(name, |node| {
            N::try_from(node.as_whole().ok_or(Code::InvalidType)?).map_err(|_| Code::OutOfRange)
        })
    }

    /// A measured number, rounded: browsers give fractions of pixels and milliseconds.
    pub(super) fn rounded<N: TryFrom<i64>>(self, name: &str) -> Result<Option<N>, Fault> {
        self.read(name, |node| {
            let number = node.as_number().ok_or(Code::InvalidType)?.round();
            whole_from(number).and_then(|whole| N::try_from(whole).ok()).ok_or(Code::OutOfRange)
        })
    }

    pub(super) fn time(self, name: &str) -> Result<Option<Timestamp>, Fault> {
        let parsed = self.text(name)?.map(Timestamp::parse);
        parsed.map_or(Ok(None), |time| match time {
            Some(time) => Ok(Some(time)),
            None => Err(self.fault(Code::InvalidTimestamp, name)),
        })
    }

    fn read<T>(
        self,
        name: &str,
        as_type: impl FnOnce(&'n Node<'a>) -> Result<T, Code>,
    ) -> Result<Option<T>, Fault> {
        self.node(name).map(as_type).transpose().map_err(|code| self.fault(code, name))
    }
}

impl<'a> Node<'a> {
    pub(super) fn as_object(&self) -> Option<&Object<'a>> {
        if let Node::Object(object) = self { Some(object) } else { None }
    }

    pub(super) fn as_list(&self) -> Option<&[Self]> {
        if let Node::List(items) = self { Some(items) } else { None }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Node::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn as_flag(&self) -> Option<bool> {
        if let Node::Bool(flag) = self { Some(*flag) } else { None }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::as_conversions, reason = "beyond 2^53 the nearest float is meant")]
            Node::Integer(number) => Some(*number as f64),
            Node::Float(number) => Some(*number),
            Node::Null | Node::Bool(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
        }
    }

    pub(super) fn as_whole(&self) -> Option<i64> {
        match self {
            Node::Integer(number) => Some(*number),
            Node::Float(number) => whole_from(*number),
            Node::Null | Node::Bool(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
        }
    }
}

/// A float that is a whole number below 2^53.
fn whole_from(number: f64) -> Option<i64> {
    let exact = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    #[expect(clippy::as_conversions, reason = "a whole number below 2^53 fits")]
    exact.then_some(number as i64)
}
