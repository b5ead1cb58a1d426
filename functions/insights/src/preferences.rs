//! What a person prefers, by what a sweeper kept of their sessions.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use contract::Code;
use friction::preferences::PreferencesState;
use ports::{
    clock::Clock,
    projections::{Projected, Projections},
    reference::Subject,
    sessions::Sums,
};

use crate::{Insights, problem::Refusal, query::Call};

impl<W: Projections + Sums, C: Clock, E> Insights<W, C, E> {
    pub(crate) async fn preferences(&self, call: &Call) -> Result<Response, Refusal> {
        let product = call.query.product()?;
        let actor = call.id.clone().filter(|id| is_token(id)).ok_or(Code::NotFound)?;
        let products = match &product {
            Some(product) => vec![product.clone()],
            None => self.world.products_of(&call.org).await?,
        };
        let mut known = PreferencesState::default();
        for product in products {
            let subject = Subject { org: call.org.clone(), product, actor: actor.clone() };
            let kept = self.world.load(&Projected::Preferences(subject)).await?;
            // A state that this build cannot go on with is as good as none.
            let state = kept.and_then(|kept| serde_json::from_str(&kept.state).ok());
            known = known.and(state.unwrap_or_default());
        }
        let told = known.preferences(&call.org, product.as_ref(), &actor);
        Ok(Json(told.ok_or(Code::NotFound)?).into_response())
    }
}

/// What is no token of a person names nobody.
fn is_token(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.';
    text.len() <= TOKEN_BYTES_MAX && text.starts_with("u1.") && text.bytes().all(is_plain)
}

const TOKEN_BYTES_MAX: usize = 64;
