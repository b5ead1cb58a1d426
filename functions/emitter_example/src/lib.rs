//! A host of the emitter: a function that takes what a person did with an answer of an assistant, and says so where it
//! hurt. What it would do besides, your function does.

use std::time::Duration;

use emitter::{Emitter, Transport, friction};
use serde::{Deserialize, Serialize};

/// What a person did with an answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verdict {
    /// Who, as the host knows them; it leaves the host as a token.
    pub user: String,
    /// In which session.
    pub session: String,
    /// Which feature answered.
    pub feature: String,
    /// How sure it was, from 0 to 1.
    pub confidence: f64,
    /// For how many seconds they had been at it.
    pub seconds: u64,
    /// What they did.
    pub action: Action,
}

/// What they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing was wrong.
    Accepted,
    /// They wrote something else in its place.
    Edited,
    /// They did not believe it.
    Challenged,
    /// They left.
    Abandoned,
}

/// The host's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Events that are stored.
    pub stored: u64,
    /// Events that wait in memory for the next invocation, because the table did not take them in time.
    pub waiting: u64,
}

/// Handles one invocation. The emitter never makes it fail, and never makes it wait longer than it was told to.
pub async fn handle<T: Transport>(emitter: &Emitter<T>, verdict: &Verdict) -> Taken {
    let who = |draft: emitter::Draft<friction::Friction>| {
        draft.actor(verdict.user.as_str()).session(verdict.session.as_str())
    };
    let before = emitter.stats();
    match verdict.action {
        Action::Accepted => {}
        Action::Edited => {
            emitter.emit_later(who(friction::user_override(verdict.confidence, "edited")));
        }
        Action::Challenged => {
            emitter.emit_later(who(friction::challenge(&verdict.feature)));
        }
        Action::Abandoned => {
            emitter.emit_later(who(friction::abandon(
                &verdict.feature,
                Duration::from_secs(verdict.seconds),
            )));
        }
    }
    // Lambda freezes the process when the answer is given: what is in memory now may never leave it.
    let report = emitter.flush(FLUSH).await;
    let stored = |stats: &emitter::EmitterStats| stats.sent + stats.duplicates;
    Taken { stored: stored(&emitter.stats()) - stored(&before), waiting: report.still_held }
}

/// What a host grants its emitter at the end of an invocation.
const FLUSH: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use emitter::{GivenKey, Mock, OrgId, RootKey, Settings};

    use super::*;

    fn verdict(action: &str) -> Verdict {
        let json = format!(
            r#"{{"user":"jan@example.org","session":"s-1","feature":"answers","confidence":0.4,"seconds":90,"action":"{action}"}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[tokio::test]
    async fn what_hurt_is_said_and_nothing_else() {
        let settings = Settings::new(OrgId::parse("acme").unwrap(), "chat", "eu-central-1");
        let key = GivenKey::new(RootKey::parse(&"0123456789abcdef".repeat(4)).unwrap(), 1, [7; 32]);
        let table = std::sync::Arc::new(Mock::new());
        let emitter = Emitter::connect(settings, key, table.clone()).await.unwrap();
        assert_eq!(handle(&emitter, &verdict("accepted")).await, Taken { stored: 0, waiting: 0 });
        for action in ["edited", "challenged", "abandoned"] {
            let taken = handle(&emitter, &verdict(action)).await;
            assert_eq!(taken, Taken { stored: 1, waiting: 0 }, "{action}");
        }
        let bodies: Vec<String> = table.rows().into_iter().map(|row| row.body).collect();
        for (body, kind) in bodies.iter().zip(["user_override", "challenge", "abandon"]) {
            assert!(body.contains(&format!("friction.{kind}")), "{body}");
            assert!(!body.contains("jan@example.org") && !body.contains("s-1"), "{body}");
        }
    }
}
