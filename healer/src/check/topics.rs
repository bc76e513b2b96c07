//! Topics: whether they are there, and whether they are set so that silence can be judged.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    config::FromClientConfig,
    consumer::{BaseConsumer, Consumer},
    metadata::Metadata,
};

use temper_healer_core::policy::Span;

use super::{Finding, Grade};
use crate::kafka::Settings;

/// How long Kafka may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let bad = |what: String| vec![Finding::new(Grade::Bad, "kafka", what)];
    let config = settings.client_config();
    let asked = BaseConsumer::from_config(&config)
        .and_then(|consumer: BaseConsumer| consumer.fetch_metadata(None, PATIENCE));
    let metadata = match asked {
        Ok(metadata) => metadata,
        Err(error) => {
            return bad(format!(
                "{}: {error}; a wrong password or CA looks like this too: `temper-healer run` logs the library's own words",
                settings.bootstrap
            ));
        }
    };
    let settings_of = describe(&config, settings).unwrap_or_default();
    let mut findings = topic(&metadata, &settings.events, &settings_of, settings);
    findings.extend(topic(&metadata, &settings.control, &settings_of, settings));
    findings.push(append_time(&settings.events, &settings_of));
    findings.extend(canary(&metadata, &settings_of, settings));
    findings.extend(lookback(&settings_of, settings));
    findings
}

type SettingsOf = HashMap<(String, String), String>;

fn describe(config: &rdkafka::ClientConfig, settings: &Settings) -> Option<SettingsOf> {
    let admin: AdminClient<DefaultClientContext> = AdminClient::from_config(config).ok()?;
    let mut topics = vec![settings.events.as_str(), settings.control.as_str()];
    topics.extend(settings.canary.as_deref());
    let resources: Vec<_> = topics
        .iter()
        .map(|topic| ResourceSpecifier::Topic(topic))
        .collect();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let described = runtime
        .block_on(admin.describe_configs(&resources, &options))
        .ok()?;
    let mut all = HashMap::new();
    for (topic, resource) in topics.iter().zip(described) {
        for entry in resource.ok()?.entries {
            all.insert(((*topic).to_owned(), entry.name), entry.value?);
        }
    }
    Some(all)
}

fn topic(
    metadata: &Metadata,
    name: &str,
    settings_of: &SettingsOf,
    settings: &Settings,
) -> Vec<Finding> {
    let about = format!("topic {name}");
    let Some(topic) = metadata
        .topics()
        .iter()
        .find(|topic| topic.name() == name && topic.error().is_none())
    else {
        return vec![Finding::new(
            Grade::Bad,
            about,
            "it is not there, or not ours to see",
        )];
    };
    let replicas = topic
        .partitions()
        .iter()
        .map(|partition| partition.replicas().len())
        .min()
        .unwrap_or(0);
    let unsound = topic
        .partitions()
        .iter()
        .filter(|partition| partition.leader() < 0 || partition.isr().len() < settings.min_isr)
        .count();
    let mut findings = vec![Finding::new(
        Grade::Good,
        about.clone(),
        format!(
            "{} partitions, {replicas} replicas",
            topic.partitions().len()
        ),
    )];
    if unsound > 0 {
        let what = format!(
            "{unsound} partitions have no leader or fewer than {} replicas in sync: silence is not judged meanwhile (TEMPER_KAFKA_MIN_ISR)",
            settings.min_isr
        );
        findings.push(Finding::new(Grade::Bad, about.clone(), what));
    }
    let least = settings_of.get(&(name.to_owned(), "min.insync.replicas".to_owned()));
    if let Some(least) = least.and_then(|least| least.parse::<usize>().ok())
        && least != settings.min_isr
    {
        let what = format!(
            "min.insync.replicas is {least} and TEMPER_KAFKA_MIN_ISR {}: set them alike",
            settings.min_isr
        );
        findings.push(Finding::new(Grade::Doubtful, about, what));
    }
    findings
}

fn append_time(name: &str, settings_of: &SettingsOf) -> Finding {
    let about = format!("topic {name}");
    match settings_of
        .get(&(name.to_owned(), "message.timestamp.type".to_owned()))
        .map(String::as_str)
    {
        Some("LogAppendTime") => {
            Finding::new(Grade::Good, about, "brokers write down when a record came")
        }
        Some(_) => Finding::new(
            Grade::Doubtful,
            about,
            "message.timestamp.type is not LogAppendTime: errors that were reported while no healer ran are only found by the silence after them",
        ),
        None => Finding::new(
            Grade::Doubtful,
            about,
            "its settings can't be read (the right to DescribeConfigs): whether its times can be trusted is not known",
        ),
    }
}

/// Whether everything that is to be read when the healer starts is kept for so long.
fn lookback(settings_of: &SettingsOf, settings: &Settings) -> Option<Finding> {
    let key = (settings.events.clone(), "retention.ms".to_owned());
    let kept = settings_of
        .get(&key)?
        .parse()
        .ok()
        .map(Duration::from_millis)?;
    (kept < settings.lookback).then(|| {
        let (kept, lookback) = (
            Span::from_duration(kept),
            Span::from_duration(settings.lookback),
        );
        Finding::new(
            Grade::Doubtful,
            format!("topic {}", settings.events),
            format!(
                "records are kept for {kept}, and TEMPER_LOOKBACK is {lookback}: raise retention.ms"
            ),
        )
    })
}

fn canary(metadata: &Metadata, settings_of: &SettingsOf, settings: &Settings) -> Vec<Finding> {
    let Some(name) = &settings.canary else {
        return vec![Finding::new(
            Grade::Doubtful,
            "canary topic",
            "none (TEMPER_CANARY_TOPIC): that workers could be heard is proven only by others that write to each partition every few seconds",
        )];
    };
    let mut findings = topic(metadata, name, settings_of, settings);
    findings.extend(leaders(metadata, name));
    findings
}

/// Whether every broker is asked to write something.
fn leaders(metadata: &Metadata, name: &str) -> Option<Finding> {
    let about = format!("topic {name}");
    let mut topics = metadata.topics().iter();
    let topic = topics.find(|topic| topic.name() == name && topic.error().is_none())?;
    let leaders: BTreeSet<_> = topic
        .partitions()
        .iter()
        .map(rdkafka::metadata::MetadataPartition::leader)
        .collect();
    let missing = metadata
        .brokers()
        .iter()
        .filter(|broker| !leaders.contains(&broker.id()))
        .count();
    if missing > 0 {
        let what = format!(
            "{missing} of {} brokers lead no partition of it: make as many partitions as brokers, and let each lead one",
            metadata.brokers().len()
        );
        return Some(Finding::new(Grade::Doubtful, about, what));
    }
    let what = "every broker leads a partition of it";
    Some(Finding::new(Grade::Good, about, what))
}
