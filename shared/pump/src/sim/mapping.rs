//! An event source mapping in bad weather.

use std::collections::BTreeMap;

use ports::{
    PortResult,
    chance::Chance,
    clock::Clock,
    stream::{Checkpoints, OnFailure, StreamSource},
};

use super::{Stormy, Weather};
use crate::{
    function::StreamFunction,
    settings::Settings,
    state::{Position, ShardState},
    step::{Drained, Pump, Step},
};

/// A pump whose state, checkpoint and batch size do not stay as they were.
#[derive(Debug)]
pub struct Mapping<S, F, C> {
    pump: Pump<S, Stormy<F>, C>,
    chance: Chance,
    weather: Weather,
    batch_size_max: usize,
    shards: BTreeMap<String, Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    state: ShardState,
    /// Every place the consumer ever stood at.
    positions: Vec<Position>,
}

/// What one turn did, for a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The shard it was about.
    pub shard: String,
    /// What the pump did.
    pub step: Step,
}

impl<S, F, C> Mapping<S, F, C>
where
    S: StreamSource + Checkpoints + OnFailure,
    F: StreamFunction,
    C: Clock,
{
    /// A mapping of `source` to `function`; batches hold from one record to `settings.batch_size`.
    #[must_use]
    pub fn new(
        source: S,
        function: F,
        clock: C,
        settings: Settings,
        mut chance: Chance,
        weather: Weather,
    ) -> Self {
        let function = Stormy::new(function, chance.fork(), weather);
        let batch_size_max = settings.batch_size;
        let pump = Pump::new(source, function, clock, settings);
        Self { pump, chance, weather, batch_size_max, shards: BTreeMap::new() }
    }

    /// One step on one shard, after whatever the weather did to the consumer; nothing when there is no shard.
    pub async fn turn(&mut self) -> PortResult<Option<Turn>> {
        let names = self.pump.shards().await?;
        let Some(name) = self.chance.one_of(&names).cloned() else { return Ok(None) };
        if self.chance.percent(self.weather.resize) {
            self.pump.settings.batch_size = 1 + self.chance.below(self.batch_size_max);
        }
        let shard = self.shards.entry(name.clone()).or_default();
        if self.chance.percent(self.weather.restart) {
            shard.state = ShardState::default();
        } else if self.chance.percent(self.weather.rewind)
            && let Some(earlier) = self.chance.one_of(&shard.positions)
        {
            shard.state = match earlier {
                Position::After(sequence) => ShardState::at(Some(sequence.clone())),
                Position::Start | Position::Unknown => ShardState::at(None),
            };
        }
        let step = self.pump.step(&name, &mut shard.state).await?;
        if shard.positions.last() != Some(shard.state.position()) {
            shard.positions.push(shard.state.position().clone());
        }
        Ok(Some(Turn { shard: name, step }))
    }

    /// From here on nothing goes wrong.
    pub fn calm(&mut self) {
        self.weather = Weather::default();
        self.pump.function.calm();
    }

    /// Reads every shard to its end from the durable checkpoints.
    pub async fn drain(&self) -> PortResult<Drained> {
        self.pump.drain().await
    }
}
