//! The context: declared keys only, each within its bounds.

use contract::{
    Code, Event, Timestamp,
    context::{ContextKey, Holds, declared},
    limits::{CONTEXT_KEYS_MAX, SCREEN_BYTES_MAX},
};
use serde_json::Value;

use super::{
    Fault, fields,
    text::{name, printable},
};
use crate::pseudonym::{Kind, Token};

/// Every key is declared by the type and holds what it declares. Names of undeclared keys are not repeated.
pub(super) fn bounded(event: &Event) -> Result<(), Fault> {
    if event.context.len() > CONTEXT_KEYS_MAX {
        return Err(Fault::at(Code::TooManyKeys, "/context"));
    }
    for (key, value) in &event.context {
        let Some(key) = declared(event.event_type, key) else {
            return Err(Fault::at(Code::UnknownField, "/context"));
        };
        holds(&key, value)
            .map_err(|fault| Fault::at(fault.code, format!("/context/{}", key.name)))?;
    }
    Ok(())
}

fn holds(key: &ContextKey, value: &Value) -> Result<(), Fault> {
    let text = || value.as_str().ok_or(Fault::new(Code::InvalidType));
    match key.holds {
        Holds::Number(least, most) => within(value.as_f64(), least, most),
        Holds::Integer(least, most) => within(value.as_i64(), least, most),
        Holds::Boolean => value.is_boolean().then_some(()).ok_or(Fault::new(Code::InvalidType)),
        Holds::Word(words) => valid(words.contains(&text()?), Code::InvalidValue),
        Holds::Name(bytes_max) => name(text()?, bytes_max, ""),
        Holds::Names(count_max, bytes_max) => {
            let names = value.as_array().ok_or(Fault::new(Code::InvalidType))?;
            valid(names.len() <= count_max, Code::TooLong)?;
            names.iter().try_for_each(|item| {
                name(item.as_str().ok_or(Fault::new(Code::InvalidType))?, bytes_max, "")
            })
        }
        Holds::Identifier => {
            valid(Token::parse(Kind::Object, text()?).is_ok(), Code::RawIdentifier)
        }
        Holds::Text(bytes_max) => printable(text()?, bytes_max, ""),
        Holds::Url => {
            printable(text()?, SCREEN_BYTES_MAX, "")?;
            valid(fields::is_template(text()?), Code::RawIdentifier)
        }
        Holds::Time => valid(Timestamp::parse(text()?).is_some(), Code::InvalidTimestamp),
    }
}

fn within<N: PartialOrd>(number: Option<N>, least: N, most: N) -> Result<(), Fault> {
    let number = number.ok_or(Fault::new(Code::InvalidType))?;
    valid(least <= number && number <= most, Code::OutOfRange)
}

fn valid(holds: bool, code: Code) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::new(code)) }
}
