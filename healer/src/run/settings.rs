//! What `temper-healer run` is told, by flags and by the environment.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use temper_healer_core::{
    Policy,
    policy::{Cause, Kind, Span},
};

use crate::{kafka, rules::Source};

/// Everything that is to be known before anything is started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: kafka::Settings,
    /// Whose Jobs; the client configuration's own namespace if none.
    pub namespace: Option<String>,
    /// Where the policy is.
    pub rules: Source,
    /// Where the pages are shown.
    pub listen: String,
    /// The address by which others reach us, if we know it.
    pub address: Option<IpAddr>,
    /// Only workers of this queue: a sidecar's scope.
    pub queue: Option<String>,
    /// Name of the Lease.
    pub lease: String,
    /// Our own name in it.
    pub identity: String,
    /// Only say what would be done.
    pub dry_run: bool,
    /// End after having listened for long enough.
    pub once: bool,
    /// How long that is; for the longest silence that the policy allows for, if this says nothing.
    pub listen_for: Option<Duration>,
}

/// Why it can't begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// An argument.
    #[error(transparent)]
    Arguments(#[from] lexopt::Error),
    /// The environment does not say how to reach Kafka.
    #[error(transparent)]
    Kafka(#[from] kafka::SettingsError),
    /// A value makes no sense.
    #[error("{flag}: {why}")]
    Value {
        /// Which flag.
        flag: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Settings {
    /// Reads flags, and the environment where there is none.
    pub fn read(
        arguments: &mut lexopt::Parser,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        use lexopt::prelude::*;
        let mut settings = Self::from_env(&environment)?;
        let (mut file, mut resource) = (None, None);
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("namespace") => settings.namespace = Some(arguments.value()?.string()?),
                Long("policy") => file = Some(arguments.value()?.string()?),
                Long("healing-policy") => resource = Some(arguments.value()?.string()?),
                Long("listen") => settings.listen = arguments.value()?.string()?,
                Long("queue") => settings.queue = Some(arguments.value()?.string()?),
                Long("lease") => settings.lease = arguments.value()?.string()?,
                Long("dry-run") => settings.dry_run = true,
                Long("once") => settings.once = true,
                Long("for") => {
                    let text = arguments.value()?.string()?;
                    settings.listen_for = Some(span("--for", &text)?);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        settings.rules = match source(["--policy", "--healing-policy"], file, resource)? {
            Some(told) => told,
            None => Self::rules_from_env(&environment)?,
        };
        if settings.listen_for.is_some() && !settings.once {
            return Err(SettingsError::Value {
                flag: "--for",
                why: "it says how long --once listens; add --once".to_owned(),
            });
        }
        Ok(settings)
    }

    /// Where other healers find our pages: by the address of the pod, or the one that is listened on, unless that is any.
    pub fn pages(&self, listening: SocketAddr) -> Option<SocketAddr> {
        let own = Some(listening.ip()).filter(|ip| !ip.is_unspecified());
        let address = self.address.or(own)?;
        Some(SocketAddr::new(address, listening.port()))
    }

    /// The name of the Lease by which one of several acts. A dry run has its own: it must not keep others from healing.
    pub fn lease(&self) -> String {
        let lease = &self.lease;
        if self.dry_run {
            format!("{lease}-dry-run")
        } else {
            lease.clone()
        }
    }

    /// How long it listens before it ends, if it does end by itself.
    pub fn ends_after(&self, policy: &Policy) -> Option<Duration> {
        let long = || self.listen_for.unwrap_or_else(|| longest_silence(policy));
        self.once.then(long)
    }

    fn rules_from_env(
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Source, SettingsError> {
        let names = ["TEMPER_POLICY", "TEMPER_HEALING_POLICY"];
        let [file, resource] =
            names.map(|name| environment(name).filter(|value| !value.is_empty()));
        Ok(source(names, file, resource)?.unwrap_or(Source::BuiltIn))
    }

    fn from_env(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let kafka = kafka::Settings::from_env(environment)?;
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        Ok(Self {
            kafka,
            namespace: set("POD_NAMESPACE"),
            rules: Source::BuiltIn,
            listen: set("TEMPER_LISTEN").unwrap_or_else(|| "0.0.0.0:8080".to_owned()),
            address: set("POD_IP").map_or(Ok(None), |text| address(&text).map(Some))?,
            queue: None,
            lease: "temper-healer".to_owned(),
            identity: set("POD_NAME")
                .or_else(|| set("HOSTNAME"))
                .unwrap_or_else(|| format!("temper-healer-{}", std::process::id())),
            dry_run: false,
            once: false,
            listen_for: None,
        })
    }
}

/// What one of two ways to name a policy says; both together say nothing.
fn source(
    [of_file, of_resource]: [&'static str; 2],
    file: Option<String>,
    resource: Option<String>,
) -> Result<Option<Source>, SettingsError> {
    let wrong = |why| {
        Err(SettingsError::Value {
            flag: of_resource,
            why,
        })
    };
    match (file, resource) {
        (Some(_), Some(_)) => wrong(format!(
            "there is {of_file} as well, and only one policy can hold; leave out one of them"
        )),
        (None, Some(name)) if !is_name(&name) => wrong(format!("`{name}` is no name of an object")),
        (None, Some(name)) => Ok(Some(Source::Resource(name))),
        (Some(path), None) => Ok(Some(Source::File(path.into()))),
        (None, None) => Ok(None),
    }
}

/// Whether an object may be called that: it becomes part of a selector.
fn is_name(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

fn address(text: &str) -> Result<IpAddr, SettingsError> {
    let address = text.trim().parse().ok();
    address.ok_or_else(|| SettingsError::Value {
        flag: "POD_IP",
        why: format!("`{text}` is no address of a pod; take it from `status.podIP`"),
    })
}

fn span(flag: &'static str, text: &str) -> Result<Duration, SettingsError> {
    Span::parse(text)
        .map(Span::duration)
        .map_err(|why| SettingsError::Value { flag, why })
}

/// Long enough for whoever is stuck to be found out.
fn longest_silence(policy: &Policy) -> Duration {
    let longest = policy.kinds.iter().filter_map(longest_deadline).max();
    longest.unwrap_or(Span::minutes(1)).duration() + Duration::from_secs(5)
}

fn longest_deadline(kind: &Kind) -> Option<Span> {
    let deadlines = [
        (Cause::Silent, kind.silent_deadline),
        (Cause::Silent, kind.start_deadline),
        (Cause::Stalled, kind.stall_deadline),
        (Cause::Interrupted, Some(kind.interrupted_deadline)),
        (Cause::Error, Some(kind.error_grace)),
    ];
    let healed = deadlines
        .into_iter()
        .filter(|(cause, _)| kind.heal.contains(cause));
    healed.filter_map(|(_, deadline)| deadline).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Settings, String> {
        let known = |name: &str| {
            let kafka = ("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092");
            let mut all = environment.iter().chain([&kafka]);
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let mut arguments = lexopt::Parser::from_args(arguments);
        Settings::read(&mut arguments, known).map_err(|error| error.to_string())
    }

    fn rules(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Source, String> {
        read(arguments, environment).map(|settings| settings.rules)
    }

    #[test]
    fn a_policy_is_named_by_a_flag_or_else_by_the_environment() {
        let file = || Ok(Source::File("p.yaml".into()));
        let resource = || Ok(Source::Resource("strict".to_owned()));
        let both = [("TEMPER_POLICY", "e.yaml"), ("TEMPER_HEALING_POLICY", "e")];
        assert_eq!(rules(&[], &[]), Ok(Source::BuiltIn));
        assert_eq!(rules(&["--policy=p.yaml"], &both), file());
        assert_eq!(rules(&["--healing-policy=strict"], &both), resource());
        assert_eq!(rules(&[], &[("TEMPER_POLICY", "p.yaml")]), file());
        assert_eq!(
            rules(
                &[],
                &[("TEMPER_HEALING_POLICY", "strict"), ("TEMPER_POLICY", "")]
            ),
            resource()
        );
        for (arguments, environment) in [
            (
                ["--policy=p.yaml", "--healing-policy=strict"].as_slice(),
                [].as_slice(),
            ),
            (&[], &both),
        ] {
            let refusal = rules(arguments, environment).unwrap_err();
            assert!(refusal.contains("only one policy can hold"), "{refusal}");
        }
    }

    #[test]
    fn once_is_as_long_as_the_longest_deadline_that_matters() {
        let once = read(&["--once"], &[]).unwrap();
        let ends_after = |kind: &str| {
            let policy = Policy::parse(&format!("kinds: [{{workers: a, {kind}}}]")).unwrap();
            once.ends_after(&policy).unwrap().as_secs()
        };
        assert_eq!(ends_after("silentDeadline: 2m, startDeadline: 5m"), 305);
        assert_eq!(
            ends_after("heal: [silent], silentDeadline: 2m, stallDeadline: 1h"),
            125
        );
        assert_eq!(
            ends_after("heal: [stalled], silentDeadline: 2m, stallDeadline: 1h"),
            3605
        );
        assert_eq!(ends_after("heal: [error]"), 5);
    }

    #[test]
    fn others_find_the_pages_by_the_pods_address_or_the_one_that_is_listened_on() {
        let pages = |environment: &[(&str, &str)], listening: &str| {
            let settings = read(&[], environment).unwrap();
            let pages = settings.pages(listening.parse().unwrap());
            pages.map(|pages| pages.to_string())
        };
        let pod = [("POD_IP", "10.1.2.3")];
        assert_eq!(pages(&pod, "0.0.0.0:8080").unwrap(), "10.1.2.3:8080");
        assert_eq!(pages(&[], "127.0.0.1:80").unwrap(), "127.0.0.1:80");
        assert_eq!(pages(&[], "0.0.0.0:8080"), None);
        let refusal = read(&[], &[("POD_IP", "here")]).unwrap_err();
        assert!(
            refusal.contains("POD_IP: `here` is no address"),
            "{refusal}"
        );
    }

    #[test]
    fn a_dry_run_keeps_nobody_from_healing() {
        assert_eq!(read(&["--lease=l"], &[]).unwrap().lease(), "l");
        let dry = read(&["--lease=l", "--dry-run"], &[]).unwrap();
        assert_eq!(dry.lease(), "l-dry-run");
    }

    #[test]
    fn what_is_no_name_of_an_object_names_no_policy() {
        for name in ["", "a,metadata.namespace=b", "Strict", "a/b"] {
            let refusal = rules(&[&format!("--healing-policy={name}")], &[]).unwrap_err();
            assert!(refusal.contains("is no name"), "{name}: {refusal}");
        }
    }

    #[test]
    fn whoever_listens_once_listens_as_long_as_the_policy_lets_workers_be_silent() {
        let policy = Policy::parse("kinds: [{workers: a, silentDeadline: 2m}]").unwrap();
        let ends_after = |arguments: &[&str]| {
            let settings = read(arguments, &[]).unwrap();
            settings.ends_after(&policy).map(|after| after.as_secs())
        };
        assert_eq!(ends_after(&[]), None);
        assert_eq!(ends_after(&["--once"]), Some(125));
        assert_eq!(ends_after(&["--once", "--for=7s"]), Some(7));
        assert!(read(&["--for=7s"], &[]).unwrap_err().contains("--once"));
    }
}
