//! A place where an entity may begin, and what stands around it.

use super::{
    EntityKind, Span,
    bytes::{at, is_word},
    context::{Context, Topic},
};

/// One place of the text. The words before it are read at most once, and only when somebody asks.
#[derive(Debug)]
pub(super) struct Candidate<'t> {
    pub(super) bytes: &'t [u8],
    /// Where the entity would begin.
    pub(super) start: usize,
    /// Nothing at or after this belongs to it.
    pub(super) limit: usize,
    /// Words before this say nothing about it: they belong to an entity of their own.
    floor: usize,
    context: Option<Context>,
}

impl<'t> Candidate<'t> {
    pub(super) fn new(bytes: &'t [u8], floor: usize, start: usize, limit: usize) -> Self {
        Self { bytes, start, limit, floor, context: None }
    }

    /// Whether a word of this topic ends at most so many bytes before.
    pub(super) fn near(&mut self, topic: Topic, bytes_max: u8) -> bool {
        self.context().near(topic, bytes_max)
    }

    /// As [`Self::near`], and nearer than any word of the other topic.
    pub(super) fn rather(&mut self, topic: Topic, than: Topic, bytes_max: u8) -> bool {
        self.context().rather(topic, than, bytes_max)
    }

    /// The span up to `end`, when no letter or digit follows there.
    pub(super) fn span(&self, end: usize, kind: EntityKind) -> Option<Span> {
        let bounded = end <= self.limit && !is_word(at(self.bytes, end));
        bounded.then_some(Span { start: self.start, end, kind })
    }

    fn context(&mut self) -> &Context {
        let Self { bytes, floor, start, .. } = *self;
        self.context.get_or_insert_with(|| Context::before(bytes, floor, start))
    }
}
