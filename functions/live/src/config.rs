//! Settings of the Lambda entry point.
//!
//! | variable | meaning |
//! |---|---|
//! | `CONNECTIONS_URL` | the WebSocket API's stage, below which its connections are |
//! | `SESSIONS_TABLE`, `KEYS_TABLE`, `EVENT_BUS` | the tables and the bus |
//! | `AWS_REGION`, `AWS_ACCESS_KEY_ID`, … | what Lambda sets |

/// A setting without which nothing starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing;

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CONNECTIONS_URL is not set: without it nobody can be told anything")
    }
}

impl std::error::Error for Missing {}

/// Where the connections of the WebSocket API are.
///
/// # Errors
/// Nothing says it.
pub fn connections_url(variable: impl Fn(&str) -> Option<String>) -> Result<String, Missing> {
    variable("CONNECTIONS_URL").filter(|url| !url.trim().is_empty()).ok_or(Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_starts_without_the_url() {
        assert_eq!(connections_url(|_| None), Err(Missing));
        assert_eq!(connections_url(|_| Some(" ".to_owned())), Err(Missing));
        let set = |name: &str| (name == "CONNECTIONS_URL").then(|| "https://a/live".to_owned());
        assert_eq!(connections_url(set).as_deref(), Ok("https://a/live"));
    }
}
