//! Sending notices: published first, then forgotten.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use aws_sdk_dynamodb::{
    operation::{delete_item::DeleteItemError, update_item::UpdateItemError},
    types::AttributeValue,
};
use friction::change::Notice;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ports::{
    PortError, PortResult,
    bus::{Announcement, AnnouncementKind, Bus as _},
    sessions::{Lane, Notices},
};

use super::{partition, read};
use crate::{
    Cloud,
    fault::port_error,
    item::{Fields, Item, key, malformed, number, text},
    journal::lane_partition,
    resources::Resource,
    sessions::{bodies::Parts, places},
    transaction::patiently,
};

impl Notices for Cloud {
    async fn unsent(&self, limit: usize) -> PortResult<Vec<Notice>> {
        let lanes = places::lanes(Lane { index: 0, of: 1 });
        let mut found =
            stream::iter(lanes).map(|lane| self.unsent_in(lane, limit)).buffered(LANES_AT_ONCE);
        let mut unsent = Vec::new();
        while unsent.len() < limit
            && let Some(more) = found.try_next().await?
        {
            unsent.extend(more);
        }
        unsent.truncate(limit);
        Ok(unsent)
    }

    async fn send(&self, notices: &[Notice]) -> PortResult<()> {
        let announcements: Vec<Announcement> =
            notices.iter().map(announcement).collect::<PortResult<_>>()?;
        self.publish(&announcements).await?;
        let mut pieces = self.0.places.of(notices);
        if pieces.values().map(|piece| piece.sent.len()).sum::<usize>() < notices.len() {
            // Another process read them.
            for lane in places::lanes(Lane { index: 0, of: 1 }) {
                self.unsent_in(lane, usize::MAX).await?;
            }
            pieces = self.0.places.of(notices);
        }
        let forgotten = pieces.into_iter().map(|(place, piece)| self.forget_sent(place, piece));
        stream::iter(forgotten.collect::<Vec<_>>())
            .buffer_unordered(LANES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.0.places.forget(notices);
        Ok(())
    }
}

/// Where the notices lie that this process has read.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashMap<String, (Place, PieceState)>>);

/// A piece that is at turn: its item, and its number.
type Place = (String, String, usize);

/// What is known of the piece of a notice.
#[derive(Debug, Clone)]
struct PieceState {
    /// The place of the notice in it.
    at: usize,
    /// How many are in it, and which of them were sent.
    size: usize,
    gone: BTreeSet<usize>,
    parts: Parts,
}

/// Notices of one piece that were sent.
#[derive(Debug)]
struct Sent {
    sent: BTreeSet<usize>,
    state: PieceState,
}

impl Places {
    fn keep(&self, id: &str, place: Place, state: PieceState) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgetting costs a reading.
        if places.len() >= PLACES_MAX {
            places.clear();
        }
        places.insert(id.to_owned(), (place, state));
    }

    fn of(&self, notices: &[Notice]) -> BTreeMap<Place, Sent> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces: BTreeMap<Place, Sent> = BTreeMap::new();
        for (place, state) in notices.iter().filter_map(|notice| places.get(&notice.id)) {
            let new = || Sent { sent: BTreeSet::new(), state: state.clone() };
            pieces.entry(place.clone()).or_insert_with(new).sent.insert(state.at);
        }
        pieces
    }

    fn forget(&self, notices: &[Notice]) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notices.iter().for_each(|notice| drop(places.remove(&notice.id)));
    }
}

impl Cloud {
    /// Up to about `limit` notices of a lane, of each item those of the piece that is at turn.
    async fn unsent_in(&self, lane: String, limit: usize) -> PortResult<Vec<Notice>> {
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :lane")
            .expression_attribute_values(":lane", text(partition(&lane)));
        let mut pages = query.limit(ITEMS_AT_ONCE).into_paginator().send();
        let (mut unsent, mut unfinished) = (Vec::new(), BTreeSet::new());
        while unsent.len() < limit
            && let Some(page) = pages.next().await
        {
            let page = page.map_err(|error| port_error(UNSENT, error))?;
            if page.items().is_empty() {
                continue;
            }
            // Behind the page: whatever it shows is posted or found here.
            let unposted = self.unposted(&lane).await?;
            for item in page.items() {
                let sk = item.text("sk")?;
                let (owner, _) = sk.rsplit_once('#').ok_or_else(|| malformed("sk"))?;
                // What an owner's earlier commit says comes first.
                if unposted.holds(sk) || unfinished.contains(owner) {
                    continue;
                }
                let (waiting, is_last) = self.at_turn(item).await?;
                if !is_last {
                    unfinished.insert(owner.to_owned());
                }
                unsent.extend(waiting);
            }
        }
        Ok(unsent)
    }

