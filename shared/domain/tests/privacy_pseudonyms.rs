//! The laws and the frozen vectors of the pseudonym scheme `fp1`.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use contract::ids::{EventId, OrgId};
use domain::pseudonym::{Kind, OrgKey, Pseudonymiser, RootKey, Token, connector_event_id};
use proptest::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[test]
fn the_frozen_vectors_still_hold() {
    for vector in vectors().tokens {
        let salt = <[u8; 32]>::try_from(unhex(&vector.salt)).unwrap();
        let root = RootKey::parse(&vector.root).unwrap();
        let org = OrgId::parse(vector.org.as_str()).unwrap();
        let key = OrgKey::derive(&root, vector.epoch, &org, &salt);
        let token = Pseudonymiser::new(org, &key).token(kind(&vector.kind), &vector.raw);
        assert_eq!(token.as_str(), vector.token);
        assert_eq!(Token::parse(kind(&vector.kind), &vector.token).unwrap().epoch(), vector.epoch);
    }
    for vector in vectors().connector_events {
        let (org, event) =
            (OrgId::parse(vector.org).unwrap(), EventId::parse(vector.event).unwrap());
        assert_eq!(connector_event_id(&org, &event), vector.connector);
    }
}

#[test]
fn a_second_implementation_gives_the_frozen_vectors() {
    for vector in vectors().tokens {
        let mut message = b"friction/fp1/org-key\0".to_vec();
        message.extend(prefixed(&vector.org));
        message.extend(unhex(&vector.salt));
        message.extend(vector.epoch.to_be_bytes());
        let org_key = hmac(&unhex(&vector.root), &message);
        let kind_key = hmac(&org_key, format!("friction/fp1/{}\x01", vector.kind).as_bytes());
        let mut message = format!("fp1\0{}\0", vector.kind).into_bytes();
        message.extend(prefixed(&vector.org));
        message.extend(prefixed(&vector.normalised));
        let digest = base32(hmac(&kind_key, &message).get(..16).unwrap());
        let letter = vector.kind.get(..1).unwrap();
        assert_eq!(format!("{letter}1.{}.{digest}", vector.epoch), vector.token);
    }
}

#[test]
fn the_mac_of_a_key_service_gives_the_same_tokens() {
    let (org, salt) = (OrgId::parse("acme").unwrap(), [3; 32]);
    let mac = hmac(&[9; 32], &OrgKey::mac_message(5, &org, &salt)).try_into().unwrap();
    let remote = Pseudonymiser::new(org.clone(), &OrgKey::from_mac(mac, 5));
    let local = OrgKey::derive(&RootKey::from_bytes([9; 32]), 5, &org, &salt);
    assert_eq!(
        remote.token(Kind::User, "x"),
        Pseudonymiser::new(org, &local).token(Kind::User, "x")
    );
}

