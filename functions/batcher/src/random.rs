//! Chance, from the operating system.

use ports::clock::Entropy;

/// The system's random bytes. They only draw pauses and orders here, so that without them all pauses are the shortest.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Entropy for SystemRandom {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if let Err(error) = getrandom::fill(&mut bytes) {
            tracing::warn!(%error, "the system gives no random bytes: {error}");
        }
        bytes
    }
}
