//! What can go wrong on the way to a window, by what the reader would do about it.

/// A source could not give its windows.
///
/// No variant carries a header, a token or the user part of an address.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The `source:` value cannot be used.
    #[error("cannot use the source configuration: {0}")]
    Config(String),
    /// A selector or matcher cannot be used.
    #[error("cannot use the selector `{selector}`: {why}")]
    Selector {
        /// The text as configured.
        selector: String,
        /// What is wrong and what to write.
        why: String,
    },
    /// A label of the strata or of the pods cannot be one.
    #[error(
        "cannot use the label `{label}` for strata or pods: write the bare name of a label, such as route or http_route, with \
         letters, digits and _ only and no digit first"
    )]
    Label {
        /// The text as configured.
        label: String,
    },
    /// A file named by the configuration cannot be read. Its name is not shown: people write the secret itself there.
    #[error(
        "cannot read the file that `source.prometheus.{key}` names: {cause}; check that it is mounted and readable"
    )]
    File {
        /// The key that names the file.
        key: &'static str,
        /// The operating system's words, or what the file should hold.
        cause: String,
    },
    /// The server could not be reached: refused, unknown name, TLS.
    #[error("cannot reach {address} for `{query}`: {cause}; {hint}")]
    Unreachable {
        /// Address without user, password and query string.
        address: String,
        /// The query that was to be asked.
        query: String,
        /// The chain of causes.
        cause: String,
        /// What to do.
        hint: &'static str,
    },
    /// No whole answer within the deadline.
    #[error(
        "no answer from {address} to `{query}` within {timeout:?}; raise `timeout` or narrow the selector"
    )]
    Timeout {
        /// Address without user, password and query string.
        address: String,
        /// The query that was asked.
        query: String,
        /// The deadline.
        timeout: std::time::Duration,
    },
    /// The server answered with an HTTP error.
    #[error("{address} answered {status} to `{query}`: {text}; {hint}")]
    Status {
        /// Address without user, password and query string.
        address: String,
        /// The query that was asked.
        query: String,
        /// HTTP status code.
        status: u16,
        /// The server's own words, shortened.
        text: String,
        /// What to do.
        hint: &'static str,
    },
    /// The answer is larger than we are willing to hold.
    #[error(
        "the answer to `{query}` is larger than {limit_bytes} bytes; narrow the selector or shorten `step`"
    )]
    TooLarge {
        /// The query that was asked.
        query: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// The answer is not what the API promises.
    #[error(
        "cannot read the answer to `{query}`: {why}; check that the address is a Prometheus API"
    )]
    BadReply {
        /// The query that was asked.
        query: String,
        /// What was expected and found.
        why: String,
    },
    /// The server says its answer may be partial.
    #[error("the answer to `{query}` is partial: {warning}; nothing is judged on part of the data")]
    Partial {
        /// The query that was asked.
        query: String,
        /// The server's warnings.
        warning: String,
    },
    /// A sample is no count.
    #[error(
        "{series} is {value}, but a counter is a whole number from 0 to 2^53; check that it is a counter"
    )]
    NotACount {
        /// The series.
        series: String,
        /// The value as sent.
        value: String,
    },
    /// A histogram's buckets contradict each other or cannot be named.
    #[error("cannot use the histogram {series}: {why}")]
    Histogram {
        /// The series.
        series: String,
        /// What is wrong.
        why: String,
    },
    /// Both arms select the same series.
    #[error(
        "canary and stable both select {series}; give each arm matchers that tell the versions apart"
    )]
    ArmsOverlap {
        /// One such series.
        series: String,
    },
    /// A page of metrics has lines about a wanted metric that cannot be read.
    #[error(
        "cannot read line {line} of the metrics page of {address}: {unread} of {lines} lines of {metric} are unread; a direct scrape takes no comma, equals sign, brace or backslash in labels, use `source.prometheus`"
    )]
    Page {
        /// Address without user, password and query string.
        address: String,
        /// Number of the first such line, from 1.
        line: usize,
        /// The metric that the query wants.
        metric: String,
        /// Lines that hold a sample but could not be read.
        unread: usize,
        /// Lines that hold a sample.
        lines: usize,
    },
}

impl SourceError {
    /// Whether asking again later, with nothing changed, may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            // Prometheus gives a query that failed on the way, in one of several stores perhaps, status 422, one that was
            // cancelled 499, and one that cannot be read 400.
            Self::Status { status, .. } => matches!(status, 408 | 422 | 429 | 499 | 500..),
            // A mounted secret may be about to be rotated or mounted.
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Partial { .. }
            | Self::File { .. } => true,
            Self::Config(_)
            | Self::Selector { .. }
            | Self::Label { .. }
            | Self::TooLarge { .. }
            | Self::BadReply { .. }
            | Self::NotACount { .. }
            | Self::Histogram { .. }
            | Self::ArmsOverlap { .. }
            | Self::Page { .. } => false,
        }
    }
}
