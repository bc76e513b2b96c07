//! What the pages answer, over HTTP, from a board as the thread that decides would have written it.

use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};

use serde_json::Value;
use temper_healer::{
    board::{Board, Notes},
    pages,
    shell::Message,
};
use temper_healer_core::{
    Decision, Moment, Name, Outcome, Place, Verdict,
    decision::Evidence,
    policy::Cause,
    replace::{End, Passed},
};
use temper_ops::http;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

/// Pages that are served, until this is dropped.
struct Served {
    board: Board,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Served {
    /// Pages of a healer that acts and sees, and knows the worker `loader-a__1` of queue `q`.
    async fn of_a_leader(identity: &str) -> Self {
        let served = Self::begin(identity).await;
        served.board.write(|notes| {
            let standing = &mut notes.standing;
            (standing.leads, standing.armed, standing.blind) = (true, true, false);
            standing.leader = Some(identity.to_owned());
            standing.sight_age_ms = Some(300);
        });
        served
    }

    async fn begin(identity: &str) -> Self {
        let board = Board::before_anything(NOW, identity, false);
        let (shell, asked) = mpsc::channel();
        thread::spawn(move || {
            for message in asked {
                if let Message::Known(subject) = message {
                    let fits =
                        |wanted: &Option<String>, is| wanted.as_deref().is_none_or(|it| it == is);
                    let known = fits(&subject.queue, "q") && fits(&subject.producer, "loader-a__1");
                    subject.answer.send(known).ok();
                }
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = pages::router(board.clone(), || NOW, shell);
        let server = tokio::spawn(http::serve(listener, router, std::future::pending()));
        Self {
            board,
            address,
            server,
        }
    }

    async fn answer(&self, page: &str) -> (u16, String) {
        self.ask(page, "application/json").await
    }

    async fn ask(&self, page: &str, accept: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {page} HTTP/1.1\r\nhost: healer\r\naccept: {accept}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("connection: close"), "{head}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    #[track_caller]
    fn says(answer: &(u16, String), status: u16, state: &str) {
        let body: Value = serde_json::from_str(&answer.1).unwrap_or_else(|_| panic!("{answer:?}"));
        assert_eq!(
            (answer.0, body["state"].as_str()),
            (status, Some(state)),
            "{body}"
        );
    }

    /// The status and state of a probe's answer.
    async fn holds(&self, probe: &str) {
        Self::says(
            &self.answer(&format!("/probes/{probe}")).await,
            200,
            "holds",
        );
    }

    async fn is(&self, state: &str, probe: &str) {
        Self::says(&self.answer(&format!("/probes/{probe}")).await, 503, state);
    }

    fn change(&self, change: impl FnOnce(&mut Notes)) {
        self.board.write(change);
    }

    /// A replacement began so many seconds ago.
    fn begins(&self, seconds_ago: u64, cause: Cause) -> Name {
        let at = NOW.minus(Duration::from_secs(seconds_ago));
        let name = Name {
            queue: "q".into(),
            producer: "loader-a__1".into(),
        };
        let place = Place {
            partition: 2,
            offset: 41,
        };
        let decision = Decision {
            at,
            worker: name.clone(),
            producer: name.producer.clone(),
            queue_id: name.queue.clone(),
            decision: Verdict::Heal,
            cause,
            why: "it said <nothing> for 1m".to_owned(),
            job: Some("job-loader-a".into()),
            job_uid: Some("u".into()),
            evidence: Evidence {
                heard_at: Some(at),
                last_record: Some(place),
                records_written: Some(7),
                seen_through: Some(NOW),
                seen_from: Some(at),
            },
        };
        self.change(|notes| {
            notes.incidents.decided(&decision);
            notes.incidents.passed(&name, &Passed::Created, at);
        });
        name
    }

    fn ends(&self, name: &Name, outcome: &Outcome, seconds_ago: u64) {
        let at = NOW.minus(Duration::from_secs(seconds_ago));
        self.change(|notes| notes.incidents.ended(name, outcome, at));
    }
}

#[tokio::test]
async fn a_healer_at_rest_holds_all_that_is_asked_of_it() {
    let served = Served::of_a_leader("one").await;
    let all = "steady healed healed?within=90s healed?queue_id=q&producer=loader-a__1 no-false-heals?window=10m no-duplicates no-lost-jobs kafka lag?max=1000 storm rollout";
    for probe in all.split(' ') {
        served.holds(probe).await;
    }
    served.is("violated", "blind").await;
}

#[tokio::test]
async fn questions_that_make_no_sense_are_told_so_and_never_hold() {
    let served = Served::of_a_leader("one").await;
    for (probe, status, says) in [
        ("healthy", 404, "no probe healthy"),
        (
            "healed?queue_id=typo",
            404,
            "no worker any of queue typo is known",
        ),
        (
            "healed?producer=typo&queue_id=q",
            404,
            "no worker typo of queue q",
        ),
        (
            "healed?withn=90s",
            400,
            "withn: healed may be asked with within, queue_id, producer, mark",
        ),
        (
            "steady?window=1m",
            400,
            "window: steady is asked without anything",
        ),
        ("healed?within=soon", 400, "within: `soon` is no span"),
        ("healed?mark=x", 400, "mark=x is none"),
        ("lag?max=few", 400, "max=few is no number"),
    ] {
        let (answered, body) = served.answer(&format!("/probes/{probe}")).await;
        assert_eq!(answered, status, "{probe}: {body}");
        assert!(body.contains(says), "{probe}: {body}");
    }
}

#[tokio::test]
async fn whether_workers_are_healed_in_time_follows_from_the_incidents() {
    let served = Served::of_a_leader("one").await;
    let mark = served.answer("/probes/mark").await;
    assert_eq!(mark, (200, NOW.as_unix_ms().to_string()));
    served
        .is("pending", &format!("healed?mark={}", mark.1))
        .await;

    let name = served.begins(30, Cause::Silent);
    served.is("pending", "healed?within=90s").await;
    served.is("violated", "healed?within=20s").await;
    served.is("violated", "steady").await;
    served.is("violated", "no-false-heals?window=10m").await;
    served.holds("no-false-heals?window=20s").await;

    served.ends(&name, &Outcome::Replacement(End::Released), 20);
    served.is("pending", "healed?within=90s").await;
    served.ends(&name, &Outcome::Healed, 10);
    for probe in [
        "healed?within=90s",
        "healed?within=90s&queue_id=q",
        "steady",
    ] {
        served.holds(probe).await;
    }
    served.is("violated", "healed?within=15s").await;

    let failed = served.begins(5, Cause::Error);
    served.ends(&failed, &Outcome::Healed, 1);
    served.holds("no-false-heals?window=20s").await;
}

#[tokio::test]
async fn what_is_not_seen_never_holds() {
    let served = Served::of_a_leader("one").await;
    served.change(|notes| notes.standing.blind = true);
    for probe in [
        "steady",
        "healed",
        "no-duplicates",
        "no-lost-jobs",
        "kafka",
        "lag",
    ] {
        served.is("blind", probe).await;
    }
    served.holds("blind").await;
    served.holds("no-false-heals").await;

    served.change(|notes| (notes.standing.blind, notes.standing.armed) = (false, false));
    for probe in [
        "steady",
        "healed",
        "no-false-heals",
        "no-duplicates",
        "storm",
    ] {
        served.is("blind", probe).await;
    }

    served.change(|notes| {
        notes.standing.armed = true;
        notes.as_of = NOW.minus(Duration::from_secs(6));
    });
    for probe in ["steady", "rollout", "storm"] {
        served.is("blind", probe).await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_was_seen() {
    let served = Served::of_a_leader("one").await;
    served.change(|notes| {
        (notes.census.rivals, notes.census.vacant) = (1, 2);
        notes.standing.storm = true;
        notes.standing.leader = None;
        notes.standing.dark_partitions = vec![3];
    });
    for probe in ["no-duplicates", "no-lost-jobs", "storm", "rollout", "kafka"] {
        served.is("violated", probe).await;
    }
    let (_, body) = served.answer("/probes/no-lost-jobs").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&body["observed"], &body["threshold"]),
        (&2.into(), &0.into())
    );
}

#[tokio::test]
async fn whoever_does_not_lead_shows_the_pages_of_the_one_that_does() {
    let leader = Served::of_a_leader("one").await;
    let standby = Served::begin("two").await;
    standby.is("blind", "steady").await;

    standby.change(|notes| notes.standing.leader_pages = Some(leader.address));
    standby.holds("steady").await;
    leader.begins(5, Cause::Silent);
    standby.is("violated", "steady").await;
    let (_, incidents) = standby.answer("/incidents").await;
    assert!(
        incidents.contains("\"identity\":\"one\"") && incidents.contains("loader-a__1"),
        "{incidents}"
    );
    assert_eq!(standby.answer("/probes/healthy").await.0, 404);

    // Two that take each other for the leader still answer.
    leader.change(|notes| notes.standing.leader_pages = Some(standby.address));
    standby.is("violated", "steady").await;

    let gone = leader.address;
    drop(leader);
    standby.change(|notes| notes.standing.leader_pages = Some(gone));
    standby.is("blind", "steady").await;
}

#[tokio::test]
async fn people_read_what_happened_why_and_on_what_evidence() {
    let served = Served::of_a_leader("one").await;
    let name = served.begins(30, Cause::Silent);
    served.ends(&name, &Outcome::Healed, 10);
    let (status, page) = served.ask("/incidents", "text/html,*/*").await;
    assert_eq!(status, 200);
    for part in [
        "<!doctype html>",
        "one acts. It hears everything.",
        "loader-a__1<br><small>q<br>job-loader-a</small>",
        "heal: it said &lt;nothing&gt; for 1m",
        "created the successor, suspended",
        "Evidence: last heard at 2027-01-15T07:59:30.000Z, record 2@41, 7 records written; everything said from 2027-01-15T07:59:30.000Z to 2027-01-15T08:00:00.000Z was heard.",
        "healed: the successor was heard",
    ] {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
    assert_eq!(served.ask("/", "*/*").await.1, page);
    let (_, json) = served.answer("/incidents").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let incident = &json["incidents"][0];
    assert_eq!(incident["evidence"]["lastRecord"], "2@41");
    assert_eq!(incident["outcome"], "healed: the successor was heard");
    assert!(incident.get("worker").is_none(), "it would be said twice");
}

#[tokio::test]
async fn a_replacement_that_takes_long_is_still_one_and_one_that_another_healer_began_as_well() {
    let served = Served::of_a_leader("one").await;
    served.begins(30, Cause::Silent);
    served.change(|notes| {
        let incident = notes.incidents.newest_first().next().unwrap().clone();
        let told = Decision {
            at: NOW,
            worker: incident.worker,
            producer: incident.producer,
            queue_id: incident.queue_id,
            decision: Verdict::Observe,
            cause: incident.cause,
            why: "its replacement has taken 1m so far".to_owned(),
            job: incident.job,
            job_uid: None,
            evidence: incident.evidence,
        };
        notes.incidents.decided(&told);
    });
    served.is("violated", "healed?within=20s").await;
    served.is("violated", "no-false-heals").await;
    served.is("violated", "steady").await;

    served.change(|notes| notes.incidents.hand_over(NOW));
    served.holds("steady").await;
    let (_, json) = served.answer("/incidents").await;
    assert!(json.contains("left to whoever acts now"), "{json}");
}
