//! The emitter: what a host calls.

use std::{fmt, time::Duration};

use contract::{Code, EventId, Timestamp, staged::StagedEvent};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    door::Door,
    draft::{Draft, Fields},
    error::{ConnectError, EmitError, HeldBack},
    guard::{Panicked, guarded, guarded_future},
    keys::KeySource,
    outbox::{Failure, Fate, Landing, Outbox, Spill},
    settings::Settings,
    stats::{EmitterStats, FlushReport},
    surroundings::{Machine, Surroundings},
    transport::{RowFate, Transport, TransportError},
};

/// Hands events of one organisation to the staging table and cannot hurt its host: see the crate's page for the promises.
///
/// Share it by reference or in an `Arc`; every method takes `&self`.
#[doc(alias = "FrictionEventEmitter")]
pub struct Emitter<T, S = Machine> {
    door: Door,
    outbox: Outbox,
    transport: T,
    surroundings: S,
    budget: Duration,
    batch_size: usize,
}

impl<T: Transport> Emitter<T> {
    /// Checks the settings and loads the key. The only call that may wait for a key source, and the only one that fails.
    ///
    /// # Errors
    /// Unusable settings, or no key for the organisation: there is no default key and no way to emit without one.
    pub async fn connect(
        settings: Settings,
        keys: impl KeySource,
        transport: T,
    ) -> Result<Self, ConnectError> {
        Self::connect_in(Machine, settings, keys, transport).await
    }
}

impl<T: Transport, S: Surroundings> Emitter<T, S> {
    /// As [`Emitter::connect`], with another clock and another source of randomness.
    ///
    /// # Errors
    /// As [`Emitter::connect`].
    pub async fn connect_in(
        surroundings: S,
        settings: Settings,
        keys: impl KeySource,
        transport: T,
    ) -> Result<Self, ConnectError> {
        settings.check()?;
        let pseudonymiser = keys.pseudonymiser(&settings.org).await?;
        if *pseudonymiser.org() != settings.org {
            return Err(ConnectError::ForeignKey);
        }
        let (outbox, budget, batch_size) =
            (Outbox::new(settings.ring()), settings.budget, settings.batch_size);
        let door = Door::new(settings, pseudonymiser, surroundings.entropy());
        door.check(surroundings.now())?;
        Ok(Self { door, outbox, transport, surroundings, budget, batch_size })
    }

    /// Emits an event and returns its id, whatever becomes of it: [`Self::stats`] tells.
    ///
    /// Waits at most the budget. What is not stored by then waits in the ring, and so does what is under way when the
    /// host drops this future.
    #[doc(alias = "emit_event")]
    pub async fn emit<F>(&self, draft: Draft<F>) -> EventId {
        self.try_emit(draft).await.unwrap_or_else(EmitError::into_event_id)
    }

    /// As [`Self::emit`], and tells when the event was not stored.
    ///
    /// # Errors
    /// See [`EmitError`]: only `Refused` and `Dropped` events are lost.
    pub async fn try_emit<F>(&self, draft: Draft<F>) -> Result<EventId, EmitError> {
        let row = self.prepare(draft.into_fields())?;
        let event_id = row.event_id.clone();
        let (fate, why) = self.hand_over(row).await;
        match fate {
            Fate::Stored => Ok(event_id),
            Fate::Held => Err(EmitError::Held { event_id, why }),
            Fate::Dropped => Err(EmitError::Dropped { event_id, why }),
            Fate::Refused(code) => Err(EmitError::Refused { event_id, code, path: None }),
        }
    }

    /// Puts an event into the ring and returns its id, without waiting for anything. The next `emit` or `flush` sends it.
    pub fn emit_later<F>(&self, draft: Draft<F>) -> EventId {
        match self.prepare(draft.into_fields()) {
            Ok(row) => {
                let event_id = row.event_id.clone();
                self.outbox.hold(row, Spill::Intended);
                event_id
            }
            Err(error) => error.into_event_id(),
        }
    }

    /// Sends what waits, oldest first, until nothing waits or the budget ends. Call it before the host freezes.
    ///
    /// Tries again after a failure, with growing pauses; ids stay what they are. A budget of more than a day is a day.
    pub async fn flush(&self, budget: Duration) -> FlushReport {
        let mut report = FlushReport::default();
        let deadline = Instant::now() + budget.min(FLUSH_MAX);
        // Only a runtime without timers can panic here, and then nothing can be sent at all.
        if guarded_future(self.flush_until(deadline, &mut report)).await.is_err() {
            self.failed(HeldBack::Panicked);
        }
        report.dropped = self.outbox.newly_dropped();
        let stats = self.stats();
        report.still_held = stats.held + stats.in_flight;
        self.log_flush(&report, &stats);
        report
    }

    /// Everything counted so far.
    pub fn stats(&self) -> EmitterStats {
        self.outbox.stats()
    }

    /// Turns a draft into a row: identifiers into tokens, texts scrubbed, what is undeclared dropped.
    fn prepare(&self, fields: Fields) -> Result<StagedEvent, EmitError> {
        let chance = || (self.surroundings.now(), self.surroundings.entropy());
        let Ok((now, entropy)) = guarded(chance) else {
            let event_id = self.door.event_id(&fields, Timestamp::from_ms(0), [0; 16]);
            self.refused(Code::Panicked);
            return Err(EmitError::Refused { event_id, code: Code::Panicked, path: None });
        };
        let event_id = self.door.event_id(&fields, now, entropy);
        let refused = |code, path| {
            self.refused(code);
            EmitError::Refused { event_id: event_id.clone(), code, path }
        };
        match guarded(|| self.door.row(fields, event_id.clone(), now)) {
            Ok(Ok(admitted)) => {
                self.outbox.count_dropped_keys(admitted.keys_dropped);
                Ok(admitted.row)
            }
            Ok(Err(fault)) => Err(refused(fault.code, fault.path)),
            Err(Panicked) => Err(refused(Code::Panicked, None)),
        }
    }

