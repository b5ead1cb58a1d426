//! What is asked for: parameters that are known, each once, within their bounds.

use std::collections::BTreeMap;

use contract::{
    Code, OrgId, ProductId, Timestamp, insights::asked::Asked, limits::DAY_MS, session::SessionId,
};
use friction::insight::Period;
use ports::sessions::Span;
use url::form_urlencoded;

use crate::{
    auth::Caller,
    cursor::{Bound, Place},
    endpoints::Endpoint,
    parameters::{self, DAYS_MAX, Grammar, Parameter, USUAL_DAYS},
    problem::Refusal,
};

/// A request of somebody who may ask.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) caller: Caller,
    /// What stands in the path.
    pub(crate) id: Option<String>,
    pub(crate) query: Query,
    pub(crate) now: Timestamp,
}

impl Asking {
    /// The request as one about a single organisation.
    pub(crate) fn call(self) -> Result<Call, Refusal> {
        let org = self.caller.org(self.query.org()?)?;
        Ok(self.about(org))
    }

    /// True when an operator asks without saying which organisation is meant.
    pub(crate) fn is_about_all(&self) -> bool {
        self.caller.operates() && self.query.text(&parameters::ORG).is_none()
    }

    /// The request as one about `org`, which is the caller's to ask about.
    pub(crate) fn about<O>(self, org: O) -> Call<O> {
        let Self { endpoint, id, query, now, .. } = self;
        Call { endpoint, org, id, query, now }
    }
}

/// A request about one organisation, or about several.
#[derive(Debug)]
pub(crate) struct Call<O = OrgId> {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) org: O,
    /// What stands in the path.
    pub(crate) id: Option<String>,
    pub(crate) query: Query,
    pub(crate) now: Timestamp,
}

/// What a request is about.
pub(crate) trait About {
    /// What a cursor is bound to; no organisation has an empty name.
    fn name(&self) -> &str;
    /// What is told of it.
    fn told(&self) -> Option<OrgId>;
}

impl About for OrgId {
    fn name(&self) -> &str {
        self.as_str()
    }

    fn told(&self) -> Option<OrgId> {
        Some(self.clone())
    }
}

/// Organisations whose lists are read as one.
#[derive(Debug)]
pub(crate) enum Orgs {
    One(OrgId),
    All(Vec<OrgId>),
}

impl Orgs {
    /// Each of them.
    pub(crate) fn each(&self) -> &[OrgId] {
        match self {
            Self::One(org) => std::slice::from_ref(org),
            Self::All(orgs) => orgs,
        }
    }
}

impl About for Orgs {
    fn name(&self) -> &str {
        match self {
            Self::One(org) => org.as_str(),
            Self::All(_) => "",
        }
    }

    fn told(&self) -> Option<OrgId> {
        match self {
            Self::One(org) => Some(org.clone()),
            Self::All(_) => None,
        }
    }
}

impl<O: About> Call<O> {
    /// The time that is asked about; a page after the first is about the same time as the first.
    pub(crate) fn times(&self, place: Option<&Place>) -> Result<(Timestamp, Timestamp), Refusal> {
        match place {
            Some(place) => Ok((place.from, place.to)),
            None => self.query.times(self.now),
        }
    }

    /// What the answer is about.
    pub(crate) fn asked(&self, (from, to): (Timestamp, Timestamp)) -> Result<Asked, Refusal> {
        let product_id = self.query.product()?;
        Ok(Asked { org_id: self.org.told(), product_id, from, to, as_of: self.now })
    }

    /// What a cursor of this question is bound to.
    pub(crate) fn bound(&self) -> Bound<'_> {
        let id = self.id.as_deref().unwrap_or_default();
        let named = [self.org.name(), self.endpoint.path, id];
        let asked = self.query.given.iter().filter(|(name, _)| {
            ![parameters::CURSOR.name, parameters::PAGE.name, parameters::ORG.name].contains(name)
        });
        let asked = asked.flat_map(|(name, value)| [*name, value.as_str()]);
        Bound(named.into_iter().chain(asked).collect())
    }
}

impl Call {
    /// The time and the product that are asked about.
    pub(crate) fn span(&self) -> Result<Span, Refusal> {
        let (from, to) = self.times(None)?;
        Ok(Span { org: self.org.clone(), product: self.query.product()?, from, to })
    }