#[test]
fn only_the_grammar_of_the_kind_is_a_token() {
    let good = "u1.3.0123456789abcdefghjkmnpqr0";
    assert_eq!(Token::parse(Kind::User, good).unwrap().as_str(), good);
    for bad in [
        "",
        "u1",
        "u1.3",
        "s1.3.0123456789abcdefghjkmnpqr0",
        "u2.3.0123456789abcdefghjkmnpqr0",
        "u1.03.0123456789abcdefghjkmnpqr0",
        "u1..0123456789abcdefghjkmnpqr0",
        "u1.+3.0123456789abcdefghjkmnpqr0",
        "u1.4294967296.0123456789abcdefghjkmnpqr0",
        "u1.3.0123456789abcdefghjkmnpqr1",
        "u1.3.0123456789abcdefghjkmnpq0",
        "u1.3.0123456789abcdefghjkmnpqr00",
        "u1.3.0123456789ABCDEFGHJKMNPQR0",
        "u1.3.0123456789ibcdefghjkmnpqr0",
        "u1.3.0123456789abcdefghjkmnpqr0 ",
        "u1.3.0123456789abcdefghjkmnpq\u{e9}",
    ] {
        assert!(Token::parse(Kind::User, bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn a_token_is_a_function_of_kind_org_epoch_and_id(
        id in ".{0,40}", other in ".{0,40}", org in "[a-z]{1,5}", other_org in "[a-z]{1,5}",
        epoch in 0..3u32, other_epoch in 0..3u32,
    ) {
        let one = maker(&org, epoch).token(Kind::User, &id);
        prop_assert_eq!(&one, &maker(&org, epoch).token(Kind::User, &id));
        prop_assert_eq!(one == maker(&org, epoch).token(Kind::User, &other), same_person(&id, &other));
        prop_assert_eq!(digest(&one) == digest(&maker(&org, other_epoch).token(Kind::User, &id)), epoch == other_epoch);
        prop_assert_eq!(digest(&one) == digest(&maker(&other_org, epoch).token(Kind::User, &id)), org == other_org);
        for kind in [Kind::Session, Kind::Device, Kind::Object] {
            prop_assert_ne!(digest(&one), digest(&maker(&org, epoch).token(kind, &id)));
        }
    }

    #[test]
    fn what_is_moved_between_org_and_id_is_another_subject(text in "[a-z]{2,12}", cut in 1..11usize) {
        let cut = cut.min(text.len() - 1);
        let (org, id) = text.split_at(cut);
        let same_key = |org: &str| Pseudonymiser::new(OrgId::parse(org).unwrap(), &OrgKey::from_mac([7; 32], 1));
        let (longer_org, shorter_id) = text.split_at((cut + 1).min(text.len()));
        prop_assert_ne!(same_key(org).token(Kind::User, id), same_key(longer_org).token(Kind::User, shorter_id));
    }

    #[test]
    fn a_token_keeps_its_grammar_and_passes_through(id in ".{0,40}", epoch in any::<u32>()) {
        for kind in Kind::ALL {
            let token = maker("acme", epoch).token(kind, &id);
            prop_assert_eq!(&Token::parse(kind, token.as_str()).unwrap(), &token);
            prop_assert_eq!(token.epoch(), epoch);
            prop_assert_eq!(&maker("acme", 1).tokenise(kind, token.as_str()), &token);
            for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
                prop_assert_ne!(&maker("acme", 1).tokenise(other, token.as_str()), &token);
            }
        }
    }

    #[test]
    fn a_token_does_not_contain_the_id(id in "[0-9a-z]{4,26}") {
        let token = maker("acme", 1).token(Kind::User, &id);
        prop_assert!(!token.as_str().contains(&id));
    }
}

fn same_person(a: &str, b: &str) -> bool {
    domain::pseudonym::normalised(Kind::User, a) == domain::pseudonym::normalised(Kind::User, b)
}

fn digest(token: &Token) -> String {
    token.as_str().rsplit('.').next().unwrap().to_owned()
}

fn maker(org: &str, epoch: u32) -> Pseudonymiser {
    let org = OrgId::parse(org).unwrap();
    let key = OrgKey::derive(&RootKey::from_bytes([11; 32]), epoch, &org, &[4; 32]);
    Pseudonymiser::new(org, &key)
}

fn kind(name: &str) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap()
}

/// RFC 2104, written out.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64);
    let pad = |with: u8| -> Vec<u8> {
        (0..64).map(|place| key.get(place).copied().unwrap_or_default() ^ with).collect()
    };
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

/// Bit by bit, in contrast to the shifts of the implementation.
fn base32(data: &[u8]) -> String {
    let bits: String = data.iter().map(|byte| format!("{byte:08b}")).collect::<String>() + "00";
    let alphabet: Vec<char> =
        ('0'..='9').chain('a'..='z').filter(|c| !"ilou".contains(*c)).collect();
    let chunks = bits.as_bytes().chunks(5).map(|five| std::str::from_utf8(five).unwrap());
    chunks.map(|five| alphabet.get(usize::from_str_radix(five, 2).unwrap()).unwrap()).collect()
}

fn prefixed(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors/fp1.json")).unwrap()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    tokens: Vec<TokenVector>,
    connector_events: Vec<EventVector>,
}

#[derive(Deserialize)]
struct TokenVector {
    root: String,
    epoch: u32,
    org: String,
    salt: String,
    kind: String,
    raw: String,
    normalised: String,
    token: String,
}

#[derive(Deserialize)]
struct EventVector {
    org: String,
    event: String,
    connector: String,
}