    /// Sends a new row together with the oldest that wait, or lets the ring keep it.
    async fn hand_over(&self, row: StagedEvent) -> (Fate, HeldBack) {
        let now = row.staged_at;
        if self.outbox.is_resting(now) {
            return (self.outbox.hold(row, Spill::Counted), HeldBack::Resting);
        }
        let flight = self.outbox.board(Some(row), self.batch_size, now);
        match self.attempt(flight.rows(), self.budget).await {
            Ok(fates) => {
                let landing = self.landed(flight.land(&fates));
                (landing.last.unwrap_or(Fate::Held), HeldBack::Unprocessed)
            }
            Err(why) => {
                let fate = flight.turn_back().unwrap_or(Fate::Held);
                self.failed(why);
                (fate, why)
            }
        }
    }

    async fn flush_until(&self, deadline: Instant, report: &mut FlushReport) {
        let mut pause = PAUSE_MIN;
        loop {
            let flight = self.outbox.board(None, self.batch_size, self.surroundings.now());
            let left = deadline.saturating_duration_since(Instant::now());
            if flight.rows().is_empty() || left.is_zero() {
                return;
            }
            match self.attempt(flight.rows(), left).await {
                Ok(fates) => {
                    let landing = self.landed(flight.land(&fates));
                    report.sent += landing.sent;
                    report.duplicates += landing.duplicates;
                    report.rejected += landing.rejected;
                    if landing.unprocessed == 0 {
                        pause = PAUSE_MIN;
                        continue;
                    }
                }
                Err(why) => {
                    drop(flight);
                    self.failed(why);
                    if matches!(why, HeldBack::Failed(TransportError::Denied { .. })) {
                        return;
                    }
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if pause >= left {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn attempt(
        &self,
        rows: &[StagedEvent],
        budget: Duration,
    ) -> Result<Vec<RowFate>, HeldBack> {
        // The timer is made inside the boundary as well: without a runtime it panics.
        let sent = guarded_future(async {
            timeout(budget, guarded_future(async { self.transport.send(rows).await })).await
        });
        match sent.await {
            Ok(Ok(Ok(Ok(fates)))) => Ok(fates),
            Ok(Ok(Ok(Err(error)))) => Err(HeldBack::Failed(error)),
            Ok(Ok(Err(Panicked))) | Err(Panicked) => Err(HeldBack::Panicked),
            Ok(Err(_elapsed)) => Err(HeldBack::TimedOut),
        }
    }

    fn landed(&self, landing: Landing) -> Landing {
        if landing.sent + landing.duplicates + landing.rejected > 0 {
            self.outbox.succeeded();
        } else {
            self.failed(HeldBack::Unprocessed);
        }
        if landing.rejected > 0 {
            let _ = guarded(|| {
                tracing::warn!(events.refused = landing.rejected, "the transport refused events");
            });
        }
        landing
    }

    fn failed(&self, why: HeldBack) {
        let failure = match why {
            HeldBack::TimedOut => Failure::Timeout,
            HeldBack::Panicked => Failure::Panic,
            HeldBack::Failed(TransportError::Denied { .. }) => Failure::Denied,
            HeldBack::Failed(TransportError::Unavailable { .. } | TransportError::Throttled)
            | HeldBack::Unprocessed
            | HeldBack::Resting => Failure::Error,
        };
        let _ = guarded(|| {
            self.outbox.failed(failure, self.surroundings.now());
            let held = self.outbox.stats().held;
            tracing::warn!(emitter.held = held, "events wait in memory: {why}");
        });
    }

    /// Logs the first refusal with a code, the second, the fourth, …: a host that emits nonsense must not drown its log.
    fn refused(&self, code: Code) {
        let so_far = self.outbox.refuse(code);
        if so_far.is_power_of_two() {
            let _ = guarded(|| {
                tracing::warn!(
                    event.code = code.as_str(),
                    events.refused = so_far,
                    "refused an event: {code}"
                );
            });
        }
    }

    fn log_flush(&self, report: &FlushReport, stats: &EmitterStats) {
        let _ = guarded(|| {
            tracing::info!(
                target: "metrics",
                events_sent = report.sent,
                events_duplicate = report.duplicates,
                events_rejected = report.rejected,
                events_held = report.still_held,
                events_dropped = report.dropped,
                events_emitted_total = stats.emitted,
                stage = "emitter",
            );
        });
    }
}

impl<T, S> fmt::Debug for Emitter<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("budget", &self.budget)
            .field("stats", &self.outbox.stats())
            .finish_non_exhaustive()
    }
}

impl<T, S> Drop for Emitter<T, S> {
    fn drop(&mut self) {
        let held = self.outbox.stats().held;
        if held > 0 {
            let _ = guarded(|| {
                tracing::warn!(emitter.held = held, "{held} events are lost: flush before the end");
            });
        }
    }
}

/// The first pause after a failure within a flush; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Far from where an instant overflows.
const FLUSH_MAX: Duration = Duration::from_secs(86_400);