    /// The whole days that are asked about, and what the answer is about.
    pub(crate) fn days(&self) -> Result<(Span, Period, Asked), Refusal> {
        let span = self.span()?;
        let period = Period::covering(span.from, span.to);
        let asked = self.asked((period.from, period.to))?;
        Ok((Span { from: period.from, to: period.to, ..span }, period, asked))
    }

    /// The session that the path names. What is no id is no session.
    pub(crate) fn session_id(&self) -> Result<SessionId, Refusal> {
        session_id(self.id.as_deref())
    }
}

/// The session that a path names.
pub(crate) fn session_id(id: Option<&str>) -> Result<SessionId, Refusal> {
    id.and_then(SessionId::parse).ok_or(Code::NotFound.into())
}

/// Parameters as they were given.
#[derive(Debug)]
pub(crate) struct Query {
    given: BTreeMap<&'static str, String>,
}

impl Query {
    /// Reads the parameters of `endpoint`; others are refused, and so is one that stands twice.
    pub(crate) fn read(endpoint: &Endpoint, text: &str) -> Result<Self, Refusal> {
        let mut given = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let known = endpoint.parameters.iter().find(|parameter| parameter.name == name);
            let Some(parameter) = known else {
                let names: Vec<&str> =
                    endpoint.parameters.iter().map(|parameter| parameter.name).collect();
                let title = match names.as_slice() {
                    [] => "There are no parameters here.".to_owned(),
                    names => format!("The parameters are {}.", names.join(", ")),
                };
                return Err(Refusal::parameters(title));
            };
            if given.insert(parameter.name, value.into_owned()).is_some() {
                return Err(Refusal::parameters(format!("{} is given twice.", parameter.name)));
            }
        }
        Ok(Self { given })
    }

    pub(crate) fn org(&self) -> Result<Option<OrgId>, Refusal> {
        self.parsed(&parameters::ORG, |text| OrgId::parse(text).ok())
    }

    pub(crate) fn product(&self) -> Result<Option<ProductId>, Refusal> {
        self.parsed(&parameters::PRODUCT, |text| ProductId::parse(text).ok())
    }

    /// The value of `parameter`, or what it usually is.
    pub(crate) fn count(&self, parameter: &Parameter) -> Result<usize, Refusal> {
        let Grammar::Count { min, max, usual } = parameter.grammar else {
            return Err(Refusal::of(Code::Internal));
        };
        // `parse` takes a sign; a count has none.
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let count = self.parsed(parameter, |text| {
            let count = text.parse().ok().filter(|_| digits(text))?;
            (min..=max).contains(&count).then_some(count)
        })?;
        Ok(count.unwrap_or(usual))
    }

    pub(crate) fn time(&self, parameter: &Parameter) -> Result<Option<Timestamp>, Refusal> {
        self.parsed(parameter, Timestamp::parse_time_or_day)
    }

    /// The text of `parameter`.
    pub(crate) fn text(&self, parameter: &Parameter) -> Option<&str> {
        self.given.get(parameter.name).map(String::as_str)
    }

    /// What `read` makes of `parameter`.
    pub(crate) fn parsed<T>(
        &self,
        parameter: &Parameter,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let is_offered = |text: &&str| match parameter.grammar {
            Grammar::Word(words) => words().contains(text),
            Grammar::Id | Grammar::Time | Grammar::Count { .. } => true,
            Grammar::Session | Grammar::Cursor => true,
            Grammar::Sequence => true,
        };
        let read = |text: &str| Some(text).filter(is_offered).and_then(&read);
        let read = |text| read(text).ok_or_else(|| Refusal::parameter(parameter));
        self.text(parameter).map(read).transpose()
    }

    fn times(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), Refusal> {
        let (from, to) = match (self.time(&parameters::FROM), self.time(&parameters::TO)) {
            (Ok(from), Ok(to)) => (from, to),
            (Err(_), Err(_)) => {
                let title = format!("Both from and to are {}.", parameters::FROM.expects());
                return Err(Refusal::parameters(title));
            }
            (Err(refusal), Ok(_)) | (Ok(_), Err(refusal)) => return Err(refusal),
        };
        let to = to.unwrap_or_else(|| now.day().plus_ms(DAY_MS));
        let from = from.unwrap_or_else(|| to.plus_ms(-USUAL_DAYS * DAY_MS));
        if from >= to {
            return Err(Refusal::parameters("from is before to."));
        }
        if to.since_ms(from) > DAYS_MAX * DAY_MS {
            let title = format!("to is at most {DAYS_MAX} days after from.");
            return Err(Refusal::parameters(title));
        }
        Ok((from, to))
    }
}
