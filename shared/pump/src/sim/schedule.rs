//! Tasks that overtake each other at every await.

use std::{future::poll_fn, pin::Pin, task::Poll};

use ports::chance::Chance;

/// A task among others.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Runs all tasks, each time polling the one that chance picks. At every await a task is dropped with the likelihood
/// `crash_percent`; the answer of a dropped one is nothing.
pub async fn interleave<T>(
    chance: &mut Chance,
    crash_percent: u8,
    tasks: Vec<Task<'_, T>>,
) -> Vec<Option<T>> {
    let mut answers: Vec<Option<T>> = tasks.iter().map(|_| None).collect();
    let mut running: Vec<_> = tasks.into_iter().enumerate().collect();
    poll_fn(|context| {
        let picked = chance.below(running.len());
        let Some((index, task)) = running.get_mut(picked) else { return Poll::Ready(()) };
        match task.as_mut().poll(context) {
            Poll::Ready(answer) => {
                if let Some(place) = answers.get_mut(*index) {
                    *place = Some(answer);
                }
                drop(running.swap_remove(picked));
            }
            Poll::Pending => {
                if chance.percent(crash_percent) {
                    drop(running.swap_remove(picked));
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    answers
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use ports::faulty::{Pause, complete};

    use super::*;

    fn trace(seed: u64, crash_percent: u8) -> (Vec<usize>, Vec<Option<usize>>) {
        let steps = RefCell::new(Vec::new());
        let task = |name: usize| -> Task<'_, usize> {
            let steps = &steps;
            Box::pin(async move {
                for _ in 0..4 {
                    steps.borrow_mut().push(name);
                    Pause::default().await;
                }
                name
            })
        };
        let tasks = (0..3).map(task).collect();
        let answers = complete(interleave(&mut Chance::of(seed), crash_percent, tasks));
        (steps.into_inner(), answers)
    }

    #[test]
    fn the_order_follows_from_the_seed_alone() {
        assert_eq!(trace(1, 0), trace(1, 0));
        assert_ne!(trace(1, 0).0, trace(2, 0).0);
        assert_eq!(trace(1, 0).1, [Some(0), Some(1), Some(2)]);
        assert_eq!(trace(1, 0).0.len(), 12);
    }

    #[test]
    fn a_dropped_task_answers_nothing_and_the_others_go_on() {
        let (steps, answers) = trace(3, 20);
        assert!(steps.len() < 12);
        assert!(answers.contains(&None));
        assert_eq!(trace(3, 100), (trace(3, 100).0, vec![None; 3]));
    }
}
