//! Where the windows of a trial come from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use temper_judge::window::Window;
use temper_sources::{
    Prometheus, PrometheusConfig, Query, RecordingError, SourceConfig, SourceError,
};
use thiserror::Error;

use super::READING_TIME;
use super::recording::Recorded;

/// What a metric says about its source.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Prometheus(Box<PrometheusConfig>, Arc<Query>),
    Recording(PathBuf),
}

/// A source, ready to be asked.
#[derive(Debug)]
pub(crate) enum Source {
    Prometheus(Box<Prometheus>, Arc<Query>),
    Recording(Recorded),
}

/// A window that could not be had, or a source that can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum OriginError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error(
        "reading `source`: pods that are scraped directly can't be judged by the plugin, since nobody keeps their counters while \
         it restarts; let Prometheus scrape them"
    )]
    Scrape,
    #[error("reading `source.recording`: expected the path of a file")]
    Path,
    #[error(
        "reading `source.prometheus.timeout`: {0:?} is longer than the controller may be kept waiting; expected less than \
         {READING_TIME:?}"
    )]
    Timeout(Duration),
}

impl OriginError {
    /// Whether the same question may be answered later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Source(error) => error.is_transient(),
            Self::Recording(_) | Self::Scrape | Self::Path | Self::Timeout(_) => false,
        }
    }
}

impl Origin {
    /// Reads the value of `source`.
    pub(crate) fn of(source: &Value, query: Query) -> Result<Self, OriginError> {
        if let Some(path) = source.get("recording") {
            return Ok(Self::Recording(
                path.as_str().ok_or(OriginError::Path)?.into(),
            ));
        }
        match SourceConfig::from_json(source)? {
            SourceConfig::Prometheus(config) if config.timeout >= READING_TIME => {
                Err(OriginError::Timeout(config.timeout))
            }
            SourceConfig::Prometheus(config) => {
                Ok(Self::Prometheus(Box::new(config), Arc::new(query)))
            }
            SourceConfig::Scrape(_) => Err(OriginError::Scrape),
        }
    }

    /// What kind of source this is.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Prometheus(..) => "prometheus",
            Self::Recording(_) => "the recording",
        }
    }
}

impl Source {
    /// Opens it. Nothing is asked of a server yet.
    pub(crate) fn open(origin: &Origin) -> Result<Self, OriginError> {
        match origin {
            Origin::Prometheus(config, query) => {
                let prometheus = Prometheus::new((**config).clone())?;
                Ok(Self::Prometheus(Box::new(prometheus), Arc::clone(query)))
            }
            Origin::Recording(path) => Ok(Self::Recording(Recorded::read(path)?)),
        }
    }

    /// What happened in the intervals between these moments, the first of which is that of look `first`.
    pub(crate) async fn windows(
        &self,
        first: u32,
        boundaries: &[Timestamp],
    ) -> Result<Vec<Window>, OriginError> {
        match self {
            Self::Prometheus(prometheus, query) => {
                Ok(prometheus.windows(query, first, boundaries).await?)
            }
            Self::Recording(recording) => {
                let looks = (first..)
                    .zip(boundaries.iter().skip(1))
                    .map(|(look, _)| look);
                Ok(looks.map(|look| recording.window(look)).collect())
            }
        }
    }
}
