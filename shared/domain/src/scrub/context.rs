//! What the words before a number say about it.

use super::{
    EntityKind,
    bytes::{at, before, cut, reads},
};

/// What a word announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    Phone,
    Card,
    Iban,
    /// The number's own name: BSN, PESEL, Steuer-ID.
    National,
    /// A word that also stands before other numbers: ID no, tax id.
    Identity,
    Vat,
    Passport,
    Birth,
    Person,
    Place,
    /// Orders, tickets, versions, article numbers: what is certainly not a person's.
    Reference,
}

/// The distance in bytes from the end of the last word of each topic to the number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context([u8; TOPICS]);

impl Context {
    /// Reads the words in the 64 bytes before `place`, none of them before `floor`.
    pub(super) fn before(bytes: &[u8], floor: usize, place: usize) -> Self {
        let mut distances = [NONE; TOPICS];
        let mut start = place.saturating_sub(WINDOW).max(floor);
        while start < place {
            // What stood here before scrubbing was an entity, and its name announces no other.
            if let Some(length) = placeholder_length(bytes, start) {
                distances = [NONE; TOPICS];
                start += length;
                continue;
            }
            if is_word_start(bytes, start) {
                for (word, topic) in words(at(bytes, start)) {
                    if start + word.len() <= place && announces(bytes, start, word) {
                        let distance = u8::try_from(place - start - word.len()).unwrap_or(NONE);
                        if let Some(known) = distances.get_mut(index(*topic)) {
                            *known = distance;
                        }
                    }
                }
            }
            start += 1;
        }
        Self(distances)
    }

    /// Whether a word of this topic ends at most so many bytes before the number.
    pub(super) fn near(&self, topic: Topic, bytes_max: u8) -> bool {
        self.distance(topic) <= bytes_max
    }

    /// Whether the first topic is announced at most so many bytes before, and nearer than the second.
    pub(super) fn rather(&self, topic: Topic, than: Topic, bytes_max: u8) -> bool {
        self.near(topic, bytes_max) && self.distance(topic) <= self.distance(than)
    }

    fn distance(&self, topic: Topic) -> u8 {
        self.0.get(index(topic)).copied().unwrap_or(NONE)
    }
}

/// The length of a placeholder at a place, if one stands there.
pub(super) fn placeholder_length(bytes: &[u8], place: usize) -> Option<usize> {
    if at(bytes, place) != b'[' {
        return None;
    }
    let texts = EntityKind::ALL.iter().map(|kind| kind.placeholder());
    let mut here = texts.filter(|text| cut(bytes, place, place + text.len()) == text.as_bytes());
    here.next().map(str::len)
}

/// Short words count only as a whole.
fn announces(bytes: &[u8], start: usize, word: &str) -> bool {
    let next = at(bytes, start + word.len());
    let goes_on = if next.is_ascii_digit() || before(bytes, start + word.len()).is_ascii_uppercase()
    {
        next.is_ascii_alphanumeric() || next >= 0x80
    } else {
        next.is_ascii_lowercase() || next >= 0x80
    };
    let whole = !goes_on;
    (whole || word.len() > WHOLE_WORD_MAX) && reads(bytes, start, word)
}

/// Words begin after anything that is no letter, and at the humps of `camelCase`; an `iPhone` has none.
fn is_word_start(bytes: &[u8], place: usize) -> bool {
    let (previous, byte) = (before(bytes, place), at(bytes, place));
    let two_before = place.checked_sub(2).map_or(0, |place| at(bytes, place));
    let hump = two_before.is_ascii_alphabetic()
        && previous.is_ascii_lowercase()
        && byte.is_ascii_uppercase();
    byte.is_ascii_alphabetic() && (hump || !(previous.is_ascii_alphanumeric() || previous >= 0x80))
}

const fn index(topic: Topic) -> usize {
    match topic {
        Topic::Phone => 0,
        Topic::Card => 1,
        Topic::Iban => 2,
        Topic::National => 3,
        Topic::Identity => 4,
        Topic::Vat => 5,
        Topic::Passport => 6,
        Topic::Birth => 7,
        Topic::Person => 8,
        Topic::Place => 9,
        Topic::Reference => 10,
    }
}

const TOPICS: usize = 11;
const NONE: u8 = u8::MAX;
const WINDOW: usize = 64;
const WHOLE_WORD_MAX: usize = 3;

