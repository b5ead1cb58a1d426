//! The pump in bad weather: whatever happens to it, every record is finished or held.

use std::{collections::BTreeSet, sync::Mutex};

use crate::memory::{Stream, at, numbers, resume_at, settings};
use ports::faulty::{Fault, FaultPlan, Faulty, Pause, Rates};
use pump::{
    FunctionError, Settings, StreamFunction,
    sim::{Chance, Mapping, Turn, Weather, complete},
};

/// Works through its records one await after the other, and sometimes stops at one.
struct Worker {
    finished: Mutex<Vec<u64>>,
    chance: Mutex<Chance>,
}

impl StreamFunction for &Worker {
    async fn invoke(&self, payload: &str) -> Result<String, FunctionError> {
        for number in numbers(payload) {
            let luck = self.chance.lock().unwrap().below(30);
            match luck {
                0 => return Ok(resume_at(number)),
                1 => return Err(FunctionError::failed("no")),
                _ => {}
            }
            Pause::default().await;
            self.finished.lock().unwrap().push(number);
        }
        Ok("{}".to_owned())
    }
}

fn play(seed: u64, records: usize) -> (Vec<Option<Turn>>, Vec<u64>, BTreeSet<u64>) {
    let stream = Stream::of(records, 0);
    let worker =
        Worker { finished: Mutex::default(), chance: Mutex::new(Chance::of(seed ^ 0xabcd)) };
    let plan = FaultPlan::seeded(seed, Rates { before: 5, after: 5, partial: 0 }).stepwise();
    let source = Faulty::new(&stream, plan.clone());
    let settings = Settings { max_retries: Some(3), ..settings(10) };
    let chance = Chance::of(seed);
    let mut mapping = Mapping::new(source, &worker, at(0), settings, chance, Weather::storm());
    let trace = (0..60).map(|_| complete(mapping.turn()).ok().flatten()).collect();
    mapping.calm();
    plan.set_rates(Rates::default());
    assert!(complete(mapping.drain()).unwrap().idle);
    assert_eq!(stream.checkpoint("shard-0"), (records > 0).then(|| (records + 7).to_string()));
    let held = stream.held_numbers().into_iter().flatten().collect();
    (trace, worker.finished.into_inner().unwrap(), held)
}

#[test]
fn every_record_is_finished_or_held() {
    for seed in 0..400 {
        let records = Chance::of(seed).below(60);
        let (_, finished, held) = play(seed, records);
        let all: BTreeSet<u64> = (1..=u64::try_from(records).unwrap()).collect();
        let seen: BTreeSet<u64> = finished.into_iter().chain(held).collect();
        assert_eq!(seen, all, "seed {seed}");
    }
}

#[test]
fn a_seed_tells_the_whole_story() {
    assert_eq!(play(5, 40), play(5, 40));
    assert_ne!(play(5, 40).0, play(6, 40).0);
}

#[test]
fn the_weather_is_bad_enough_to_repeat_records() {
    let repeated = (0..20).filter(|seed| {
        let (_, finished, _) = play(*seed, 40);
        finished.len() > finished.iter().collect::<BTreeSet<_>>().len()
    });
    assert!(repeated.count() > 15);
}

#[test]
fn a_lost_answer_of_the_on_failure_destination_loses_no_record() {
    let stream = Stream::of(1, 0);
    let plan = FaultPlan::none();
    plan.arrange("on_failure.hold", [Fault::Before, Fault::After]);
    let source = Faulty::new(&stream, plan.clone());
    let function = crate::memory::Script::new(|_: &[u64]| crate::memory::fails());
    let settings = Settings { max_retries: Some(0), ..settings(1) };
    let pump = pump::Pump::new(source, function, at(0), settings);
    let mut state = pump::ShardState::default();
    for _ in 0..2 {
        assert!(complete(pump.step("shard-0", &mut state)).is_err());
        assert_eq!(stream.checkpoint("shard-0"), None);
    }
    complete(pump.step("shard-0", &mut state)).unwrap();
    assert_eq!(stream.held_numbers()[0], [1]);
    assert_eq!(stream.checkpoint("shard-0").as_deref(), Some("8"));
}
