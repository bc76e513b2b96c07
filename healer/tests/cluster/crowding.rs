//! Decisions are written down as Events, a few at a time.

use temper_fake_kube::{Fault, Gate, Matcher, Resource, Times};
use temper_healer::{chronicle::Chronicle, cluster::Jobs};
use temper_healer_core::{
    Decision, Moment, Name, Verdict, decision::Evidence, policy::Cause, replace::Cluster as _,
};
use tokio::runtime::Handle;

use super::{NAMESPACE, Scene};

const DECISIONS: usize = 500;

fn decision(number: usize) -> Decision {
    Decision {
        at: Moment::default(),
        worker: Name {
            queue: "q".into(),
            producer: format!("loader__{number}").into(),
        },
        producer: format!("loader__{number}").into(),
        queue_id: "q".into(),
        decision: Verdict::Suppress,
        cause: Cause::Error,
        why: "more than 40% of all workers are in trouble".to_owned(),
        job: Some(format!("loader-{number}").into()),
        job_uid: Some(format!("uid-{number}").into()),
        evidence: Evidence::default(),
    }
}

fn events(scene: &Scene) -> usize {
    let requests = scene.control.requests();
    let events = requests
        .iter()
        .filter(|request| request.key.resource == Resource::Events);
    events.count()
}

#[tokio::test]
async fn a_storm_of_decisions_is_no_storm_on_the_api_server_and_all_are_written() {
    let scene = Scene::open();
    let gate = Gate::shut();
    let all = Matcher::any().resource(Resource::Events);
    scene
        .control
        .order(all, Times::All, Fault::hold(gate.clone()));
    let chronicle = Chronicle::new(scene.client.clone(), NAMESPACE, "one", Handle::current());
    for number in 0..DECISIONS {
        chronicle.decided(&decision(number), false);
    }
    gate.reached(1).await;
    // Whatever is to come at once comes while a replacement would go on.
    let jobs = Jobs::new(scene.client.clone(), NAMESPACE);
    for _ in 0..100 {
        assert_eq!(jobs.job("loader-1").await.unwrap(), None);
    }
    let at_once = events(&scene);
    assert!(at_once <= 16, "{at_once} connections for Events");
    gate.open();
    let written = |control: &temper_fake_kube::Control| {
        (control.list(Resource::Events).len() == DECISIONS).then_some(())
    };
    scene.control.until(written).await;
}
