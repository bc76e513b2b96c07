//! Programs that a stage starts and that never outlive it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::{self, Command};

/// A running program in a process group of its own, its output in a log file, its input open and silent.
///
/// When it is dropped, the whole group is killed, and it has ended then; if that happens because a test failed, the end of the log is shown.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: process::Child,
    group: Pid,
    log: PathBuf,
}

impl Child {
    /// Starts `command`; its output goes to `<folder>/<name>.log`, after what a predecessor wrote there.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let process = command
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        let group = process
            .id()
            .and_then(pid)
            .context("asking for the id of a new process")?;
        Ok(Self {
            name: name.to_owned(),
            process,
            group,
            log,
        })
    }

    /// Its process id.
    pub fn id(&self) -> Pid {
        self.group
    }

    /// What it was started to be, for example `etcd`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process
            .try_wait()
            .with_context(|| format!("asking whether {} still runs", self.name))
    }

    /// Kills it with SIGKILL and waits for its end. What it started is left alone.
    pub async fn kill(&mut self) -> Result<()> {
        self.process
            .kill()
            .await
            .with_context(|| format!("killing {}", self.name))
    }

    /// What it has written last, for people who want to know what went wrong.
    pub fn end_of_log(&self) -> String {
        /// Enough to see why a program gave up, and little enough to read five of them.
        const LINES: usize = 15;
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let end = lines
            .get(lines.len().saturating_sub(LINES)..)
            .unwrap_or_default();
        format!(
            "---- the last lines of {} ----\n{}\n",
            self.name,
            end.join("\n")
        )
    }

    /// All that it has written so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.process.id().is_some() {
            // Errors say that it is gone already, which is what was wanted.
            kill_process_group(self.group, Signal::KILL).ok();
            // Who has its address next must find its ports free. What is left of it is for the runtime to reap.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(self.group), ended).ok();
        }
        if thread::panicking() {
            show(&self.end_of_log());
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the test harness captures it and shows it on failure"
)]
pub(crate) fn show(text: &str) {
    eprintln!("{text}");
}

/// The processes that `parent` started and that still run.
pub fn children(parent: Pid) -> Result<Vec<Pid>> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{parent}/task")).context("listing threads")? {
        // A thread may end while it is being looked at; its children then belong to another one.
        let listed = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        children.extend(
            listed
                .split_whitespace()
                .filter_map(|id| pid(id.parse().ok()?)),
        );
    }
    Ok(children)
}

/// Whether a process of that id runs; one that has ended but was not yet waited for does not.
pub fn runs(id: Pid) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, state)| !state.starts_with('Z'))
    })
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}
