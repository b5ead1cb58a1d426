//! Which call fails, and how: arranged call by call, or by seed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::chance::Chance;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing unusual.
    #[default]
    Pass,
    /// It fails without any effect, and may be tried again.
    Before,
    /// It has its effect, but the answer is lost: the caller sees a failure that may be tried again.
    After,
    /// It has part of its effect: of several things, some. Where there are no parts it is [`Fault::After`].
    Partial,
    /// It fails without any effect, and trying again does not help.
    Permanent,
}

/// How many calls of a hundred fail, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// [`Fault::Before`].
    pub before: u8,
    /// [`Fault::After`].
    pub after: u8,
    /// [`Fault::Partial`].
    pub partial: u8,
}

/// Decides about every call. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    // Shared, because a world and its clones fail as one; the lock is never held across an await.
    state: Arc<Mutex<State>>,
    stepwise: bool,
}

#[derive(Debug)]
struct State {
    chance: Chance,
    rates: Rates,
    arranged: BTreeMap<&'static str, Vec<Fault>>,
    calls: BTreeMap<&'static str, u64>,
}

impl FaultPlan {
    /// Nothing fails until something is arranged.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Calls fail at `rates`; which ones follows from `seed` and the order of the calls.
    #[must_use]
    pub fn seeded(seed: u64, rates: Rates) -> Self {
        let state = State { chance: Chance::of(seed), rates, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), stepwise: false }
    }

    /// Makes every call finish within one poll, with a [`super::Pause`] before and behind it. A scheduler that counts
    /// polls then sees the same steps whatever the world does inside, and can stop a task between any two of them.
    #[must_use]
    pub fn stepwise(self) -> Self {
        Self { stepwise: true, ..self }
    }

    /// The next calls of `operation` get these faults, in order, before chance decides again.
    pub fn arrange(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().arranged.entry(operation).or_default().extend(faults);
    }

    /// Changes the rates from here on; all zero ends the storm.
    pub fn set_rates(&self, rates: Rates) {
        self.state().rates = rates;
    }

    /// How often `operation` was called.
    #[must_use]
    pub fn calls(&self, operation: &str) -> u64 {
        self.state().calls.get(operation).copied().unwrap_or(0)
    }

    /// What happens to this call of `operation`.
    pub(super) fn next(&self, operation: &'static str) -> Fault {
        let mut state = self.state();
        *state.calls.entry(operation).or_default() += 1;
        if let Some(arranged) =
            state.arranged.get_mut(operation).filter(|faults| !faults.is_empty())
        {
            return arranged.remove(0);
        }
        let Rates { before, after, partial } = state.rates;
        let drawn = state.chance.below(100);
        let up_to = |shares: &[u8]| drawn < shares.iter().copied().map(usize::from).sum();
        if up_to(&[before]) {
            Fault::Before
        } else if up_to(&[before, after]) {
            Fault::After
        } else if up_to(&[before, after, partial]) {
            Fault::Partial
        } else {
            Fault::Pass
        }
    }

    pub(super) fn below(&self, bound: usize) -> usize {
        self.state().chance.below(bound)
    }

    pub(super) fn is_stepwise(&self) -> bool {
        self.stepwise
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            chance: Chance::of(0),
            rates: Rates::default(),
            arranged: BTreeMap::new(),
            calls: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(plan: &FaultPlan, calls: usize) -> Vec<Fault> {
        (0..calls).map(|_| plan.next("a.b")).collect()
    }

    #[test]
    fn a_seed_decides_and_the_rates_are_met() {
        let rates = Rates { before: 20, after: 10, partial: 5 };
        let faults = draw(&FaultPlan::seeded(3, rates), 10_000);
        assert_eq!(faults, draw(&FaultPlan::seeded(3, rates), 10_000));
        assert_ne!(faults, draw(&FaultPlan::seeded(4, rates), 10_000));
        let share = |fault| faults.iter().filter(|drawn| **drawn == fault).count();
        assert!((1_800..2_200).contains(&share(Fault::Before)));
        assert!((800..1_200).contains(&share(Fault::After)));
        assert!((350..650).contains(&share(Fault::Partial)));
        assert_eq!(share(Fault::Permanent), 0);
    }

    #[test]
    fn what_was_arranged_comes_first_and_only_for_its_operation() {
        let plan = FaultPlan::none();
        plan.arrange("a.b", [Fault::Pass, Fault::After]);
        assert_eq!(plan.next("a.c"), Fault::Pass);
        assert_eq!(draw(&plan, 3), [Fault::Pass, Fault::After, Fault::Pass]);
        assert_eq!((plan.calls("a.b"), plan.calls("a.c"), plan.calls("a.d")), (3, 1, 0));
    }

    #[test]
    fn clones_share_the_plan_and_a_storm_ends() {
        let plan = FaultPlan::seeded(1, Rates { before: 100, ..Rates::default() });
        let clone = plan.clone();
        assert_eq!(clone.next("a.b"), Fault::Before);
        plan.set_rates(Rates::default());
        assert_eq!(clone.next("a.b"), Fault::Pass);
    }
}
