//! Events as a product's hosts send them: every second one is friction, all have an actor, a session and a context.

use std::fmt::Write as _;

use contract::Timestamp;

/// Makes one client's events. Ids are UUIDv7; nothing repeats.
pub(crate) struct Events {
    client: u64,
    made: u64,
}

impl Events {
    pub(crate) fn of(client: u64) -> Self {
        Self { client, made: 0 }
    }

    /// A request of `count` events.
    pub(crate) fn request(&mut self, count: usize) -> String {
        let now = Timestamp::from_ms(now_ms());
        let mut body = String::with_capacity(count * 720);
        body.push_str(r#"{"events":["#);
        for place in 0..count {
            if place > 0 {
                body.push(',');
            }
            self.push(&mut body, now);
        }
        body.push_str("]}");
        body
    }

    fn push(&mut self, body: &mut String, now: Timestamp) {
        self.made += 1;
        let random = mix((self.client << 40) | self.made);
        let ms = now.ms();
        let (high, node) = (self.made & 0xfff, mix(random) & 0xffff_ffff_ffff);
        let (top, low) = (ms >> 16, ms & 0xffff);
        let tail = 0x8000 | (self.client & 0x3fff);
        let actor = random % ACTORS;
        let product = pick(PRODUCTS, random >> 8);
        // Writing to a string does not fail.
        let _ = write!(
            body,
            r#"{{"schemaVersion":"1.0","eventId":"{top:08x}-{low:04x}-7{high:03x}-{tail:04x}-{node:012x}","occurredAt":"{now}","orgId":"{ORG}","productId":"{product}","actorId":"person.{actor}@example.org","sessionId":"session-{actor}-{}","source":{{"service":"workbench","version":"4.2.0","region":"eu-central-1"}},"screen":"{}","#,
            self.made / 20_000,
            pick(SCREENS, random >> 16),
        );
        if self.made.is_multiple_of(2) {
            friction(body, random)
        } else {
            other(body, random)
        }
        body.push('}');
    }
}

fn friction(body: &mut String, random: u64) {
    let (kind, pillar) = pick(FRICTION, random >> 24);
    // One in a hundred is urgent, and delivered at once.
    let severity = if (random >> 32).is_multiple_of(100) { 4 } else { 1 + (random >> 32) % 3 };
    let _ = write!(
        body,
        r#""eventType":"{kind}","traceComponent":"{pillar}","severity":{severity},"element":{{"key":"{}","kind":"button"}},"context":{{"aiConfidence":0.{:02},"feature":"{}","userAction":"negative","sessionDurationSeconds":{},"explanationLevel":"intermediate","deviceType":"desktop","complianceFlags":["retention","export"]}}"#,
        pick(ELEMENTS, random >> 40),
        random % 100,
        pick(FEATURES, random >> 44),
        random % 3_000,
    );
}

fn other(body: &mut String, random: u64) {
    let feature = pick(FEATURES, random >> 44);
    let element = pick(ELEMENTS, random >> 40);
    let (x, y) = (random % 1_900, random % 1_000);
    let _ = match (random >> 24) % 4 {
        0 => write!(
            body,
            r#""eventType":"ui.navigation","context":{{"feature":"{feature}","deviceType":"desktop","url":"https://app.example/orders/{x}/review?tab={y}"}}"#
        ),
        1 => write!(
            body,
            r#""eventType":"task.completed","task":{{"name":"review-contract","id":"task-{x}-{y}"}},"context":{{"feature":"{feature}","deviceType":"desktop"}}"#
        ),
        _ => write!(
            body,
            r#""eventType":"ui.click","element":{{"key":"{element}","kind":"button","x":{x},"y":{y}}},"context":{{"feature":"{feature}","deviceType":"desktop","url":"https://app.example/orders/{x}/review"}}"#
        ),
    };
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// One step of splitmix64: the same number gives the same event.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn pick<T: Copy + Default>(from: &[T], random: u64) -> T {
    let place = usize::try_from(random).unwrap_or(0) % from.len().max(1);
    from.get(place).copied().unwrap_or_default()
}

pub(crate) const ORG: &str = "acme";
const ACTORS: u64 = 5_000;
const PRODUCTS: &[&str] = &["workbench", "portal"];
const SCREENS: &[&str] = &["/start", "/search", "/files/{id}", "/orders/{id}/review", "/settings"];
const ELEMENTS: &[&str] = &["save", "submit", "next", "open-menu", "regenerate", "copy-answer"];
const FEATURES: &[&str] = &["summary", "search", "drafting", "classification", "translation"];
const FRICTION: &[(&str, &str)] = &[
    ("friction.user_override", "reasoning"),
    ("friction.abandon", "transparency"),
    ("friction.challenge", "explainability"),
    ("friction.explanation_request", "explainability"),
    ("friction.feedback", "reasoning"),
];
