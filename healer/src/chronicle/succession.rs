//! What both Jobs of a replacement tell: that the one takes the other's place, why, and on what evidence.

use temper_healer_core::{
    decision::Evidence,
    replace::{End, Passed, Replacement, Veto},
};

use super::{Chronicle, Entry, spoken};
use crate::cluster::Jobs;

impl Chronicle {
    /// Writes down what a pass of a replacement has come to: at both Jobs that there is a successor which will run, or at the old one that it stays.
    ///
    /// It is not the only pass that has come so far, nor is this healer the only one, and whoever made one may die before it has written. So all of
    /// them write, and by their names what they write is the same Event.
    pub async fn passed(
        &self,
        jobs: &Jobs,
        replacement: &Replacement,
        passed: &Passed,
        evidence: Option<Evidence>,
    ) {
        let old = self.job(&replacement.old_name, &replacement.old_uid);
        if let Passed::Over(End::Vetoed(veto)) = passed {
            return self
                .write(of_one_that_stays(replacement, *veto), &old)
                .await;
        }
        if !will_be_released(passed) {
            return;
        }
        let Some(uid) = jobs.uid_of_successor(replacement).await else {
            return;
        };
        let name = replacement.successor_name();
        let successor = self.job(&name, &uid);
        // There is one of each for a successor, whatever it says.
        let entry = |reason, note, related: &_| Entry {
            mark: uid.clone(),
            related: Some(Clone::clone(related)),
            ..Entry::new(reason, "Replace", note)
        };
        let tale = of_successor(replacement, evidence);
        self.write(entry("ReplacesWorker", tale, &old), &successor)
            .await;
        self.write(entry("SuccessorCreated", of_old(&name), &successor), &old)
            .await;
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

fn of_one_that_stays(replacement: &Replacement, veto: Veto) -> Entry {
    let Replacement {
        worker, decided, ..
    } = replacement;
    let note = format!(
        "{}: what was decided at {decided} is not carried out, and this Job stays: {}",
        worker.producer,
        veto.words()
    );
    Entry::new("WorkerStays", "Replace", note)
}
