//! What both Jobs of a replacement tell: that the one takes the other's place, why, and on what evidence.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as Record},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::api::{ObjectMeta, PostParams};
use temper_healer_core::{
    decision::Evidence,
    replace::{End, Passed, Replacement},
};

use super::{CONTROLLER, Chronicle, cut, spoken};
use crate::cluster::Jobs;

impl Chronicle {
    /// Writes it down at both Jobs, if the pass of a replacement has come so far that there is a successor which will run.
    ///
    /// It is not the only such pass, nor is this healer, and whoever made one may die before it has written. So all of them write, and
    /// by their names what they write is the same Event.
    pub async fn passed(
        &self,
        jobs: &Jobs,
        replacement: &Replacement,
        passed: &Passed,
        evidence: Option<Evidence>,
    ) {
        if !will_be_released(passed) {
            return;
        }
        let Some(uid) = jobs.uid_of_successor(replacement).await else {
            return;
        };
        let name = replacement.successor_name();
        let old = self.job(&replacement.old_name, &replacement.old_uid);
        let successor = self.job(&name, &uid);
        let pair = [&successor, &old];
        self.write_once(
            "ReplacesWorker",
            of_successor(replacement, evidence),
            &uid,
            pair,
        )
        .await;
        let pair = [&old, &successor];
        self.write_once("SuccessorCreated", of_old(&name), &uid, pair)
            .await;
    }

    /// Writes an Event at one Job that is related to another; there is one for each successor.
    async fn write_once(
        &self,
        reason: &str,
        note: String,
        successor: &str,
        [regarding, related]: [&ObjectReference; 2],
    ) {
        let job = regarding.name.as_deref().unwrap_or_default();
        let record = Record {
            metadata: ObjectMeta {
                name: Some(format!("{job}.{successor}")),
                ..ObjectMeta::default()
            },
            type_: Some("Normal".to_owned()),
            reason: Some(reason.to_owned()),
            note: Some(cut(note)),
            action: Some("Replace".to_owned()),
            regarding: Some(regarding.clone()),
            related: Some(related.clone()),
            event_time: Some(MicroTime(jiff::Timestamp::now())),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.identity.clone()),
            ..Record::default()
        };
        match self.events.create(&PostParams::default(), &record).await {
            Ok(_) => {}
            // It is there already.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => tracing::warn!(%error, job, "writing an Event"),
        }
    }
}

/// The old Job is on its way out or gone, and so its successor will run, or does.
const fn will_be_released(passed: &Passed) -> bool {
    matches!(
        passed,
        Passed::Deleted | Passed::Over(End::Released | End::FoundReleased)
    )
}

fn of_successor(replacement: &Replacement, evidence: Option<Evidence>) -> String {
    let Replacement {
        worker,
        old_name,
        attempt,
        why,
        decided,
        ..
    } = replacement;
    // Who goes on where another healer died knows only the reason.
    let heard = evidence.map_or_else(String::new, |evidence| format!("; {}", spoken(&evidence)));
    format!(
        "{}: takes the place of Job {old_name}, because {why}{heard}; decided at {decided}, attempt {attempt}; \
         it runs as soon as no pod of that Job is left",
        worker.producer
    )
}

fn of_old(successor: &str) -> String {
    format!("Job {successor} takes its place, and runs as soon as no pod of this one is left")
}