/// The beginnings of words and phrases in seven languages and in JSON keys, by first letter.
#[rustfmt::skip]
fn words(first: u8) -> &'static [(&'static str, Topic)] {
    use Topic::{Birth, Card, Iban, Identity, National, Passport, Person, Phone, Place, Reference, Vat};
    match first.to_ascii_lowercase() {
        b'a' => &[("account", Person), ("actor", Person), ("accuracy", Reference), ("ahv", National), ("amount", Reference), ("amex", Card), ("american express", Card), ("anruf", Phone), ("answering at", Phone), ("appel", Phone), ("avs", National), ("auftrag", Reference)],
        b'b' => &[("bankkaart", Card), ("bel me", Phone), ("bel mij", Phone), ("bel ons", Phone), ("bellen", Phone), ("bereikbaar", Phone), ("bestelling", Reference), ("bestellnummer", Reference), ("bestellung", Reference), ("birth", Birth), ("born", Birth), ("bsn", National), ("btw", Vat), ("build", Reference), ("burgerservice", National)],
        b'c' => &[("call", Phone), ("card", Card), ("carta", Card), ("carte", Card), ("cc", Card), ("cédula", Identity), ("cell", Phone), ("chiam", Phone), ("cif", Vat), ("cnp", National), ("codice fiscale", National), ("coordinates", Place), ("commande", Reference), ("commit", Reference), ("contact", Phone), ("coords", Place), ("cpr", National), ("credit", Card), ("customer", Person)],
        b'd' => &[("data di nascita", Birth), ("data ur", Birth), ("date de naissance", Birth), ("date of birth", Birth), ("debit", Card), ("desk:", Phone), ("dni", National), ("dob", Birth), ("durchwahl", Phone), ("dzwoni", Phone)],
        b'e' => &[("ean", Reference), ("epoch", Reference), ("erreich", Phone)],
        b'f' => &[("factura", Reference), ("facture", Reference), ("fattura", Reference), ("faktura", Reference), ("fax", Phone), ("fecha de nacimiento", Birth), ("fiscal", Identity), ("fodselsnummer", National)],
        b'g' => &[("geb.", Birth), ("geboorte", Birth), ("geboren", Birth), ("geburt", Birth), ("geo", Place), ("gps", Place), ("gsm", Phone)],
        b'h' => &[("handy", Phone), ("henkilötunnus", National), ("hetu", National)],
        b'i' => &[("iban", Iban), ("id no", Identity), ("id_no", Identity), ("identifikationsnummer", National), ("identity", Identity), ("idnr", National), ("insee", National), ("invoice", Reference), ("isbn", Reference)],
        b'k' => &[("kaart", Card), ("kart", Card), ("komórk", Phone), ("kontaktnummer", Phone), ("kreditkarte", Card), ("kunde", Person)],
        b'l' => &[("lat", Place), ("latitude", Place), ("ll=", Place), ("llám", Phone), ("llama", Phone), ("lng", Place), ("location", Place), ("lon", Place), ("longitude", Place)],
        b'm' => &[("mastercard", Card), ("mein nummer", Phone), ("meine nummer", Phone), ("meine rufnummer", Phone), ("mi número", Phone), ("mijn nummer", Phone), ("mio numero", Phone), ("mobil", Phone), ("mon numéro", Phone), ("móvil", Phone), ("mój numer", Phone), ("movil", Phone), ("msisdn", Phone), ("my number", Phone)],
        b'n' => &[("nací", Birth), ("nacid", Birth), ("narozen", Birth), ("nat.nr", National), ("national insurance", National), ("national number", Identity), ("nata il", Birth), ("nato il", Birth), ("nascita", Birth), ("né le", Birth), ("née le", Birth), ("nhs", National), ("nif", National), ("nino", National), ("nip", Vat), ("numéro de sécurité", National), ("numéro est", Phone), ("numéro national", National)],
        b'o' => &[("oib", National), ("ondernemingsnummer", Vat), ("order", Reference), ("ordine", Reference), ("owner", Person)],
        b'p' => &[("p.iva", Vat), ("p. iva", Vat), ("pan", Card), ("partita iva", Vat), ("pasaporte", Passport), ("paspoort", Passport), ("passaporto", Passport), ("passeport", Passport), ("passport", Passport), ("paszport", Passport), ("pedido", Reference), ("personal id", Identity), ("personnummer", National), ("personalausweis", Passport), ("pesel", National), ("phone", Phone), ("portable", Phone), ("position", Place)],
        b'r' => &[("reach me", Phone), ("reisepass", Passport), ("rijksregister", National), ("ruf mich", Phone), ("rufnummer", Phone), ("rückruf", Phone)],
        b's' => &[("sécurité sociale", National), ("seguridad social", National), ("sku", Reference), ("sms", Phone), ("social security", National), ("sofinummer", National), ("ssn", National), ("steuer-id", National), ("steuer id", National), ("steuerid", National), ("steuernummer", National), ("steuerident", National), ("sub", Person), ("subject", Person), ("subject_id", Person), ("svnr", National), ("sozialversicherung", National)],
        b't' => &[("tax", Identity), ("teléfono", Phone), ("tel", Phone), ("telef", Phone), ("telep", Phone), ("tél", Phone), ("text me", Phone), ("ticket", Reference), ("timestamp", Reference), ("tracking", Reference), ("tva", Vat)],
        b'u' => &[("ur.", Birth), ("urodz", Birth), ("user", Person), ("usr", Person), ("ust-id", Vat), ("ustid", Vat), ("utilisateur", Person), ("usuario", Person)],
        b'v' => &[("v", Reference), ("vat", Vat), ("version", Reference), ("visa", Card)],
        b'w' => &[("wereldpaspoort", Passport), ("whatsapp", Phone), ("wrong number", Phone)],
        b'z' => &[("zadzwo", Phone), ("zamówieni", Reference)],
        _ => &[],
    }
}