    /// The notices of the piece that is at turn, and whether it is the last.
    async fn at_turn(&self, item: &Item) -> PortResult<(Vec<Notice>, bool)> {
        let parts = Parts::of(item)?;
        let mut gone: BTreeSet<usize> = match item.get("sent") {
            Some(AttributeValue::Ns(numbers)) => {
                numbers.iter().filter_map(|number| number.parse().ok()).collect()
            }
            Some(_) | None => BTreeSet::new(),
        };
        for next in item.number("next")?..parts.count {
            // Somebody else sent everything meanwhile.
            let Some(piece) = self.piece(UNSENT, item, next).await? else { break };
            let all = read(&piece)?;
            let place: Place = (item.text("pk")?.to_owned(), item.text("sk")?.to_owned(), next);
            let state = |at| {
                let (gone, parts) = (gone.clone(), parts.clone());
                PieceState { at, size: all.len(), gone, parts }
            };
            let mut waiting = Vec::new();
            for (at, notice) in all.iter().enumerate().filter(|(at, _)| !gone.contains(at)) {
                self.0.places.keep(&notice.id, place.clone(), state(at));
                waiting.push(notice.clone());
            }
            if !waiting.is_empty() {
                return Ok((waiting, next + 1 >= parts.count));
            }
            // Two sent a half each.
            self.forget_sent(place, Sent { sent: BTreeSet::new(), state: state(0) }).await?;
            gone.clear();
        }
        Ok((Vec::new(), true))
    }

    /// Which commits of a lane are not posted.
    async fn unposted(&self, lane: &str) -> PortResult<Unposted> {
        let query = self
            .0
            .dynamodb
            .query()
            .table_name(self.resources().name(Resource::Sessions)?)
            .consistent_read(true)
            .key_condition_expression("pk = :lane")
            .expression_attribute_values(":lane", text(lane_partition(lane)))
            .projection_expression("sk");
        let answer = query.send().await.map_err(|error| port_error(UNSENT, error))?;
        let keys: BTreeSet<String> = answer
            .items()
            .iter()
            .map(|item| Ok(item.text("sk")?.to_owned()))
            .collect::<PortResult<_>>()?;
        let known_to = answer.last_evaluated_key.as_ref().and_then(|_| keys.last().cloned());
        Ok(Unposted { keys, known_to })
    }

    /// Notes what was sent, and removes what was sent whole. Whoever finds it done has nothing to do.
    async fn forget_sent(&self, place: Place, Sent { sent, state }: Sent) -> PortResult<()> {
        let is_whole = state.gone.union(&sent).count() >= state.size;
        if is_whole && place.2 + 1 >= state.parts.count {
            self.remove(place, state.parts).await
        } else {
            self.note(place, (!is_whole).then_some(sent)).await
        }
    }

    async fn remove(&self, (pk, sk, next): Place, parts: Parts) -> PortResult<()> {
        let delete = self
            .0
            .dynamodb
            .delete_item()
            .table_name(self.resources().name(Resource::Sessions)?)
            .set_key(Some(key(pk, sk)))
            .condition_expression("#next = :next")
            .expression_attribute_names("#next", "next")
            .expression_attribute_values(":next", number(next));
        match patiently(|| delete.clone().send()).await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) => {}
            answer => {
                answer.map_err(|error| port_error(SEND, error))?;
                self.drop_beside(SEND, [parts]).await;
            }
        }
        Ok(())
    }

    /// Notes which notices of a piece were sent; nothing: all of them were, and the next is at turn.
    async fn note(&self, (pk, sk, next): Place, sent: Option<BTreeSet<usize>>) -> PortResult<()> {
        let update = self
            .0
            .dynamodb
            .update_item()
            .table_name(self.resources().name(Resource::Sessions)?)
            .set_key(Some(key(pk, sk)))
            .condition_expression("#next = :next")
            .expression_attribute_names("#next", "next")
            .expression_attribute_values(":next", number(next));
        let update = match sent {
            Some(sent) => update.update_expression("ADD sent :sent").expression_attribute_values(
                ":sent",
                AttributeValue::Ns(sent.iter().map(ToString::to_string).collect()),
            ),
            None => update
                .update_expression("SET #next = :after REMOVE sent")
                .expression_attribute_values(":after", number(next + 1)),
        };
        match patiently(|| update.clone().send()).await {
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            answer => answer.map(drop).map_err(|error| port_error(SEND, error)),
        }
    }
}

/// Commits that are not posted.
struct Unposted {
    keys: BTreeSet<String>,
    /// Behind this nobody looked.
    known_to: Option<String>,
}

impl Unposted {
    fn holds(&self, commit: &str) -> bool {
        self.keys.contains(commit)
            || self.known_to.as_deref().is_some_and(|known_to| commit > known_to)
    }
}

fn announcement(Notice { id, kind, org, at, detail }: &Notice) -> PortResult<Announcement> {
    let kind = AnnouncementKind::parse(kind);
    let kind = kind.ok_or_else(|| PortError::permanent(SEND, "a notice is of no known kind"))?;
    let detail = Some(detail.clone());
    Ok(Announcement { id: id.clone(), kind, org: org.clone(), at: *at, detail })
}

const UNSENT: &str = "notices.unsent";
const SEND: &str = "notices.send";
const LANES_AT_ONCE: usize = 16;
const ITEMS_AT_ONCE: i32 = 50;
const PLACES_MAX: usize = 20_000;
