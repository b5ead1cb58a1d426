//! Rules and projections, and the questions about sessions.

use contract::{OrgId, ProductId, Timestamp, session::SessionId};
use friction::{
    cells::{Cell, CellKey, CellKind, Cells},
    change::{StoredIncident, StoredSession},
    owner::Owner,
    rules::RuleSet,
};

use super::decorate;
use crate::{
    projections::{Projected, Projection, Projections, SaveOutcome},
    rules::RuleBook,
    sessions::{Amendments, IncidentQuery, SessionQuery, Span, Sums, Understanding},
};

decorate!("sums", Sums {
    fn cells(span: &Span, kind: CellKind) -> Vec<(CellKey, Cell)>;
    fn products_of(org: &OrgId) -> Vec<ProductId>;
});

decorate!("amendments", Amendments {
    fn products(day: Timestamp) -> Vec<(OrgId, ProductId)>;
    fn amend(name: &str, change: &Cells) -> bool;
});

decorate!("understanding", Understanding {
    fn sessions(query: &SessionQuery) -> Vec<StoredSession>;
    fn incidents(query: &IncidentQuery) -> Vec<StoredIncident>;
    fn session(org: &OrgId, id: &SessionId) -> Option<(Owner, StoredSession)>;
});

decorate!("rules", RuleBook {
    fn rules(org: &OrgId) -> Option<RuleSet>;
    fn put_rules(org: &OrgId, rules: &RuleSet) -> bool;
});

decorate!("projections", Projections {
    fn load(projected: &Projected) -> Option<Projection>;
    fn save(projected: &Projected, projection: Projection) -> SaveOutcome;
    fn context(org: &OrgId, session: &SessionId) -> Option<(Owner, Projection)>;
});
