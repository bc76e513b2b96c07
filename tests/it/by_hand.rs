//! What the program says to people who start it.

use std::process::{Command, Output};

fn temper(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_temper"));
    command
        .args(arguments)
        .env_remove("ARGO_ROLLOUTS_RPC_PLUGIN")
        .envs(environment.iter().copied());
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn it_says_what_it_is_and_what_it_can() {
    for arguments in [&[][..], &["help"], &["--help"], &["-h"]] {
        let output = temper(arguments, &[]);
        let said = text(&output.stdout);
        assert!(output.status.success(), "{arguments:?}");
        assert!(
            said.contains("plugin") && said.contains("Commands:"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn it_says_its_version() {
    let output = temper(&["--version"], &[]);
    assert_eq!(
        text(&output.stdout),
        concat!("temper ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn what_it_does_not_know_is_refused_with_a_hint() {
    for (argument, named) in [("juge", "juge"), ("--fast", "--fast"), ("-x", "-x")] {
        let output = temper(&[argument], &[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{argument}");
        assert!(
            said.contains(named) && said.contains("temper --help"),
            "{argument}: {said}"
        );
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn a_host_of_other_plugins_is_refused() {
    let output = temper(&[], &[("ARGO_ROLLOUTS_RPC_PLUGIN", "trafficrouter")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("plugin") && said.contains("ARGO_ROLLOUTS_RPC_PLUGIN=metricprovider"),
        "{said}"
    );
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_folder_that_cannot_hold_the_socket_is_named() {
    let environment = [
        ("ARGO_ROLLOUTS_RPC_PLUGIN", "metricprovider"),
        ("TMPDIR", "/nowhere/at/all"),
    ];
    let output = temper(&[], &environment);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("/nowhere/at/all"),
        "{output:?}"
    );
    assert_eq!(text(&output.stdout), "");
}
