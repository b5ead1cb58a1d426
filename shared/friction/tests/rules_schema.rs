//! The committed schema of rules is the code's.

use std::{fs, path::Path};

use contract::incident::Rule;
use friction::rules::{Rules, schema};
use serde_json::Value;

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/v1/rules.schema.json");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, format!("{:#}\n", schema())).unwrap();
    }
    let committed: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert!(
        committed == schema(),
        "rules.schema.json has drifted: UPDATE_SCHEMAS=1 cargo test -p friction"
    );
}

#[test]
fn every_setting_of_every_rule_is_in_it() {
    let (said, built_in) = (schema(), Rules::default().to_json());
    for rule in Rule::ALL {
        let settings = built_in[rule.as_str()].as_object().unwrap();
        for (name, value) in settings {
            let place = format!("/properties/rules/properties/{rule}/properties/{name}/type");
            let kind = said.pointer(&place).and_then(Value::as_str);
            let fits = match value {
                Value::Bool(_) => kind == Some("boolean"),
                Value::Number(_) => matches!(kind, Some("integer" | "number")),
                Value::String(_) => kind == Some("string"),
                Value::Array(_) => kind == Some("array"),
                Value::Null | Value::Object(_) => false,
            };
            assert!(fits, "{place}: {kind:?}");
        }
    }
}
