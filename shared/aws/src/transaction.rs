//! Writes to tables: alone, together or not at all, in numbers; each tried again while the service only asks for patience.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, CancellationReason, ConditionCheck, Delete, DeleteRequest, Put, PutRequest,
        TransactWriteItem, Update, WriteRequest,
    },
};
use ports::{PortError, PortResult};
use tokio::time::Instant;

use crate::{Cloud, fault::port_error, item::Item, jitter};

/// One write of a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    table: String,
    action: Action,
    condition: Option<Cow<'static, str>>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

#[derive(Debug, Clone)]
enum Action {
    Put(Item),
    Update(Item, Cow<'static, str>),
    Delete(Item),
    Check(Item),
}

impl Write {
    /// Puts an item.
    pub(crate) fn put(table: &str, item: Item) -> Self {
        Self::new(table, Action::Put(item))
    }

    /// Updates, or makes, the item under `key`.
    pub(crate) fn update(table: &str, key: Item, expression: impl Into<Cow<'static, str>>) -> Self {
        Self::new(table, Action::Update(key, expression.into()))
    }

    /// Deletes the item under `key`.
    pub(crate) fn delete(table: &str, key: Item) -> Self {
        Self::new(table, Action::Delete(key))
    }

    /// Writes nothing, but its condition must hold.
    pub(crate) fn check(table: &str, key: Item) -> Self {
        Self::new(table, Action::Check(key))
    }

    fn new(table: &str, action: Action) -> Self {
        Self {
            table: table.to_owned(),
            action,
            condition: None,
            names: HashMap::new(),
            values: HashMap::new(),
        }
    }

    /// Only if this holds.
    pub(crate) fn when(self, condition: impl Into<Cow<'static, str>>) -> Self {
        Self { condition: Some(condition.into()), ..self }
    }

    /// What a `#name` of its expressions stands for.
    pub(crate) fn name(mut self, placeholder: &str, name: impl Into<String>) -> Self {
        self.names.insert(placeholder.to_owned(), name.into());
        self
    }

    /// What a `:value` of its expressions stands for.
    pub(crate) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    fn into_item(self) -> TransactWriteItem {
        let Self { table, action, condition, names, values } = self;
        let condition = condition.map(Cow::into_owned);
        let names = (!names.is_empty()).then_some(names);
        let values = (!values.is_empty()).then_some(values);
        let item = TransactWriteItem::builder();
        macro_rules! built {
            ($kind:ident, $key:ident($of:expr) $(, $more:ident($expression:expr))?) => {
                $kind::builder()
                    .table_name(table)
                    .$key(Some($of))
                    $(.$more($expression))?
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names)
                    .set_expression_attribute_values(values)
                    .build()
                    .unwrap_or_else(|_| unreachable!("every required part is set"))
            };
        }
        match action {
            Action::Put(of) => item.put(built!(Put, set_item(of))),
            Action::Update(of, expression) => {
                item.update(built!(Update, set_key(of), update_expression(expression)))
            }
            Action::Delete(of) => item.delete(built!(Delete, set_key(of))),
            // A check without a condition holds for whatever is there.
            Action::Check(of) => {
                let condition = condition.or_else(|| Some("attribute_exists(sk)".to_owned()));
                item.condition_check(
                    ConditionCheck::builder()
                        .table_name(table)
                        .set_key(Some(of))
                        .set_condition_expression(condition)
                        .set_expression_attribute_names(names)
                        .set_expression_attribute_values(values)
                        .build()
                        .unwrap_or_else(|_| unreachable!("every required part is set")),
                )
            }
        }
        .build()
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it is durable.
    Committed,
    /// Nothing was written: the conditions of the writes at these positions do not hold.
    Refused(Vec<usize>),
}

impl Cloud {
    /// Commits all of `writes` or none of them. A repeat whose answer was lost carries the same token and is answered
    /// like the first.
    pub(crate) async fn commit(
        &self,
        operation: &'static str,
        writes: Vec<Write>,
    ) -> PortResult<Outcome> {
        if writes.len() > contract::limits::TRANSACTION_ITEMS_MAX {
            return Err(PortError::permanent(operation, "more writes than a transaction takes"));
        }
        let items: Vec<_> = writes.into_iter().map(Write::into_item).collect();
        let mut token = new_token();
        let mut patience = Patience::new();
        loop {
            let request = self.0.dynamodb.transact_write_items().client_request_token(&token);
            let error = match request.set_transact_items(Some(items.clone())).send().await {
                Ok(_) => return Ok(Outcome::Committed),
                Err(error) => error,
            };
            match judged(&error) {
                Verdict::Refused(positions) => return Ok(Outcome::Refused(positions)),
                Verdict::Busy if patience.holds().await => {}
                Verdict::Busy => return Err(PortError::transient(operation, told(&error))),
                Verdict::UsedToken if patience.holds().await => token = new_token(),
                Verdict::Malformed(what) => return Err(PortError::permanent(operation, what)),
                Verdict::UsedToken | Verdict::Failed => return Err(port_error(operation, error)),
            }
        }
    }

