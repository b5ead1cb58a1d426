//! The machine's random bytes.

use ports::clock::Entropy;

/// The machine's random bytes.
#[derive(Debug, Clone, Copy)]
pub struct System;

impl Entropy for System {
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
