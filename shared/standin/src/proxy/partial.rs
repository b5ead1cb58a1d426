//! Half of a request done, and the answer that says so.

use axum::body::Bytes;
use http_body_util::BodyExt;
use hyper::{Response, header::CONTENT_LENGTH};
use serde_json::{Value, json};

use super::{Answer, Lost, whole};

/// A request of which half is left out.
pub(super) struct Half {
    pub(super) body: String,
    left: Left,
}

/// What was left out, as the answer has to tell it.
enum Left {
    /// So many records at the end.
    Records(usize),
    /// So many entries at the end.
    Entries(usize),
    /// These requests, under the name of the answer's field.
    Items(&'static str, Value),
}

/// Halves a request; nothing when the operation knows no half answer, or the request has no half.
pub(super) fn half(operation: &str, body: &Bytes) -> Option<Half> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let left = match operation {
        "PutRecords" => Left::Records(cut(body.get_mut("Records")?)?.len()),
        "PutEvents" => Left::Entries(cut(body.get_mut("Entries")?)?.len()),
        "BatchWriteItem" => Left::Items("UnprocessedItems", cut_tables(&mut body, None)?),
        "BatchGetItem" => Left::Items("UnprocessedKeys", cut_tables(&mut body, Some("Keys"))?),
        _ => return None,
    };
    Some(Half { body: body.to_string(), left })
}

/// The answer to half of a request, completed by what was left out.
pub(super) async fn tell(half: Half, answer: Answer) -> Result<Answer, Lost> {
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    if !parts.status.is_success() {
        return Ok(Response::from_parts(parts, whole(body)));
    }
    let mut body: Value = serde_json::from_slice(&body).map_err(|_| Lost)?;
    let answer = body.as_object_mut().ok_or(Lost)?;
    match half.left {
        Left::Records(count) => {
            let failed = json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "a fault was injected"});
            extend(answer.get_mut("Records"), count, &failed);
            answer.insert("FailedRecordCount".to_owned(), count.into());
        }
        Left::Entries(count) => {
            let failed =
                json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "a fault was injected"});
            extend(answer.get_mut("Entries"), count, &failed);
            answer.insert("FailedEntryCount".to_owned(), count.into());
        }
        Left::Items(name, left) => {
            answer.insert(name.to_owned(), left);
        }
    }
    parts.headers.remove(CONTENT_LENGTH);
    // The service's checksum is of another body.
    parts.headers.remove("x-amz-crc32");
    Ok(Response::from_parts(parts, whole(body.to_string())))
}

fn extend(list: Option<&mut Value>, count: usize, with: &Value) {
    if let Some(Value::Array(list)) = list {
        list.extend(std::iter::repeat_n(with.clone(), count));
    }
}

/// Takes the second half of a list; one that is too short has none.
fn cut(list: &mut Value) -> Option<Vec<Value>> {
    let list = list.as_array_mut()?;
    (list.len() > 1).then(|| list.split_off(list.len() / 2))
}

/// Halves what is asked of each table, under `name` or as it stands, and answers what was left out in the same shape.
fn cut_tables(body: &mut Value, name: Option<&str>) -> Option<Value> {
    let tables = body.get_mut("RequestItems")?.as_object_mut()?;
    let mut left = serde_json::Map::new();
    for (table, request) in tables {
        let mut whole = request.clone();
        let items = |request| match name {
            Some(name) => Value::get_mut(request, name),
            None => Some(request),
        };
        if let Some(rest) = items(request).and_then(cut)
            && let Some(items) = items(&mut whole)
        {
            *items = Value::Array(rest);
            left.insert(table.clone(), whole);
        }
    }
    (!left.is_empty()).then_some(Value::Object(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_request_make_the_whole() {
        let body = json!({"RequestItems": {"t": {"Keys": [1, 2, 3], "ConsistentRead": true}}});
        let half = half("BatchGetItem", &Bytes::from(body.to_string())).unwrap();
        let kept: Value = serde_json::from_str(&half.body).unwrap();
        assert_eq!(kept, json!({"RequestItems": {"t": {"Keys": [1], "ConsistentRead": true}}}));
        let Left::Items("UnprocessedKeys", left) = half.left else { panic!("keys are left") };
        assert_eq!(left, json!({"t": {"Keys": [2, 3], "ConsistentRead": true}}));
    }

    #[test]
    fn what_has_no_half_stays_whole() {
        let one = Bytes::from(json!({"Records": [1]}).to_string());
        assert!(half("PutRecords", &one).is_none());
        assert!(half("PutItem", &one).is_none());
    }
}
