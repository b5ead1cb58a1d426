//! Sessions that went where hardly anybody goes.

use contract::{
    insights::{
        asked::Asked,
        unusual::{RareStep, Unusual, UnusualSession, UnusualSessions},
    },
    limits::K_ANONYMITY,
    session::Session,
};

use super::{Period, basis, rounded};
use crate::flow::Usual;

/// How unusual `session` was by what was `usual` in `days`; nothing without flows, and where fewer than five actors say what
/// is usual.
#[must_use]
pub fn unusual(session: &Session, usual: &Usual, days: Period) -> Option<Unusual> {
    if usual.actors_at_least() < K_ANONYMITY {
        return None;
    }
    let surprise = usual.surprise(&session.flows)?;
    let (from, to, likelihood) = surprise.rarest;
    Some(Unusual {
        bits_per_step: rounded(surprise.bits),
        percentile: rounded(usual.below(surprise.bits) * 100.0),
        rarest: RareStep { from, to, likelihood: rounded(likelihood) },
        flows: usual.flows(),
        from: days.from,
        to: days.to,
    })
}

/// The `limit` most unusual of `sessions`, all there are in that time if `complete`: those only that are more unusual than
/// `percentile_min` in a hundred flows.
#[must_use]
pub fn unusual_sessions(
    asked: Asked,
    (usual, days): (&Usual, Period),
    (sessions, complete): (Vec<Session>, bool),
    (percentile_min, limit): (f64, usize),
) -> UnusualSessions {
    let with_flows = sessions.iter().filter(|session| !session.flows.is_empty()).count();
    let with_flows = u64::try_from(with_flows).unwrap_or(u64::MAX);
    let told = |session: Session| {
        let unusual = unusual(&session, usual, days)?;
        Some(UnusualSession {
            session_id: session.session_id,
            product_id: session.product_id,
            started_at: session.started_at,
            ended_at: session.ended_at,
            frustration: session.frustration.score,
            path: session.path,
            unusual,
        })
    };
    let mut sessions: Vec<UnusualSession> = sessions.into_iter().filter_map(told).collect();
    // Of equals the newest first.
    sessions.sort_by(|a, b| {
        let bits = b.unusual.bits_per_step.total_cmp(&a.unusual.bits_per_step);
        bits.then(b.started_at.cmp(&a.started_at)).then_with(|| a.session_id.cmp(&b.session_id))
    });
    let suppressed = if sessions.is_empty() { with_flows } else { 0 };
    sessions.retain(|session| session.unusual.percentile >= percentile_min);
    let beyond = u64::try_from(sessions.len().saturating_sub(limit)).unwrap_or(u64::MAX);
    sessions.truncate(limit);
    let basis = basis(asked, suppressed, &[("alpha", 0.5), ("percentileMin", percentile_min)]);
    UnusualSessions { basis, considered: with_flows, complete, beyond, sessions }
}
