//! How far a consumer got: one item per consumer and shard.

use ports::{PortResult, stream::Checkpoints};

use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, key, text},
    resources::Resource,
};

impl Checkpoints for Cloud {
    async fn load(&self, consumer: &str, shard: &str) -> PortResult<Option<String>> {
        let get = self.0.dynamodb.get_item().consistent_read(true);
        let get = get.table_name(self.resources().name(Resource::Delivery)?);
        let answer = get.set_key(Some(key(partition(consumer), shard))).send().await;
        let answer = answer.map_err(|error| port_error("checkpoints.load", error))?;
        answer.item.map(|item| item.text(SEQUENCE).map(unpadded)).transpose()
    }

    async fn save(&self, consumer: &str, shard: &str, sequence: &str) -> PortResult<()> {
        let mut item = key(partition(consumer), shard);
        let padded = text(padded(sequence));
        item.insert(SEQUENCE.to_owned(), padded.clone());
        let put = self.0.dynamodb.put_item();
        let put = put.table_name(self.resources().name(Resource::Delivery)?).set_item(Some(item));
        let saved = put
            .condition_expression("attribute_not_exists(pk) OR #sequence < :sequence")
            .expression_attribute_names("#sequence", SEQUENCE)
            .expression_attribute_values(":sequence", padded)
            .send()
            .await;
        match saved {
            // It is further already.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            saved => saved.map(drop).map_err(|error| port_error("checkpoints.save", error)),
        }
    }
}

fn partition(consumer: &str) -> String {
    format!("CP#{consumer}")
}

/// Sequence numbers fit no number of DynamoDB's; padded, they order as text as they do as numbers.
fn padded(sequence: &str) -> String {
    format!("{sequence:0>64}")
}

fn unpadded(sequence: &str) -> String {
    let digits = sequence.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

const SEQUENCE: &str = "sequence";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_numbers_order_as_numbers_and_come_back() {
        assert!(padded("9") < padded("10"));
        for sequence in ["0", "7", "49590338271490256608559692538361571095921575989136588898"] {
            assert_eq!(unpadded(&padded(sequence)), sequence);
        }
    }
}
