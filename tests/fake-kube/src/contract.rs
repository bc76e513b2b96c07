//! What a client may rely on, as cases that are played against a server: the fake or a real one.
//!
//! A case makes objects of its own under names that no other has, and deletes them when it is over. It waits for controllers until
//! a deadline, so it needs a Job controller and a garbage collector, but neither scheduler nor kubelet.

mod client;
mod stream;
mod scene;
mod creating;
mod changing;
mod deleting;
mod jobs;
mod listing;
mod watching;

use std::{fmt, pin::Pin};

use self::scene::Scene;
pub use self::{
    client::{Compaction, Error, Server},
    stream::Stream,
};

/// What a case found out: nothing, or how the server differs.
type Verdict = Result<(), Failure>;

/// How a server differs from what a case says.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// One thing that a client may rely on.
pub struct Case {
    /// It, in words.
    pub name: &'static str,
    play: for<'a> fn(&'a Scene<'a>) -> Playing<'a>,
}

type Playing<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

impl fmt::Debug for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Case {
    /// Plays it against a server.
    pub async fn play(&self, server: &Server) -> Result<(), Failure> {
        let scene = Scene::new(server);
        let verdict = (self.play)(&scene).await;
        scene.clean_up().await;
        verdict
    }
}

/// Plays all cases against a server, one after the other; gives those in which it differs.
pub async fn run(server: &Server) -> Vec<(&'static str, Failure)> {
    let mut failures = Vec::new();
    for case in CASES {
        if let Err(failure) = case.play(server).await {
            failures.push((case.name, failure));
        }
    }
    failures
}

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$(Case { name: stringify!($name), play: |scene| Box::pin($module::$name(scene)) }),*]
    };
}

/// All cases.
pub const CASES: &[Case] = cases![
    creating::what_is_created_has_an_identity_and_is_read_back,
    creating::selector_and_labels_of_the_template_are_filled_in,
    creating::a_second_one_of_the_same_name_is_refused,
    creating::a_name_is_taken_until_its_owner_is_gone,
    creating::names_and_labels_keep_to_their_alphabets,
    creating::the_end_of_a_name_can_be_left_to_the_server,
    creating::a_copy_that_carries_the_labels_of_another_job_is_refused,
    creating::a_version_is_refused_and_a_uid_is_replaced,
    creating::a_dry_run_leaves_nothing,
    creating::what_does_not_fit_the_path_is_refused,
    changing::a_patch_of_a_version_that_is_not_the_newest_is_refused,
    changing::a_patch_that_changes_nothing_makes_no_version,
    changing::what_the_server_says_is_not_changed_by_a_patch,
    changing::what_a_job_is_made_of_is_not_changed,
    changing::a_generation_is_a_change_of_what_is_wanted,
    changing::operations_are_applied_all_or_none,
    changing::patches_of_other_kinds_are_refused,
    changing::a_lease_is_replaced_by_those_who_know_its_version,
    changing::a_lease_is_made_by_a_put,
    deleting::conditions_of_a_deletion_are_kept,
    deleting::a_foreground_deletion_keeps_the_job_until_its_pods_are_gone,
    deleting::a_foreground_deletion_goes_on_in_the_background_if_asked_to,
    deleting::a_background_deletion_takes_the_job_first_and_its_pods_then,
    deleting::a_deletion_that_says_nothing_orphans_the_pods,
    deleting::options_in_the_query_count_where_there_is_no_body,
    deleting::unknown_policies_are_refused,
    deleting::what_is_not_there_is_not_deleted,
    deleting::finalizers_hold_and_none_are_added,
    jobs::a_suspended_job_has_no_pods_and_gets_them_when_it_is_resumed,
    jobs::a_job_that_is_suspended_again_loses_its_pods,
    jobs::pods_are_known_by_their_labels_and_their_owner,
    listing::labels_select,
    listing::fields_select,
    listing::pages_show_one_version,
    listing::a_version_that_is_yet_to_come_is_not_waited_for_long,
    listing::what_cannot_be_read_is_refused,
    watching::what_happens_is_told_in_its_order,
    watching::what_leaves_a_selection_is_deleted_and_what_enters_it_is_added,
    watching::without_a_version_it_begins_with_all_there_is,
    watching::a_list_is_streamed_and_its_end_is_marked,
    watching::a_version_that_is_forgotten_is_told_so_on_the_stream,
    watching::a_stream_ends_when_its_time_is_over,
];