    /// Puts and deletes items, each for itself: after a failure some of them may be written. No key comes twice.
    pub(crate) async fn write_all(
        &self,
        operation: &'static str,
        table: &str,
        writes: Vec<WriteRequest>,
    ) -> PortResult<()> {
        for part in writes.chunks(BATCH_ITEMS_MAX) {
            let mut pending = part.to_vec();
            let mut patience = Patience::new();
            loop {
                let request = self.0.dynamodb.batch_write_item();
                let written =
                    patiently(|| request.clone().request_items(table, pending.clone()).send());
                let answer = written.await.map_err(|error| port_error(operation, error))?;
                let left = answer.unprocessed_items.unwrap_or_default().remove(table);
                pending = left.unwrap_or_default();
                if pending.is_empty() {
                    break;
                }
                if !patience.holds().await {
                    return Err(PortError::transient(operation, "some items stay unprocessed"));
                }
            }
        }
        Ok(())
    }
}

/// A put of [`Cloud::write_all`].
pub(crate) fn putting(item: Item) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build();
    let put = put.unwrap_or_else(|_| unreachable!("every required part is set"));
    WriteRequest::builder().put_request(put).build()
}

/// A deletion of [`Cloud::write_all`].
pub(crate) fn deleting(key: Item) -> WriteRequest {
    let delete = DeleteRequest::builder().set_key(Some(key)).build();
    let delete = delete.unwrap_or_else(|_| unreachable!("every required part is set"));
    WriteRequest::builder().delete_request(delete).build()
}

/// Makes a call until it is no longer refused for want of patience: throttled, or crossed by a transaction.
pub(crate) async fn patiently<T, E, R, F>(call: impl Fn() -> F + Send) -> Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, R>>> + Send,
{
    let mut patience = Patience::new();
    loop {
        match call().await {
            Err(error)
                if is_busy(error.as_service_error().and_then(|error| error.code()))
                    && patience.holds().await => {}
            answer => return answer,
        }
    }
}

/// How long a call is repeated while it is only refused for now. The client itself repeats some of these refusals, and
/// takes its time.
struct Patience {
    since: Instant,
    refusals: u32,
}

impl Patience {
    fn new() -> Self {
        Self { since: Instant::now(), refusals: 0 }
    }

    /// Waits before another attempt; false when it was the last one.
    async fn holds(&mut self) -> bool {
        self.refusals += 1;
        let pause = jitter::full(self.refusals, PAUSE_FIRST, PAUSE_MAX);
        if self.refusals >= TRIES_MAX || self.since.elapsed() + pause > TRYING_MAX {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

enum Verdict {
    Refused(Vec<usize>),
    Busy,
    /// Another request has carried this token.
    UsedToken,
    /// One of the writes can never be carried out.
    Malformed(String),
    Failed,
}

fn judged<R>(error: &SdkError<TransactWriteItemsError, R>) -> Verdict {
    let Some(service) = error.as_service_error() else { return Verdict::Failed };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = service else {
        return match service.code() {
            Some("IdempotentParameterMismatchException") => Verdict::UsedToken,
            code if is_busy(code) => Verdict::Busy,
            Some(_) | None => Verdict::Failed,
        };
    };
    let reasons = cancelled.cancellation_reasons();
    // A condition that does not hold is true whatever else was in the way.
    let refused = |(position, reason): (usize, &CancellationReason)| {
        (reason.code() == Some(CONDITION_FAILED)).then_some(position)
    };
    let refused: Vec<_> = reasons.iter().enumerate().filter_map(refused).collect();
    if !refused.is_empty() {
        return Verdict::Refused(refused);
    }
    let malformed = reasons.iter().find(|reason| reason.code() == Some("ValidationError"));
    if let Some(reason) = malformed {
        return Verdict::Malformed(reason.message().unwrap_or("a write is malformed").to_owned());
    }
    let passes = |reason: &CancellationReason| {
        reason.code().is_none_or(|code| code == "None" || is_busy(Some(code)))
    };
    if reasons.iter().all(passes) { Verdict::Busy } else { Verdict::Failed }
}

/// Any: only repeats of this one request may carry it. Made of what is written it would let whoever writes the same again
/// be told that it is committed, where the ports promise to say that it was there.
fn new_token() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn told<R>(error: &SdkError<TransactWriteItemsError, R>) -> String {
    let code = error.as_service_error().and_then(|error| error.code());
    format!("still busy: {}", code.unwrap_or("no code"))
}

/// Codes of errors, and of cancellation reasons, after which the same call may succeed in a moment.
fn is_busy(code: Option<&str>) -> bool {
    code.is_some_and(|code| BUSY.contains(&code))
}

const CONDITION_FAILED: &str = "ConditionalCheckFailed";
const BUSY: &[&str] = &[
    "LimitExceededException",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
];
/// How often a call is made while the service only asks for patience.
pub(crate) const TRIES_MAX: u32 = 8;
const TRYING_MAX: Duration = Duration::from_secs(4);
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
const BATCH_ITEMS_MAX: usize = 25;
