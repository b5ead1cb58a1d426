//! What a crawler did.

use contract::{EventType, Timestamp};

use crate::draft::{Draft, context_keys};

/// The family of drafts made here.
#[derive(Debug)]
pub enum Crawl {}

/// An item was collected by this job.
pub fn item_collected(job: &str) -> Draft<Crawl> {
    Draft::new(EventType::CrawlItemCollected)
        .requiring(&["jobId"])
        .context("jobId", job)
        .context("fetchStatus", "success")
}

/// An item was not collected by this job, because of this error.
pub fn item_failed(job: &str, error_code: &str) -> Draft<Crawl> {
    Draft::new(EventType::CrawlItemFailed)
        .requiring(&["jobId", "errorCode"])
        .context("jobId", job)
        .context("fetchStatus", "error")
        .context("errorCode", error_code)
}

impl Draft<Crawl> {
    /// When the crawler was there.
    pub fn crawled_at(self, at: Timestamp) -> Self {
        self.context("crawledAt", at.to_string())
    }
}

context_keys! { Crawl {
    /// The place in its batch.
    batch_index(u32) = "batchIndex";
    /// The kind of job.
    task_type(&str) = "taskType";
    /// Where the keywords came from.
    keyword_source(&str) = "keywordSource";
    /// The version of the pipeline.
    pipeline_version(&str) = "pipelineVersion";
    /// What the fetch said; scrubbed, at most 256 bytes.
    fetch_error(&str) = "fetchError";
    /// More about the error; scrubbed, at most 512 bytes.
    error_details(&str) = "errorDetails";
    /// The platform that was crawled.
    platform(&str) = "platform";
    /// The project.
    project(&str) = "projectId";
} }
