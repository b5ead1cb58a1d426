//! Time and chance: the machine's, or a test's.

use contract::Timestamp;

/// Where an emitter gets the time and unpredictable bytes from.
pub trait Surroundings: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Sixteen unpredictable bytes, for event ids.
    fn entropy(&self) -> [u8; 16];
}

/// The machine's clock and its source of randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct Machine;

impl Surroundings for Machine {
    fn now(&self) -> Timestamp {
        let since =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// A failing source is a panic, which the emitter's boundary turns into a counted loss: an id that may repeat would
    /// lose another event without anybody noticing.
    fn entropy(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        #[expect(clippy::expect_used, reason = "caught at the emitter's boundary, see above")]
        getrandom::fill(&mut bytes).expect("the operating system has no randomness");
        bytes
    }
}

impl<S: Surroundings> Surroundings for &S {
    fn now(&self) -> Timestamp {
        (*self).now()
    }

    fn entropy(&self) -> [u8; 16] {
        (*self).entropy()
    }
}

impl<S: Surroundings> Surroundings for std::sync::Arc<S> {
    fn now(&self) -> Timestamp {
        self.as_ref().now()
    }

    fn entropy(&self) -> [u8; 16] {
        self.as_ref().entropy()
    }
}
