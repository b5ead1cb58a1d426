//! Ids and places, segments, and that no race between writers counts an id twice or loses it.

use contract::{
    EventId, Timestamp,
    limits::{DEDUPE_HORIZON_MS, MARKER_TTL_MS},
};
use proptest::prelude::*;

use super::*;
use crate::event_id;

fn id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}

fn v7(ms: i64, entropy: [u8; 16]) -> EventId {
    event_id::v7(Timestamp::from_ms(ms), entropy)
}

fn packed(ms: i64, random: u8) -> PackedId {
    PackedId::of(&v7(ms, [random; 16])).unwrap()
}

/// The id that an entry of a coarsest slot stands for.
fn unpacked(slot: u64, key: EntryKey) -> EventId {
    let bits = key.0.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let ms = u128::from(slot) << 20 | bits >> 74;
    let (upper, lower) = (bits >> 62 & 0xfff, bits & ((1 << 62) - 1));
    let bits = ms << 80 | 7 << 76 | upper << 64 | 0b10 << 62 | lower;
    id(&uuid::Uuid::from_u128(bits).hyphenated().to_string())
}

#[test]
fn only_a_canonical_version_seven_is_packed() {
    assert!(PackedId::of(&id("018bcfe5-6800-7abc-8def-0123456789ab")).is_some());
    for other in [
        "018BCFE5-6800-7abc-8def-0123456789ab",
        "018bcfe5-6800-4abc-8def-0123456789ab",
        "018bcfe5-6800-7abc-cdef-0123456789ab",
        "018bcfe568007abc8def0123456789ab",
        "event.0001",
    ] {
        assert_eq!(PackedId::of(&id(other)), None, "{other}");
    }
}

#[test]
fn places_are_named_by_level_and_slot() {
    let id = packed(1_700_000_000_000, 1);
    let names = Level::ALL.map(|level| id.place(level).to_string());
    assert_eq!(names, ["0#1621246", "1#25939941", "2#415039062"]);
    assert_eq!(1_700_000_000_000_u64 >> 20, 1_621_246);
}

#[test]
fn a_place_outlives_the_latest_record_that_may_ask_about_it() {
    let place = packed(1_700_000_000_000, 1).place(Level::Coarse);
    let end = (i64::try_from(place.slot).unwrap() + 1) << 20;
    assert!(end > 1_700_000_000_000);
    assert_eq!(place.expires_at().ms(), end + DEDUPE_HORIZON_MS + MARKER_TTL_MS);
}

#[test]
fn bytes_that_are_cut_off_are_no_segment() {
    assert_eq!(Segment::decode(&[0; 17]), None);
    assert_eq!(Segment::decode(&[]), Some(Segment::Entries(Vec::new())));
}

#[test]
fn a_long_append_is_cut_into_segments_that_fit_an_item() {
    let log = Log::default();
    let marks: Vec<Mark> = (0..9_000_u32)
        .map(|n| {
            let mut entropy = [0; 16];
            entropy[12..].copy_from_slice(&n.to_be_bytes());
            Mark { id: PackedId::of(&v7(1 << 30, entropy)).unwrap(), payload: n }
        })
        .collect();
    let Plan::Write { appends, alone } = plan(&marks, SealRule::REAL, |_| Some(&log)) else {
        panic!("nothing is known")
    };
    let lengths: Vec<_> = appends.iter().map(|append| append.segment.encode().len()).collect();
    assert_eq!(lengths, [65_536, 65_536, 12_928]);
    assert_eq!(appends.iter().map(|append| append.number).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(alone, [0; 0]);
}

#[test]
fn an_id_that_comes_twice_is_known() {
    let log = Log::default();
    let mark = Mark { id: packed(5, 5), payload: 1 };
    assert_eq!(plan(&[mark, mark], SealRule::REAL, |_| Some(&log)), Plan::Known);
}

#[test]
fn what_was_not_read_has_to_be() {
    let id = packed(5, 5);
    assert_eq!(look_up(id, |_| None), Lookup::Unread(id.place(Level::Coarse)));
    let mut sealed = Log::default();
    sealed.append(0, &Segment::Seal);
    let coarse = |place: Place| (place.level == Level::Coarse).then_some(&sealed);
    let middle = id.place(Level::Middle);
    assert_eq!(look_up(id, coarse), Lookup::Unread(middle));
    let planned = plan(&[Mark { id, payload: 1 }], SealRule::REAL, coarse);
    assert_eq!(planned, Plan::Unread([middle].into()));
    assert_eq!(look_up(id, |_| Some(&sealed)), Lookup::Alone);
}

proptest! {
    /// An entry and its slot are the id: no two ids of one place share an entry.
    #[test]
    fn an_entry_is_exact(ms in 0_i64..1 << 48, entropy: [u8; 16]) {
        let id = v7(ms, entropy);
        let packed = PackedId::of(&id).unwrap();
        prop_assert_eq!(unpacked(packed.place(Level::Coarse).slot, packed.entry_key()), id);
    }

    /// Whoever shares a finer slot shares the coarser ones, so a seal says where to go on for all of them.
    #[test]
    fn slots_nest(ms in 0_i64..1 << 48, later in 0_i64..1 << 21) {
        let (one, other) = (packed(ms, 1), packed((ms + later).min((1 << 48) - 1), 2));
        let shares = |level: Level| one.place(level) == other.place(level);
        prop_assert!(shares(Level::Coarse) || !shares(Level::Middle));
        prop_assert!(shares(Level::Middle) || !shares(Level::Fine));
    }

    #[test]
    fn a_segment_survives_its_bytes(entries in prop::collection::vec((any::<[u8; 12]>(), any::<u32>()), 0..50)) {
        let entries = entries.into_iter().map(|(key, payload)| Entry { key: EntryKey(key), payload });
        let segment = Segment::Entries(entries.collect());
        prop_assert_eq!(Segment::decode(&segment.encode()), Some(segment));
    }
}

mod races;
