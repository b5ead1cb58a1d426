//! Reads the context: what its type declares, in the form that the archive keeps.

use contract::{
    Code, EventType, Timestamp,
    context::{ContextKey, Holds, declared},
    limits::CONTEXT_KEYS_MAX,
};
use serde_json::{Map, Value};

use super::{json::Node, object::Fields, text::Cleaner};
use crate::{
    admit::Fault,
    pseudonym::{Kind, Token},
};

/// The context that is kept.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) kept: Map<String, Value>,
    /// How many keys nobody declared.
    pub(super) dropped: usize,
}

pub(super) fn read(
    event_type: EventType,
    fields: Fields<'_, '_>,
    cleaner: &mut Cleaner<'_>,
) -> Result<Context, Fault> {
    let mut context = Context::default();
    let Some(object) = fields.node("context") else { return Ok(context) };
    let invalid = || fields.fault(Code::InvalidType, "context");
    let members = &object.as_object().ok_or_else(invalid)?.0;
    if members.len() > CONTEXT_KEYS_MAX {
        return Err(fields.fault(Code::TooManyKeys, "context"));
    }
    for (name, node) in members {
        let Some(key) = declared(event_type, name) else {
            context.dropped += 1;
            continue;
        };
        if matches!(node, Node::Null) || node.as_text() == Some("") {
            continue;
        }
        let value = value(&key, node, cleaner)
            .map_err(|code| Fault::at(code, format!("/context/{}", key.name)))?;
        if let Some(value) = value {
            context.kept.insert(key.name.to_owned(), value);
        }
    }
    Ok(context)
}

/// The value in its kept form, or nothing when there is nothing to keep. Ranges are judged by admission.
fn value(
    key: &ContextKey,
    node: &Node<'_>,
    cleaner: &mut Cleaner<'_>,
) -> Result<Option<Value>, Code> {
    let text = || node.as_text().ok_or(Code::InvalidType);
    Ok(Some(match key.holds {
        Holds::Number(..) => match node.as_whole() {
            Some(number) => number.into(),
            None => node.as_number().ok_or(Code::InvalidType)?.into(),
        },
        Holds::Integer(..) => node.as_whole().ok_or(Code::InvalidType)?.into(),
        Holds::Boolean => node.as_flag().ok_or(Code::InvalidType)?.into(),
        Holds::Word(_) => text()?.into(),
        Holds::Name(_) => short(key, text()?, cleaner).into(),
        Holds::Names(..) => {
            let items = node.as_list().ok_or(Code::InvalidType)?;
            let names = items.iter().map(|item| {
                item.as_text().map(|text| short(key, text, cleaner)).ok_or(Code::InvalidType)
            });
            names.collect::<Result<Vec<_>, _>>()?.into()
        }
        Holds::Identifier => {
            let token = cleaner.identifier(Kind::Object, text()?)?;
            return Ok(token.map(|token: Token| token.into_string().into()));
        }
        Holds::Text(bytes_max) => cleaner.free(text()?, bytes_max)?.into(),
        Holds::Url => return Ok(cleaner.place(text()?)?.map(Into::into)),
        Holds::Time => Timestamp::parse(text()?).ok_or(Code::InvalidTimestamp)?.to_string().into(),
    }))
}

fn short(key: &ContextKey, text: &str, cleaner: &mut Cleaner<'_>) -> String {
    if key.name.ends_with("ersion") { cleaner.version(text) } else { cleaner.short(text) }
}
