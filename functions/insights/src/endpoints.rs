//! Every endpoint: where it is, what it takes, what it answers. The routes and the description are made of this table.

use contract::{
    insights::{
        flows::{FlowGraph, TopFlows},
        hotspots::Hotspots,
        overview::Overview,
        pages::{EventPage, IncidentPage, SessionPage, SessionView},
        trace::Trace,
        unusual::UnusualSessions,
    },
    ledger::{LedgerReport, Whereabouts},
    projection::{SessionContext, UserPreferences},
};
use schemars::{Schema, SchemaGenerator};

use crate::parameters::{
    AFTER, CURSOR, EDGES, EVENTS, FLOWS, FROM, HOTSPOTS, LISTED_FROM, LISTED_TO, ORG, ORG_OR_ALL,
    PAGE, PERCENTILE_MIN, PERSONS_PRODUCT, PRODUCT, Parameter, RULE, SESSION, SESSIONS_MIN, SORT,
    STATE, TO, UNUSUAL,
};

/// An endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) operation: Operation,
    /// Its path; what stands in braces is an id.
    pub(crate) path: &'static str,
    /// What it is called.
    pub(crate) id: &'static str,
    /// What it answers, in a sentence.
    pub(crate) about: &'static str,
    /// What it takes beside the path.
    pub(crate) parameters: &'static [Parameter],
    /// What it answers, as a schema.
    pub(crate) answer: fn(&mut SchemaGenerator) -> Schema,
}

/// What an endpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Overview,
    Hotspots,
    Trace,
    TopFlows,
    FlowGraph,
    UnusualSessions,
    Sessions,
    Session,
    Incidents,
    Events,
    Context,
    Preferences,
    #[cfg(feature = "websocket")]
    ContextStream,
    Ledger,
    Whereabouts,
    Description,
}

impl Endpoint {
    /// What answers a request that is granted: 200, or 101 where the answer goes on for ever.
    pub(crate) fn status(&self) -> u16 {
        #[cfg(feature = "websocket")]
        if self.operation == Operation::ContextStream {
            return 101;
        }
        200
    }
}

