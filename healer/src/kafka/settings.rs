//! What the healer must be told about Kafka, and where it is told.

use std::{fmt, path::PathBuf, time::Duration};

use temper_healer_core::Topic;
use thiserror::Error;

/// How to reach Kafka, what to read there and how often to prove what has been read.
///
/// Made by [`Settings::from_env`], or by [`Settings::new`] and then adjusted field by field.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Brokers to ask first, `host:port` with commas between.
    pub bootstrap: String,
    /// How the connection is protected.
    pub security: Security,
    /// The topic of what workers say.
    pub events: String,
    /// The topic of what is demanded of them.
    pub control: String,
    /// The topic of the healer's own canary records: as many partitions as brokers, replicas and `min.insync.replicas` as `events`.
    /// None: nothing is written, and nothing proved about writing.
    pub canary: Option<String>,
    /// Fewer replicas in sync, and a partition's silence proves nothing: its writers may have been turned away.
    pub min_isr: usize,
    /// How far back reading begins. [`Duration::MAX`]: with the oldest record that there is.
    pub lookback: Duration,
    /// How often the end of each partition is asked for.
    pub barrier_every: Duration,
    /// How often a canary record is written to each partition of its topic.
    pub canary_every: Duration,
    /// The longest that a question to a broker may take; also the longest that dropping the reader takes.
    pub call_timeout: Duration,
    /// The largest record batch that can be received. A larger one would stop its partition, which shows as missing barriers.
    pub max_message_bytes: u32,
}

/// How the connection is protected.
#[derive(Clone)]
pub enum Security {
    /// Not at all.
    Plaintext,
    /// The brokers prove who they are.
    Tls {
        /// PEM file of the authorities to trust; none: those of the system.
        ca: Option<PathBuf>,
    },
    /// The brokers prove who they are, and so does the healer, by SCRAM-SHA-512.
    SaslTls {
        /// The healer's name.
        user: String,
        /// Its password.
        password: String,
        /// PEM file of the authorities to trust; none: those of the system.
        ca: Option<PathBuf>,
    },
}

/// Why the environment does not say how to reach Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A variable is not there.
    #[error("{name} is not set: {hint}")]
    Missing {
        /// Which.
        name: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// A variable cannot be read.
    #[error("cannot read {name}=`{value}`: {hint}")]
    Unreadable {
        /// Which.
        name: &'static str,
        /// What it says.
        value: String,
        /// How it is written.
        hint: &'static str,
    },
}

impl Settings {
    /// Reads `queue-events` and `queue-control` at `bootstrap`, unprotected, two hours back, without a canary.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            security: Security::Plaintext,
            events: "queue-events".into(),
            control: "queue-control".into(),
            canary: None,
            min_isr: 2,
            lookback: Duration::from_hours(2),
            barrier_every: Duration::from_millis(250),
            canary_every: Duration::from_millis(500),
            call_timeout: Duration::from_secs(1),
            max_message_bytes: 64 << 20,
        }
    }

    /// Reads the variables that StreamForge's services read, and our own.
    ///
    /// `KAFKA_BOOTSTRAP_SERVERS` is required. `KAFKA_USER` and `KAFKA_PASSWORD` come together; `CA_PATH`, or `KAFKA_CA_PATH`, is
    /// a PEM file, and either of the two means TLS. `QUEUE_EVENTS_TOPIC`, `QUEUE_CONTROL_TOPIC`, `TEMPER_CANARY_TOPIC`,
    /// `TEMPER_KAFKA_MIN_ISR` and `TEMPER_LOOKBACK` (`90s`, `1h30m`) have the defaults of [`Settings::new`]. A variable that is
    /// empty counts as not set.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let read = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let bootstrap = read("KAFKA_BOOTSTRAP_SERVERS").ok_or(SettingsError::Missing {
            name: "KAFKA_BOOTSTRAP_SERVERS",
            hint: "name the brokers, like k3-kafka-bootstrap.kafka:9093",
        })?;
        let usual = Self::new(bootstrap);
        Ok(Self {
            security: Security::from_env(&read)?,
            events: read("QUEUE_EVENTS_TOPIC").unwrap_or(usual.events),
            control: read("QUEUE_CONTROL_TOPIC").unwrap_or(usual.control),
            canary: read("TEMPER_CANARY_TOPIC"),
            min_isr: read("TEMPER_KAFKA_MIN_ISR").map_or(Ok(usual.min_isr), min_isr)?,
            lookback: read("TEMPER_LOOKBACK").map_or(Ok(usual.lookback), lookback)?,
            ..usual
        })
    }

    /// Which of the two topics that name means: only names of those two are ever asked for.
    pub(crate) fn topic(&self, name: &str) -> Topic {
        if name == self.events {
            Topic::Events
        } else {
            Topic::Control
        }
    }

    /// How any client of the library is told to reach these brokers.
    pub fn client_config(&self) -> rdkafka::ClientConfig {
        super::client::common(self)
    }

    /// What a topic is called here.
    pub fn name(&self, topic: Topic) -> &str {
        match topic {
            Topic::Events => &self.events,
            Topic::Control => &self.control,
        }
    }
}

