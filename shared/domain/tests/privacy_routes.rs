//! The laws of path templates.

use domain::url_template::{TEMPLATE_BYTES_MAX, route_template};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn applying_it_twice_changes_nothing(url in hostile()) {
        let once = route_template(&url).into_owned();
        let twice = route_template(&once).into_owned();
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn a_template_is_short_and_has_nothing_to_look_up(url in hostile()) {
        let template = route_template(&url);
        prop_assert!(template.len() <= TEMPLATE_BYTES_MAX);
        prop_assert!(!template.contains(['?', '#', '@', '%', ';', '\\']), "{}", template);
        prop_assert!(!template.chars().any(char::is_control));
        prop_assert!(template.split('/').all(|s| s.bytes().filter(u8::is_ascii_digit).count() < 5), "{}", template);
    }

    #[test]
    fn what_stands_outside_the_path_does_not_matter(
        path in "(/[a-z]{1,8}){0,4}/[a-z0-9]{0,30}", host in "[a-z]{1,8}\\.example", user in "[a-z]{0,5}:[a-z]{0,5}@|",
        query in "\\?[a-z=&@%0-9]{0,20}|", fragment in "#[a-z0-9/]{0,10}|",
    ) {
        let url = format!("https://{user}{host}{path}{query}{fragment}");
        prop_assert_eq!(route_template(&url), route_template(&path));
    }
}

/// Pieces that mean something to the function, and arbitrary text.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "/", "//", ":", ";", "?", "#", "@", "%", "\\", ".", "-", "https:", "file:", "data", "C", " ", "\t", "{id}",
            "4711", "deadbeef", "deadbee", "f00", "checkout", "\u{200b}", "é", "aBcDeFgHiJ",
        ]).prop_map(str::to_owned),
        1 => ".{0,6}",
        1 => "[a-zA-Z0-9/:;._-]{0,80}",
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}
