//! The profiles that every build knows.

/// Their names.
pub const BUILT_IN: [&str; 2] = ["athena-eu", "frictionmelt-2026-02"];

pub(super) fn json(name: &str) -> Option<&'static str> {
    match name {
        "athena-eu" => Some(include_str!("athena_eu.json")),
        "frictionmelt-2026-02" => Some(include_str!("frictionmelt_2026_02.json")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::BUILT_IN;
    use crate::profile::{InvalidProfile, Profile, Suspicion};

    #[test]
    fn every_built_in_profile_is_usable_and_bears_its_name() {
        for name in BUILT_IN {
            assert_eq!(Profile::parse(name).unwrap().name, name);
        }
    }

    #[test]
    fn a_new_quirk_is_a_change_of_configuration() {
        let json = include_str!("athena_eu.json")
            .replace("frictionSignals\"", "both\"")
            .replace("\"batchEventsMax\": 96", "\"batchEventsMax\": 5");
        let profile = Profile::parse(&json).unwrap();
        assert_eq!((profile.suspicion, profile.caps().events), (Suspicion::Both, 5));
    }

    #[test]
    fn a_profile_that_no_request_could_carry_is_refused() {
        assert_eq!(Profile::parse("athena-us"), Err(InvalidProfile::Unknown));
        let json = include_str!("athena_eu.json");
        let check = |from: &str, to: &str, what: &'static str| {
            assert!(json.contains(from), "{from}");
            let changed = Profile::parse(&json.replace(from, to));
            assert_eq!(changed, Err(InvalidProfile::Unusable(what)));
        };
        check("\"/v1/", "\"v1/", "path");
        check("X-Athena-Org-Id", "X-Athena Org-Id", "header names");
        check("eu-central-1", "eu\\r\\nX-Injected: 1", "header values");
        check("\"batchEventsMax\": 96", "\"batchEventsMax\": 97", "batchEventsMax");
        check("\"timeStepMs\": 1", "\"timeStepMs\": 0", "timeStepMs");
        let unknown = json.replace("\"path\"", "\"paht\"");
        assert!(matches!(Profile::parse(&unknown), Err(InvalidProfile::Unreadable(_))));
    }
}
