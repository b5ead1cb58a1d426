//! A queue behind a rule, and the event source mapping that reads it: messages in batches, those that failed once more, and none
//! of them in any order that could be relied on.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    QueueMappingPlan,
    bus::{Books, Inbox},
};
use crate::lambda::{Failure, Function};

/// What reads a queue.
pub(crate) struct QueueMapping {
    pub(crate) plan: QueueMappingPlan,
    pub(crate) function: Arc<Function>,
    pub(crate) inbox: Inbox,
    pub(crate) books: Books,
}

#[derive(Debug, Clone)]
struct Message {
    id: String,
    body: String,
    receives: u32,
}

impl QueueMapping {
    /// Until it is told to stop, or nobody is left to send.
    pub(crate) async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut again = VecDeque::new();
        loop {
            let batch = tokio::select! {
                _ = stopped.changed() => return,
                batch = self.gather(&mut again) => batch,
            };
            if batch.is_empty() {
                return;
            }
            let answer = self.function.invoke(self.payload(&batch).to_string()).await;
            let failed = self.settle(batch, &answer);
            if failed.is_empty() {
                continue;
            }
            again.extend(failed);
            tokio::select! {
                _ = stopped.changed() => return,
                () = tokio::time::sleep(VISIBLE_AGAIN) => {}
            }
        }
    }

    /// What failed before, then what comes until the window closes; nothing when nobody can send any more.
    async fn gather(&mut self, again: &mut VecDeque<Message>) -> Vec<Message> {
        let taken = again.len().min(self.plan.batch_size);
        let mut batch: Vec<_> = again.drain(..taken).collect();
        if batch.is_empty() {
            batch.extend(self.inbox.recv().await.map(Message::new));
        }
        let end = Instant::now() + Duration::from_secs(self.plan.window_seconds);
        while !batch.is_empty() && batch.len() < self.plan.batch_size {
            match timeout_at(end, self.inbox.recv()).await {
                Ok(Some(body)) => batch.push(Message::new(body)),
                Ok(None) | Err(_) => break,
            }
        }
        for message in &mut batch {
            message.receives += 1;
        }
        batch
    }

    fn payload(&self, batch: &[Message]) -> Value {
        let queue = &self.plan.queue;
        let record = |message: &Message| {
            let now = crate::now().ms().to_string();
            json!({
                "messageId": message.id,
                "receiptHandle": format!("{}:{}", message.id, message.receives),
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.receives.to_string(),
                    "SentTimestamp": now,
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": now,
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:eu-central-1:000000000000:{queue}"),
                "awsRegion": "eu-central-1",
            })
        };
        json!({ "Records": batch.iter().map(record).collect::<Vec<_>>() })
    }

    /// The messages that come again.
    fn settle(&self, batch: Vec<Message>, answer: &Result<Bytes, Failure>) -> Vec<Message> {
        let all = batch.len();
        let failed = failed(answer);
        let comes_again = |message: &Message| match &failed {
            Failed::All => true,
            Failed::These(ids) => ids.contains(&message.id),
        };
        let mut again: Vec<_> = batch.into_iter().filter(comes_again).collect();
        self.books.delivered(all - again.len());
        let before = again.len();
        again.retain(|message| message.receives < self.plan.maximum_receives);
        self.books.gave_up(before - again.len());
        again
    }
}

impl Message {
    fn new(body: String) -> Self {
        Self { id: uuid::Uuid::now_v7().to_string(), body, receives: 0 }
    }
}

enum Failed {
    All,
    These(Vec<String>),
}

/// As documented: an answer that is none, or that names a message which is not there, fails the whole batch. Nothing in it is success.
fn failed(answer: &Result<Bytes, Failure>) -> Failed {
    let Ok(answer) = answer else { return Failed::All };
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Failed::All };
    let named = answer.get("batchItemFailures").and_then(Value::as_array);
    let ids = named.into_iter().flatten().map(|failure| {
        let id = failure.get("itemIdentifier").and_then(Value::as_str);
        id.filter(|id| !id.is_empty()).map(str::to_owned)
    });
    ids.collect::<Option<_>>().map_or(Failed::All, Failed::These)
}

/// Instead of the queue's own time, which is made for functions that run for minutes.
const VISIBLE_AGAIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn again(answer: &str) -> Option<Vec<String>> {
        match failed(&Ok(Bytes::from(answer.to_owned()))) {
            Failed::All => None,
            Failed::These(ids) => Some(ids),
        }
    }

    #[test]
    fn an_answer_says_what_comes_again_and_one_that_cannot_be_read_is_a_failure_of_all() {
        let named = r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}"#;
        assert_eq!(again(named), Some(vec!["a".to_owned(), "b".to_owned()]));
        for done in ["null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(again(done), Some(Vec::new()), "{done}");
        }
        for wrong in [
            "",
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{}]}"#,
        ] {
            assert_eq!(again(wrong), None, "{wrong}");
        }
        assert!(matches!(failed(&Err(Failure::TimedOut)), Failed::All));
    }
}
