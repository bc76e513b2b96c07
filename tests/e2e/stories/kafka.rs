//! What three real brokers do when some of them die: the ground that the healer stands on.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use temper_e2e::{
    home::Home,
    kafka::{Brokers, Event, Telemetry},
    parts::Parts,
};
use tempfile::TempDir;
use tokio::{
    task::spawn_blocking,
    time::{interval, timeout},
};

const TOPIC: &str = "queue-events";
/// Far more than it takes to notice a dead broker and to elect new leaders, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_dead_broker_delays_acknowledgements_and_loses_none() {
    let mut scene = Scene::open(3).await.unwrap();
    let workers = scene.workers(PATIENCE).unwrap();
    workers.send(&loading()).await.unwrap();

    scene.brokers.kill(0).await.unwrap();
    workers.send(&loading()).await.unwrap();

    scene.brokers.restart(0).await.unwrap();
    scene.in_sync(&[0, 1, 2]).await.unwrap();
    workers.send(&loading()).await.unwrap();
    assert_eq!(scene.stored().await.unwrap(), 3);
}

#[tokio::test]
async fn a_broker_that_hangs_is_as_good_as_dead_until_it_goes_on() {
    let scene = Scene::open(3).await.unwrap();
    let workers = scene.workers(PATIENCE).unwrap();
    workers.send(&loading()).await.unwrap();

    scene.brokers.pause(2).unwrap();
    workers.send(&loading()).await.unwrap();

    scene.brokers.resume(2).unwrap();
    scene.in_sync(&[0, 1, 2]).await.unwrap();
    workers.send(&loading()).await.unwrap();
    assert_eq!(scene.stored().await.unwrap(), 3);
}

#[tokio::test]
async fn the_last_broker_of_three_still_describes_the_world_before_and_takes_no_record() {
    let mut scene = Scene::open(3).await.unwrap();
    let workers = scene.workers(Duration::from_secs(20)).unwrap();
    workers.send(&loading()).await.unwrap();
    let before = scene.brokers.view(0, TOPIC).await.unwrap();
    let last = before[0].leader.unwrap();

    for other in (0..3).filter(|broker| *broker != last) {
        scene.brokers.kill(other).await.unwrap();
    }

    let refusal = workers.send(&loading()).await.unwrap_err().to_string();
    assert!(refusal.contains("timed out"), "{refusal}");
    // Neither leaders nor replicas betray it, nor does the end of a partition that it leads.
    assert_eq!(scene.brokers.view(last, TOPIC).await.unwrap(), before);
    scene.end(0).await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_turned_away_is_told_why() {
    let scene = Scene::open(1).await.unwrap();
    let mut wrong_password = scene.brokers.client();
    wrong_password.set("sasl.password", "wrong");
    let mut wrong_authority = scene.brokers.client();
    wrong_authority.set(
        "ssl.ca.location",
        scene.stranger().unwrap().to_string_lossy(),
    );

    for (client, reason) in [
        (
            wrong_password,
            "invalid credentials with SASL mechanism SCRAM-SHA-512",
        ),
        (wrong_authority, "certificate verify failed"),
    ] {
        let workers = Telemetry::connect(&client, TOPIC, Duration::from_secs(5)).unwrap();
        workers.send(&loading()).await.unwrap_err();
        assert!(workers.words().contains(reason), "{}", workers.words());
    }
}

/// Brokers with a topic that survives the loss of one of three.
struct Scene {
    brokers: Brokers,
    folder: TempDir,
    _home: Home,
}

impl Scene {
    async fn open(count: u16) -> Result<Self> {
        let parts = Parts::locate()?;
        let home = Home::claim()?;
        let folder = tempfile::tempdir().context("making a folder for the brokers")?;
        let brokers = Brokers::start(&parts, home.address, count, folder.path()).await?;
        let majority = (count / 2 + 1).to_string();
        let settings = [
            ("min.insync.replicas", majority.as_str()),
            ("message.timestamp.type", "LogAppendTime"),
        ];
        let count = i32::from(count);
        brokers.create_topic(TOPIC, count, count, &settings).await?;
        Ok(Self {
            brokers,
            folder,
            _home: home,
        })
    }

    fn workers(&self, patience: Duration) -> Result<Telemetry> {
        Telemetry::connect(&self.brokers.client(), TOPIC, patience)
    }

    /// The certificate of somebody who has signed nothing here.
    fn stranger(&self) -> Result<PathBuf> {
        let path = self.folder.path().join("stranger.crt");
        let stranger = rcgen::generate_simple_self_signed(["stranger".to_owned()])?;
        fs::write(&path, stranger.cert.pem())?;
        Ok(path)
    }

    /// Waits until these brokers have all records of all partitions.
    async fn in_sync(&self, brokers: &[usize]) -> Result<()> {
        let mut ticks = interval(Duration::from_millis(200));
        let catching_up = async {
            while !self.are_in_sync(brokers).await? {
                ticks.tick().await;
            }
            Ok(())
        };
        let outcome = timeout(PATIENCE, catching_up).await;
        outcome.context("waiting for brokers that stay behind")?
    }

    async fn are_in_sync(&self, brokers: &[usize]) -> Result<bool> {
        let view = self.brokers.view(1, TOPIC).await?;
        Ok(view.iter().all(|partition| {
            let mut in_sync = partition.in_sync.clone();
            in_sync.sort_unstable();
            in_sync == brokers
        }))
    }

    /// How many records all partitions hold.
    async fn stored(&self) -> Result<i64> {
        let mut stored = 0;
        for partition in 0..3 {
            stored += self.end(partition).await?;
        }
        Ok(stored)
    }

    /// The offset that the next record of a partition would get, as its leader says.
    async fn end(&self, partition: usize) -> Result<i64> {
        let client: BaseConsumer = self.brokers.client().create()?;
        let partition = i32::try_from(partition)?;
        let asking = move || client.fetch_watermarks(TOPIC, partition, PATIENCE);
        let (_, end) = spawn_blocking(asking).await??;
        Ok(end)
    }
}

fn loading() -> Event {
    Event::of(
        "wf-btcusdt-api_candles_1m-20240801-abc123",
        "loader-producer__abc123",
        "loading",
    )
}
