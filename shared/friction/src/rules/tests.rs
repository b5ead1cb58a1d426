//! Layers, refusals and documents of rules.

use serde_json::json;

use super::*;

fn product(name: &str) -> ProductId {
    ProductId::parse(name).unwrap()
}

fn refusal(document: &Value) -> String {
    RuleSet::parse(&document.to_string()).unwrap_err().to_string()
}

#[test]
fn an_empty_document_is_the_built_in_rules() {
    assert_eq!(RuleSet::parse(r#"{"version": 1}"#).unwrap(), RuleSet::default());
    let rules = Rules::default();
    assert_eq!(rules.version, 1);
    assert_eq!(
        rules.thresholds.of(Rule::RageClick),
        BTreeMap::from(
            [
                ("minClicks", 3.0),
                ("gapMs", 1000.0),
                ("spanMs", 2000.0),
                ("distancePx", 30.0),
                ("selectionGapMs", 500.0)
            ]
            .map(|(name, value)| (name.to_owned(), value))
        )
    );
    for rule in Rule::ALL {
        assert!(!rules.thresholds.of(*rule).is_empty(), "{rule}");
    }
}

#[test]
fn layers_lie_on_each_other_and_an_element_has_the_last_word() {
    let set = RuleSet::parse(
        &json!({
            "version": 7,
            "rules": { "rage_click": { "gapMs": 800, "minClicks": 4 }, "loop": { "enabled": false } },
            "elements": [{ "match": [{ "key": "like*" }], "rules": { "rage_click": { "minClicks": 9 } } }],
            "products": {
                "crm": {
                    "rules": { "rage_click": { "gapMs": 700 } },
                    "elements": [{ "match": [{ "key": "like_it" }], "rules": { "rage_click": { "minClicks": 2 } } }],
                },
            },
        })
        .to_string(),
    )
    .unwrap();
    let on = |product: &str, key: &str| {
        let event = |key: &str| {
            serde_json::from_value::<Event>(json!({
                "eventId": "e", "eventType": "ui.click", "occurredAt": "2026-01-01T00:00:00Z", "orgId": "acme",
                "element": { "key": key },
            }))
            .unwrap()
        };
        let rules = set.for_product(&self::product(product));
        let rage = &rules.on(&Names::of(&event(key))).rage_click;
        (rage.gap_ms, rage.min_clicks)
    };
    assert_eq!(on("app", "buy"), (800, 4));
    assert_eq!(on("app", "like-it"), (800, 9));
    assert_eq!(on("crm", "buy"), (700, 4));
    assert_eq!(on("crm", "like-it"), (700, 2));
    assert_eq!(on("crm", "like-this"), (700, 9));
    assert!(!set.for_product(&product("crm")).thresholds.navigation_loop.enabled);
}

#[test]
fn paths_and_names_of_flows_are_the_products_or_the_organisations() {
    let said = json!({
        "version": 2,
        "paths": [{ "pattern": "/leads/*", "screen": "/leads/{id}" }],
        "flows": [{ "name": "All", "task": "*" }],
        "products": {
            "crm": { "paths": [{ "pattern": "/l/*", "screen": "/l" }], "flows": [{ "name": "Own", "task": "pay" }] },
            "raw": { "paths": [], "rules": {} },
        },
    });
    let set = RuleSet::parse(&said.to_string()).unwrap();
    let screen =
        |product: &str, screen: &str| set.for_product(&self::product(product)).paths.screen(screen);
    assert_eq!(screen("app", "/leads/anna"), "/leads/{id}");
    assert_eq!(
        (screen("crm", "/leads/anna"), screen("crm", "/l/x")),
        ("/leads/anna".into(), "/l".into())
    );
    assert_eq!(screen("raw", "/leads/anna"), "/leads/anna", "an empty list is a list");
    let name = |product: Option<&str>, task| {
        let product = product.map(self::product);
        set.flow_names(product.as_ref()).of(Some(task), &[]).map(str::to_owned)
    };
    assert_eq!(name(None, "pay"), Some("All".to_owned()));
    assert_eq!(name(Some("raw"), "pay"), Some("All".to_owned()));
    assert_eq!(
        (name(Some("crm"), "pay"), name(Some("crm"), "read")),
        (Some("Own".to_owned()), None)
    );
    assert_eq!(set.for_product(&product("crm")).flows, set.flow_names(Some(&product("crm"))));
    let written = set.to_json();
    assert_eq!(written["paths"], said["paths"]);
    assert_eq!(written["products"]["raw"], json!({ "paths": [] }));
    assert_eq!(RuleSet::parse(&written.to_string()).unwrap(), set);
    let built_in = json!({ "version": 1, "paths": said["paths"] });
    assert_eq!(RuleSet::parse(&built_in.to_string()), Err(RulesError::BuiltInVersion));
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_its_bounds() {
    for (document, expected) in [
        (json!([]), "the document: expected an object"),
        (json!({}), "/version: expected a version"),
        (json!({"version": 0}), "/version: must be 1 to 4294967295"),
        (
            json!({"version": 2, "rulez": {}}),
            "/rulez: unknown; known are version, rules, elements, paths, flows, products",
        ),
        (
            json!({"version": 2, "paths": [{"pattern": "/a", "screen": "/b"}, {"pattern": "/*", "screen": "/**"}]}),
            "/paths/1: a screen has no more stars than its pattern, and ** only where its pattern has it",
        ),
        (json!({"version": 2, "paths": {}}), "/paths: expected a list of path rules"),
        (json!({"version": 2, "paths": [{"pattern": "/a"}]}), "/paths/0/screen: expected a path"),
        (
            json!({"version": 2, "products": {"crm": {"flows": [{"name": "A"}]}}}),
            "/products/crm/flows/0: expected a task or a path beside the name",
        ),
        (
            json!({"version": 2, "rules": {"rage_click": {"gapMs": 0}}}),
            "/rules/rage_click/gapMs: must be 1 to 60000",
        ),
        (
            json!({"version": 2, "rules": {"rage_click": {"gapMs": 1.5}}}),
            "/rules/rage_click/gapMs: expected a whole number",
        ),
        (
            json!({"version": 2, "rules": {"rage_click": {"gapMs": "1"}}}),
            "/rules/rage_click/gapMs: expected a number",
        ),
        (
            json!({"version": 2, "rules": {"rage_click": {"enabled": 1}}}),
            "/rules/rage_click/enabled: expected true or false",
        ),
        (
            json!({"version": 2, "rules": {"rage_click": {"metric": "miles"}}}),
            "/rules/rage_click/metric: expected one of element manhattan euclidean",
        ),
        (
            json!({"version": 2, "rules": {"context_switch": {"gap": 1}}}),
            "/rules/context_switch/gap: unknown; known are enabled, awayMs, backMs",
        ),
        (
            json!({"version": 2, "rules": {"loop": {"ignore": [{"screen": "/a"}, {"screen": ""}]}}}),
            "/rules/loop/ignore/1/screen: expected a pattern: 1 to 128 bytes, * for anything",
        ),
        (
            json!({"version": 2, "rules": {"loop": {"ignore": [{"label": "x"}]}}}),
            "/rules/loop/ignore/0/label: unknown; known are key, kind, screen, task",
        ),
        (
            json!({"version": 2, "elements": [{"match": [{}], "rules": {}}]}),
            "/elements/0/match/0: expected an object with key, kind, screen or task",
        ),
        (
            json!({"version": 2, "elements": [{"match": [], "rules": {"loop": {}}}]}),
            "/elements/0/rules/loop: unknown; known are rage_click, dead_click, error_click",
        ),
        (
            json!({"version": 2, "products": {"a/b": {}}}),
            "/products/a~1b: expected the id of a product",
        ),
        (
            json!({"version": 2, "products": {"a": {"version": 3}}}),
            "/products/a/version: unknown; known are rules, elements, paths, flows",
        ),
        (
            json!({"version": 1, "rules": {"loop": {"enabled": false}}}),
            "/version: 1 is the built-in rules; rules of your own begin with 2",
        ),
    ] {
        assert_eq!(refusal(&document), expected);
    }
    assert_eq!(
        refusal(&json!({"version": 2, "rules": {"click": {}}})).split(';').next(),
        Some("/rules/click: unknown")
    );
    let lists = |count: usize| {
        let element = json!({ "match": [{ "key": "x" }], "rules": {} });
        let products = (0..count).map(|n| (format!("p{n}"), json!({})));
        let ignore = vec![json!({ "screen": "/a" }); count];
        [
            json!({ "version": 2, "rules": { "loop": { "ignore": ignore } } }),
            json!({ "version": 2, "elements": vec![element; count] }),
            json!({ "version": 2, "products": products.collect::<Map<String, Value>>() }),
        ]
    };
    let paths = ["/rules/loop/ignore", "/elements", "/products"];
    for ((most, more), path) in lists(200).iter().zip(&lists(201)).zip(paths) {
        assert!(RuleSet::parse(&most.to_string()).is_ok());
        assert_eq!(refusal(more), format!("{path}: more than 200 entries"));
    }
}

#[test]
fn one_setting_can_be_tried_out() {
    let tried = RuleSet::default().with(Rule::RageClick, "gapMs=800").unwrap();
    let rules = tried.for_product(&ProductId::default());
    assert_eq!((rules.version, rules.thresholds.rage_click.gap_ms), (1, 800));
    let tried = tried.with(Rule::RageClick, "metric = manhattan").unwrap();
    let rules = tried.for_product(&ProductId::default());
    assert_eq!(rules.thresholds.rage_click.metric, Metric::Manhattan);
    for (change, expected) in [
        ("gapMs", "/rules/rage_click: expected name=value"),
        ("gapMs=", "/rules/rage_click/gapMs: expected a number"),
        ("gapMs=0", "/rules/rage_click/gapMs: must be 1 to 60000"),
        ("gap=1", "/rules/rage_click/gap: unknown"),
    ] {
        let error = RuleSet::default().with(Rule::RageClick, change).unwrap_err().to_string();
        assert_eq!(error.split(';').next(), Some(expected), "{change}");
    }
}

#[test]
fn a_document_reads_back_as_it_was_meant() {
    let layered = json!({
        "version": 3,
        "rules": { "loop": { "ignore": [{ "screen": "/Home-*" }] } },
        "elements": [{ "match": [{ "key": "like*", "kind": "button" }], "rules": { "rage_click": { "minClicks": 9 } } }],
        "products": { "crm": { "rules": { "loop": { "enabled": false } } } },
    });
    let read = RuleSet::parse(&layered.to_string()).unwrap();
    assert_eq!(read.to_json(), layered, "spelt as it was");
    for set in [RuleSet::default(), presets::posthog(), presets::datadog(), read] {
        assert_eq!(RuleSet::parse(&set.to_json().to_string()), Ok(set.clone()));
        let through_serde: RuleSet =
            serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
        assert_eq!(through_serde, set);
    }
}

#[test]
fn everything_that_holds_can_be_said_in_a_document() {
    let all = json!({ "version": 2, "rules": Rules::default().to_json() });
    let said = RuleSet::parse(&all.to_string()).unwrap();
    let rules = said.for_product(&ProductId::default());
    assert_eq!(rules.thresholds, Thresholds::default());
}
