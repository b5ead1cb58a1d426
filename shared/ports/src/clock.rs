//! Time and chance, handed to handlers so that tests own both.

use contract::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Sixteen of them.
    fn bytes(&self) -> [u8; 16];
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The machine's random bytes. Without them there is a panic: an id that may repeat would hide another event.
#[cfg(feature = "random")]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

#[cfg(feature = "random")]
impl Entropy for SystemEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        #[expect(
            clippy::expect_used,
            reason = "without random bytes no id is unpredictable: better none"
        )]
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        bytes
    }
}

impl<C: Clock> Clock for &C {
    fn now(&self) -> Timestamp {
        (*self).now()
    }
}

impl<C: Clock> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        self.as_ref().now()
    }
}

impl<E: Entropy> Entropy for &E {
    fn bytes(&self) -> [u8; 16] {
        (*self).bytes()
    }
}

impl<E: Entropy> Entropy for std::sync::Arc<E> {
    fn bytes(&self) -> [u8; 16] {
        self.as_ref().bytes()
    }
}
