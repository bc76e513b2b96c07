//! The program understands what the manifests tell it.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use temper_healer::{cluster::HealingPolicy, kafka::Security, rules::Source, run::Settings};
use temper_healer_core::Policy;

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
        for variable in container["env"].as_array().expect("an environment") {
            let name = variable["name"].as_str().expect("a name");
            let value = variable["value"].as_str();
            let told = || match name {
                "POD_IP" => "10.1.2.3".to_owned(),
                name => format!("the {name}"),
            };
            let value = value.map_or_else(told, str::to_owned);
            environment.insert(name.to_owned(), value);
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

/// Of what is the same in both, all but Kafka's timing.
fn check(settings: &Settings) {
    let kafka = &settings.kafka;
    assert_eq!(kafka.bootstrap, "k3-kafka-bootstrap.kafka:9093");
    assert_eq!(kafka.events, "queue-events");
    assert_eq!(kafka.control, "queue-control");
    assert_eq!(kafka.canary.as_deref(), Some("temper-canary"));
    assert_eq!(kafka.min_isr, 2);
    assert_eq!(kafka.lookback.as_secs(), 7200);
    let Security::SaslTls { user, password, ca } = &kafka.security else {
        unreachable!("{:?}", kafka.security);
    };
    assert_eq!(user, "user-streamforge");
    assert_eq!(password, "the KAFKA_PASSWORD");
    assert_eq!(ca.as_deref(), Some(Path::new("/certs/ca.crt")));

    assert_eq!(settings.namespace.as_deref(), Some("the POD_NAMESPACE"));
    assert_eq!(settings.identity, "the POD_NAME");
    let pages = settings.pages("0.0.0.0:80".parse().expect("an address"));
    assert_eq!(pages, "10.1.2.3:80".parse().ok());
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
        let settings = Told::by(manifest).understood();
        let dry_run = Settings {
            dry_run: true,
            ..settings.clone()
        };
        let leases = json!([settings.lease(), dry_run.lease()]);
        assert_eq!(named, [&leases], "{manifest}");
    }
}

#[test]
fn who_goes_by_a_healing_policy_may_read_that_one() {
    let patch = document("healing-policy/container.yaml");
    let variables = patch.pointer("/spec/template/spec/containers/0/env");
    let variables = variables.and_then(Value::as_array).unwrap();
    let told = |name: &str| {
        let mut of_name = variables.iter().filter(|variable| variable["name"] == name);
        of_name.find_map(|variable| variable["value"].as_str().map(str::to_owned))
    };
    let lookup = |name: &str| match name {
        "KAFKA_BOOTSTRAP_SERVERS" => Some("localhost:9092".to_owned()),
        name => told(name),
    };
    let mut no_arguments = lexopt::Parser::from_args(Vec::<String>::new());
    let settings = Settings::read(&mut no_arguments, lookup).expect("settings");
    let example = document("examples/healing-policy/healing-policy.yaml");
    let name = example["metadata"]["name"].as_str().unwrap();
    assert_eq!(settings.rules, Source::Resource(name.to_owned()));

    let crd = document("crd/healing-policies.yaml");
    let right = &document("healing-policy/role.yaml")[0]["value"];
    assert_eq!(right["resourceNames"], json!([name]));
    assert_eq!(right["apiGroups"], json!([crd["spec"]["group"]]));
    assert_eq!(right["resources"], json!([crd["spec"]["names"]["plural"]]));
    let resource = HealingPolicy::resource();
    assert_eq!(crd["spec"]["group"], resource.group);
    assert_eq!(crd["spec"]["versions"][0]["name"], resource.version);
    assert_eq!(crd["spec"]["names"]["plural"], resource.plural);
    assert_eq!(crd["spec"]["names"]["kind"], resource.kind);
}

#[test]
fn the_example_of_a_healing_policy_makes_sense() {
    let example = document("examples/healing-policy/healing-policy.yaml");
    Policy::from_spec(example["spec"].clone()).unwrap();
}