/// All of them.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        operation: Operation::Overview,
        path: "/v1/insights/overview",
        id: "overview",
        about: "An organisation's sessions at a glance.",
        parameters: &[ORG, PRODUCT, FROM, TO],
        answer: SchemaGenerator::subschema_for::<Overview>,
    },
    Endpoint {
        operation: Operation::Hotspots,
        path: "/v1/insights/hotspots",
        id: "hotspots",
        about: "Screens by mean friction times sessions, with their trend against the period before.",
        parameters: &[ORG, PRODUCT, FROM, TO, SESSIONS_MIN, HOTSPOTS],
        answer: SchemaGenerator::subschema_for::<Hotspots>,
    },
    Endpoint {
        operation: Operation::Trace,
        path: "/v1/insights/trace",
        id: "trace",
        about: "What each pillar caused and prevented.",
        parameters: &[ORG, PRODUCT, FROM, TO],
        answer: SchemaGenerator::subschema_for::<Trace>,
    },
    Endpoint {
        operation: Operation::TopFlows,
        path: "/v1/flows/top",
        id: "topFlows",
        about: "The ways that most went, or on which most is lost.",
        parameters: &[ORG, PRODUCT, FROM, TO, SORT, FLOWS],
        answer: SchemaGenerator::subschema_for::<TopFlows>,
    },
    Endpoint {
        operation: Operation::FlowGraph,
        path: "/v1/flows/graph",
        id: "flowGraph",
        about: "Steps from screen to screen.",
        parameters: &[ORG, PRODUCT, FROM, TO, EDGES],
        answer: SchemaGenerator::subschema_for::<FlowGraph>,
    },
    Endpoint {
        operation: Operation::UnusualSessions,
        path: "/v1/flows/unusual",
        id: "unusualSessions",
        about: "Of the newest 1,000 sessions of a time those that went where hardly anybody goes, the most unusual first. What is usual is what the flows of its whole UTC days say.",
        parameters: &[ORG, PRODUCT, LISTED_FROM, LISTED_TO, PERCENTILE_MIN, UNUSUAL],
        answer: SchemaGenerator::subschema_for::<UnusualSessions>,
    },
    Endpoint {
        operation: Operation::Sessions,
        path: "/v1/sessions",
        id: "sessions",
        about: "Sessions that began in a time, newest first.",
        parameters: &[ORG_OR_ALL, PRODUCT, LISTED_FROM, LISTED_TO, STATE, PAGE, CURSOR],
        answer: SchemaGenerator::subschema_for::<SessionPage>,
    },
    Endpoint {
        operation: Operation::Session,
        path: "/v1/sessions/{id}",
        id: "session",
        about: "One session, with what its scores are made of, and how unusual its way was.",
        parameters: &[ORG_OR_ALL],
        answer: SchemaGenerator::subschema_for::<SessionView>,
    },
    Endpoint {
        operation: Operation::Incidents,
        path: "/v1/incidents",
        id: "incidents",
        about: "Incidents that began in a time, newest first, each with its rule, thresholds and events.",
        parameters: &[ORG_OR_ALL, PRODUCT, LISTED_FROM, LISTED_TO, RULE, SESSION, PAGE, CURSOR],
        answer: SchemaGenerator::subschema_for::<IncidentPage>,
    },
    Endpoint {
        operation: Operation::Events,
        path: "/api/sessions/{id}/events",
        id: "sessionEvents",
        about: "A session's events as they are kept, in order.",
        parameters: &[ORG_OR_ALL, AFTER, EVENTS, CURSOR],
        answer: SchemaGenerator::subschema_for::<EventPage>,
    },
    Endpoint {
        operation: Operation::Context,
        path: "/api/sessions/{id}/context",
        id: "sessionContext",
        about: "What a session is about, by all of its events that are kept.",
        parameters: &[ORG_OR_ALL],
        answer: SchemaGenerator::subschema_for::<SessionContext>,
    },
    Endpoint {
        operation: Operation::Preferences,
        path: "/api/users/{id}/preferences",
        id: "userPreferences",
        about: "What a person prefers, by what they did in their newest 50 sessions that are over.",
        parameters: &[ORG, PERSONS_PRODUCT],
        answer: SchemaGenerator::subschema_for::<UserPreferences>,
    },
    #[cfg(feature = "websocket")]
    Endpoint {
        operation: Operation::ContextStream,
        path: "/api/sessions/{id}/context/stream",
        id: "sessionContextStream",
        about: "A WebSocket: what a session is about, now and after every change, each message a SessionContext. A message {\"after\": lastSeq} asks for what is newer; one whose after is no lastSeq is answered with a problem and the end. On one machine one key may have 100 open, one organisation 250, all together 1,000. Behind a gateway this is an address of its own, with the session in the query.",
        parameters: &[ORG_OR_ALL, crate::parameters::AFTER_SEQUENCE],
        answer: SchemaGenerator::subschema_for::<SessionContext>,
    },
    Endpoint {
        operation: Operation::Ledger,
        path: "/v1/ledger",
        id: "ledger",
        about: "What became of every event, per organisation that the key sees.",
        parameters: &[ORG_OR_ALL],
        answer: SchemaGenerator::subschema_for::<LedgerReport>,
    },
    Endpoint {
        operation: Operation::Whereabouts,
        path: "/v1/events/{id}",
        id: "whereabouts",
        about: "Where one event is.",
        parameters: &[ORG_OR_ALL],
        answer: SchemaGenerator::subschema_for::<Whereabouts>,
    },
    Endpoint {
        operation: Operation::Description,
        path: "/openapi.json",
        id: "description",
        about: "This description; it needs no key.",
        parameters: &[],
        answer: |_| schemars::json_schema!({ "type": "object" }),
    },
];
