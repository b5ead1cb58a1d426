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
        let Self { endpoint, caller, id, query, now } = self;
        Ok(Call { endpoint, org: caller.org(query.org()?)?, id, query, now })
    }
}

/// A request about one organisation.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) org: OrgId,
    /// What stands in the path.
    pub(crate) id: Option<String>,
    pub(crate) query: Query,
    pub(crate) now: Timestamp,
}

impl Call {
    /// The time and the product that are asked about; a page after the first is about the same time as the first.
    pub(crate) fn span(&self, place: Option<&Place>) -> Result<Span, Refusal> {
        let (from, to) = match place {
            Some(place) => (place.from, place.to),
            None => self.query.times(self.now)?,
        };
        Ok(Span { org: self.org.clone(), product: self.query.product()?, from, to })
    }

    /// The whole days that are asked about.
    pub(crate) fn days(&self) -> Result<(Span, Period), Refusal> {
        let span = self.span(None)?;
        let period = Period::covering(span.from, span.to);
        Ok((Span { from: period.from, to: period.to, ..span }, period))
    }

    /// What the answer is about.
    pub(crate) fn asked(&self, span: Span) -> Asked {
        let Span { org, product, from, to } = span;
        Asked { org_id: org, product_id: product, from, to, as_of: self.now }
    }

    /// What a cursor of this question is bound to.
    pub(crate) fn bound(&self) -> Bound<'_> {
        let id = self.id.as_deref().unwrap_or_default();
        let named = [self.org.as_str(), self.endpoint.path, id];
        let asked = self.query.given.iter().filter(|(name, _)| {
            ![parameters::CURSOR.name, parameters::PAGE.name, parameters::ORG.name].contains(name)
        });
        let asked = asked.flat_map(|(name, value)| [*name, value.as_str()]);
        Bound(named.into_iter().chain(asked).collect())
    }

    /// The session that the path names. What is no id is no session.
    pub(crate) fn session_id(&self) -> Result<SessionId, Refusal> {
        self.id.as_deref().and_then(SessionId::parse).ok_or(Code::NotFound.into())
    }
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
        self.parsed(parameter, Timestamp::parse)
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
        let to = self.time(&parameters::TO)?;
        let to = to.unwrap_or_else(|| now.day().plus_ms(DAY_MS));
        let from = self.time(&parameters::FROM)?;
        let from = from.unwrap_or_else(|| to.plus_ms(-USUAL_DAYS * DAY_MS));
        if from >= to {
            return Err(Refusal::parameters("from is before to."));
        }
        if to.since_ms(from) > DAYS_MAX * DAY_MS {
            let title = format!("From from to to there are at most {DAYS_MAX} days.");
            return Err(Refusal::parameters(title));
        }
        Ok((from, to))
    }
}