impl Security {
    fn from_env(read: &impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let ca = read("CA_PATH")
            .or_else(|| read("KAFKA_CA_PATH"))
            .map(PathBuf::from);
        match (read("KAFKA_USER"), read("KAFKA_PASSWORD")) {
            (Some(user), Some(password)) => Ok(Self::SaslTls { user, password, ca }),
            (Some(_), None) => Err(SettingsError::Missing {
                name: "KAFKA_PASSWORD",
                hint: "KAFKA_USER is set, and a user needs a password",
            }),
            (None, Some(_)) => Err(SettingsError::Missing {
                name: "KAFKA_USER",
                hint: "KAFKA_PASSWORD is set, and a password needs a user",
            }),
            (None, None) if ca.is_some() => Ok(Self::Tls { ca }),
            (None, None) => Ok(Self::Plaintext),
        }
    }
}

impl fmt::Debug for Security {
    /// All but the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext => f.write_str("Plaintext"),
            Self::Tls { ca } => f.debug_struct("Tls").field("ca", ca).finish(),
            Self::SaslTls {
                user,
                password: _,
                ca,
            } => f
                .debug_struct("SaslTls")
                .field("user", user)
                .field("ca", ca)
                .finish_non_exhaustive(),
        }
    }
}

fn min_isr(value: String) -> Result<usize, SettingsError> {
    let number = value.trim().parse().ok().filter(|number| *number > 0);
    number.ok_or(SettingsError::Unreadable {
        name: "TEMPER_KAFKA_MIN_ISR",
        value,
        hint: "write a number from 1 on, the topic's min.insync.replicas",
    })
}

fn lookback(value: String) -> Result<Duration, SettingsError> {
    let span = value.trim().parse::<jiff::SignedDuration>().ok();
    span.and_then(|span| Duration::try_from(span).ok())
        .ok_or(SettingsError::Unreadable {
            name: "TEMPER_LOOKBACK",
            value,
            hint: "write a span of time like 90s or 1h30m",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_env(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_of_streamforge_are_read() {
        let settings = read(&[
            ("KAFKA_BOOTSTRAP_SERVERS", "k3-kafka-bootstrap.kafka:9093"),
            ("KAFKA_USER", "user-streamforge"),
            ("KAFKA_PASSWORD", "hush"),
            ("CA_PATH", "/certs/ca.crt"),
            ("QUEUE_EVENTS_TOPIC", "said"),
            ("QUEUE_CONTROL_TOPIC", ""),
            ("TEMPER_CANARY_TOPIC", "temper-canary"),
            ("TEMPER_KAFKA_MIN_ISR", "1"),
            ("TEMPER_LOOKBACK", "1h30m"),
        ])
        .unwrap();
        assert!(
            matches!(&settings.security, Security::SaslTls { user, password, ca: Some(ca) }
            if user == "user-streamforge" && password == "hush" && ca.ends_with("ca.crt"))
        );
        assert_eq!(
            (settings.events.as_str(), settings.control.as_str()),
            ("said", "queue-control")
        );
        assert_eq!(settings.canary.as_deref(), Some("temper-canary"));
        assert_eq!(settings.min_isr, 1);
        assert_eq!(settings.lookback, Duration::from_mins(90));
    }

    #[test]
    fn a_ca_alone_means_tls_and_nothing_means_none() {
        let with = |more: &[(&str, &str)]| {
            let all = [&[("KAFKA_BOOTSTRAP_SERVERS", "b:9092")], more].concat();
            read(&all).unwrap().security
        };
        assert!(matches!(with(&[]), Security::Plaintext));
        assert!(matches!(
            with(&[("KAFKA_CA_PATH", "/ca")]),
            Security::Tls { ca: Some(_) }
        ));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |variables: &[(&str, &str)]| read(variables).unwrap_err().to_string();
        assert!(error(&[]).contains("KAFKA_BOOTSTRAP_SERVERS"));
        let brokers = ("KAFKA_BOOTSTRAP_SERVERS", "b:9092");
        assert!(error(&[brokers, ("KAFKA_USER", "u")]).starts_with("KAFKA_PASSWORD is not set"));
        assert!(error(&[brokers, ("KAFKA_PASSWORD", "p")]).starts_with("KAFKA_USER is not set"));
        for (name, value) in [
            ("TEMPER_KAFKA_MIN_ISR", "0"),
            ("TEMPER_KAFKA_MIN_ISR", "two"),
            ("TEMPER_LOOKBACK", "-5s"),
            ("TEMPER_LOOKBACK", "5"),
        ] {
            let said = error(&[brokers, (name, value)]);
            assert!(said.contains(name) && said.contains(value), "{said}");
        }
    }

    #[test]
    fn the_password_is_never_printed() {
        let settings = read(&[
            ("KAFKA_BOOTSTRAP_SERVERS", "b:9092"),
            ("KAFKA_USER", "user"),
            ("KAFKA_PASSWORD", "hush"),
        ]);
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
