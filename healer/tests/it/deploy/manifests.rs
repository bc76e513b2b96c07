//! The program understands what the manifests tell it.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use temper_healer::{kafka::Security, rules::Source, run::Settings};

use super::{document, text};

/// What a pod's container is told.
struct Told {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Told {
    /// By the manifest of a Deployment and the settings that come with it.
    fn by(manifest: &str) -> Self {
        let manifest = document(manifest);
        let containers = manifest.pointer("/spec/template/spec/containers");
        let container = &containers.expect("a Deployment has containers")[0];
        let mut environment: BTreeMap<_, _> = text("common/settings.env")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for name in words(&container["env"], "name") {
            let value = format!("the {name}");
            environment.insert(name, value);
        }
        environment.insert("TEMPER_QUEUE".to_owned(), "wf-1".to_owned());
        Self {
            arguments: serde_json::from_value(container["args"].clone()).expect("arguments"),
            environment,
        }
    }

    /// What the program makes of it, `$(NAME)` being replaced as the kubelet does.
    fn understood(&self) -> Settings {
        let (run, arguments) = self.arguments.split_first().expect("a command");
        assert_eq!(run, "run");
        let arguments = arguments.iter().map(|argument| {
            let known = self.environment.iter();
            known.fold(argument.clone(), |argument, (name, value)| {
                argument.replace(&format!("$({name})"), value)
            })
        });
        let lookup = |name: &str| self.environment.get(name).cloned();
        Settings::read(&mut lexopt::Parser::from_args(arguments), lookup).expect("settings")
    }
}

fn words(items: &Value, key: &str) -> Vec<String> {
    let items = items.as_array().map_or([].as_slice(), Vec::as_slice);
    let words = items.iter().filter_map(|item| item[key].as_str());
    words.map(str::to_owned).collect()
}

/// Of what is the same in both, all but Kafka's timing.
fn check(settings: &Settings) {
    let kafka = &settings.kafka;
    assert_eq!(kafka.bootstrap, "k3-kafka-bootstrap.kafka:9093");
    assert_eq!(kafka.events, "queue-events");
    assert_eq!(kafka.control, "queue-control");
    assert_eq!(kafka.canary.as_deref(), Some("temper-canary"));
    assert_eq!(kafka.min_isr, 2);
    assert_eq!(kafka.lookback.as_secs(), 3600);
    let Security::SaslTls { user, password, ca } = &kafka.security else {
        unreachable!("{:?}", kafka.security);
    };
    assert_eq!(user, "user-streamforge");
    assert_eq!(password, "the KAFKA_PASSWORD");
    assert_eq!(ca.as_deref(), Some(Path::new("/certs/ca.crt")));

    assert_eq!(settings.namespace.as_deref(), Some("the POD_NAMESPACE"));
    assert_eq!(settings.identity, "the POD_NAME");
    let policy = Path::new("/etc/temper-healer/policy.yaml");
    assert_eq!(settings.rules, Source::File(policy.to_owned()));
    assert!(!settings.dry_run && !settings.once);
}

#[test]
fn the_deployment_says_what_the_program_needs() {
    let settings = Told::by("deployment/deployment.yaml").understood();
    check(&settings);
    assert_eq!(settings.listen, "0.0.0.0:8080");
    assert_eq!(settings.queue, None);
}

#[test]
fn the_sidecar_says_what_the_program_needs() {
    let settings = Told::by("sidecar/container.yaml").understood();
    check(&settings);
    assert_eq!(settings.listen, "0.0.0.0:8086");
    assert_eq!(settings.queue.as_deref(), Some("wf-1"));
}

#[test]
fn the_role_allows_for_the_lease_that_is_asked_for() {
    let role = document("common/role.yaml");
    let named: Vec<_> = role["rules"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|rule| rule.get("resourceNames"))
        .collect();
    for manifest in ["deployment/deployment.yaml", "sidecar/container.yaml"] {
        let lease = Told::by(manifest).understood().lease;
        assert_eq!(named, [&serde_json::json!([lease])], "{manifest}");
    }
}
