//! The simulated product: named people with habits, seeded, and everything that goes wrong around them.

use contract::EventType;

/// Someone who uses the product, or something that runs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Persona {
    /// A given name; with a number it makes an address that must never be stored.
    pub(crate) name: &'static str,
    /// What they do, each with its weight.
    habits: &'static [(EventType, u32)],
}

use EventType as E;

/// The cast.
pub(crate) const CAST: &[Persona] = &[
    Persona {
        name: "anneliese",
        habits: &[
            (E::UserOverride, 12),
            (E::Challenge, 6),
            (E::ExplanationRequest, 5),
            (E::UiClick, 30),
            (E::UiNavigation, 14),
            (E::UserViewed, 10),
            (E::UserHighlighted, 4),
        ],
    },
    Persona {
        name: "bohumil",
        habits: &[
            (E::UiClick, 50),
            (E::UiDeadClick, 8),
            (E::RageQuit, 3),
            (E::Abandon, 6),
            (E::UiNavigation, 20),
            (E::UiError, 3),
            (E::TaskStarted, 6),
            (E::TaskCancelled, 3),
        ],
    },
    Persona {
        name: "chiaretta",
        habits: &[
            (E::Handoff, 9),
            (E::Feedback, 12),
            (E::ChatMessageCreated, 30),
            (E::ContextSwitch, 8),
            (E::TaskStarted, 8),
            (E::TaskCompleted, 7),
            (E::UiFocusChange, 8),
            (E::UiScroll, 12),
        ],
    },
    Persona {
        name: "dimitrios",
        habits: &[
            (E::ComplianceBlock, 12),
            (E::KgLowConfidence, 14),
            (E::SourceCaptured, 10),
            (E::ClaimUpserted, 10),
            (E::RecommendationGenerated, 8),
            (E::UiInputMeta, 12),
            (E::UiCustom, 5),
        ],
    },
    Persona {
        name: "backend-ilse",
        habits: &[
            (E::BackendError, 10),
            (E::BackendRetry, 14),
            (E::BackendTimeout, 6),
            (E::CrawlItemCollected, 16),
            (E::CrawlItemFailed, 5),
        ],
    },
];

/// Identifiers that were put into events and must not be found in anything that was written.
pub(crate) const FAMILY_NAMES: &[&str] =
    &["quellwasser", "zwetschgenbaum", "fjordlund", "montepietra"];

/// One person in one organisation.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// An e-mail address, as a host would hand it over.
    pub(crate) address: String,
    /// A telephone number.
    pub(crate) phone: String,
    /// A session key, as a host would hand it over.
    pub(crate) session: String,
    persona: Persona,
}

/// The person number `number` of organisation `org`, in their session number `session`.
pub(crate) fn person(org: usize, number: usize, session: usize) -> Person {
    let persona = pick(CAST, org + number);
    let family = pick(FAMILY_NAMES, org * 7 + number);
    Person {
        address: format!("{}.{family}{number}@kundschaft.example", persona.name),
        phone: format!("+49 1512 {:07}", 2_000_000 + org * 10_000 + number * 13),
        session: format!("sitzung-{org}-{number}-{session}-geheimnis"),
        persona,
    }
}

impl Person {
    /// What this person does next: by habit, and now and then anything at all, so that every type occurs.
    pub(crate) fn next_type(&self, rng: &mut fastrand::Rng) -> EventType {
        if rng.u32(..8) == 0 {
            return pick(EventType::ALL, rng.usize(..));
        }
        let total: u32 = self.persona.habits.iter().map(|(_, weight)| weight).sum();
        let mut left = rng.u32(..total.max(1));
        for (kind, weight) in self.persona.habits {
            if left < *weight {
                return *kind;
            }
            left -= weight;
        }
        EventType::UiCustom
    }
}

/// The item at `index`, counted round and round.
pub(crate) fn pick<T: Copy>(items: &[T], index: usize) -> T {
    // The lists above are never empty, so the remainder is an index.
    #[expect(clippy::indexing_slicing, reason = "a remainder by the length is below the length")]
    items[index % items.len()]
}
