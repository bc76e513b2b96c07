//! One line of JSON on stderr for each event.
//!
//! Stdout is left alone: the plugin of Argo Rollouts shakes hands there.

use std::{env, io};

use tracing::{Subscriber, level_filters::LevelFilter, subscriber::set_global_default};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::MakeWriter};

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The environment variable holds something that is not a filter.
    #[error(
        "reading the log filter {value:?} from {variable}: {source}; write a level or target=level, such as info,kube=warn"
    )]
    Filter {
        /// The environment variable.
        variable: String,
        /// What it holds.
        value: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Somebody in this process has done so before.
    #[error("starting the log: it was started before")]
    Started(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Sends all events of this process to stderr, those that `variable` lets through: a level, or directives as
/// [`EnvFilter`] knows them. Without the variable, or when it is empty, that is `info` and above.
pub fn start(variable: &str) -> Result<(), Error> {
    let value = env::var_os(variable).unwrap_or_default();
    let filter = filter(variable, &value.to_string_lossy())?;
    Ok(set_global_default(lines(filter, io::stderr))?)
}

fn filter(variable: &str, value: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(value)
        .map_err(|source| Error::Filter {
            variable: variable.to_owned(),
            value: value.to_owned(),
            source,
        })
}

fn lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // The list repeats the innermost span, which each line names already.
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::{debug, info, info_span, subscriber::with_default, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self
                .0
                .lock()
                .map_err(|error| io::Error::other(error.to_string()))?;
            written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(directives: &str, log: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = lines(filter("LOG", directives).unwrap(), move || writer.clone());
        with_default(subscriber, log);
        let bytes = written.0.lock().unwrap();
        let text = str::from_utf8(&bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn an_event_is_one_line_of_json_with_its_fields_and_its_span() {
        let lines = logged("", || {
            let _span = info_span!("heal", job = "job-loader-1").entered();
            warn!(attempt = 2, "two lines\nof a \"message\"");
        });
        let [line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "two lines\nof a \"message\"");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["span"]["job"], "job-loader-1");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn without_a_filter_debug_events_are_left_out() {
        let quiet = logged("", || {
            debug!("detail");
            info!("news");
        });
        assert_eq!(quiet.len(), 1);
        assert_eq!(logged("debug", || debug!("detail")).len(), 1);
    }

    #[test]
    fn a_bad_filter_is_named_with_its_variable() {
        let error = filter("TEMPER_LOG", "loud=very").unwrap_err().to_string();
        assert!(error.contains("\"loud=very\" from TEMPER_LOG"), "{error}");
    }

    #[test]
    fn a_second_start_is_an_error_and_not_a_panic() {
        start("TEMPER_OPS_TEST_LOG").unwrap();
        let again = start("TEMPER_OPS_TEST_LOG");
        assert!(matches!(again, Err(Error::Started(_))), "{again:?}");
    }
}
