//! What went wrong between here and the warehouse, in numbers: its words repeat what was sent.

use std::fmt;

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There was no connection.
    #[error("the warehouse cannot be reached")]
    Connect,
    /// It did not answer in time.
    #[error("the warehouse did not answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection to the warehouse broke")]
    Broken,
    /// It answered that it does not.
    #[error("the warehouse answered {status}, its code {code}{}", Advice(*code))]
    Refused {
        /// Of HTTP.
        status: u16,
        /// ClickHouse's own number; 0 without one.
        code: u16,
    },
}

impl Failure {
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_connect() {
            Self::Connect
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Broken
        }
    }

    /// The number of a refusal that is about what a row holds, and stays whenever it is asked.
    pub(super) fn content_code(self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => CONTENT.contains(&code).then_some(code),
            Self::Connect | Self::Timeout | Self::Broken => None,
        }
    }
}

/// What somebody may do about a refusal that somebody has to act on.
struct Advice(u16);

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            16 | 60 | 81 => ": a table or a column is missing, apply scripts/clickhouse",
            192..=194 | 516 => ": the user or the password is wrong",
            497 => ": the user may not do that",
            241 => ": it has no memory left",
            252 => ": it has too many parts, insert larger batches",
            _ => "",
        })
    }
}

/// Numbers that are about what a row holds: text that cannot be read as the column's type, values out of its range, nothing where
/// something must be, a constraint of the table's.
const CONTENT: [u16; 18] =
    [6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 130, 131, 190, 321, 349, 376, 441, 469];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_row_holds_refuses_it_for_ever() {
        let refused = |code| Failure::Refused { status: 400, code }.content_code();
        for code in [27, 41, 117, 321, 469] {
            assert_eq!(refused(code), Some(code));
        }
        // A missing column or table, a wrong password, a full server, and no number at all.
        for code in [0, 16, 60, 81, 159, 192, 241, 242, 252, 516] {
            assert_eq!(refused(code), None, "{code}");
        }
        assert_eq!(Failure::Timeout.content_code(), None);
    }
}
