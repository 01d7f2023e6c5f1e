//! `./weir`, as a person calls it.

use std::process::{Command, Output};

use weir_stack::Service;

use crate::running::Weir;

/// The front door, which lies beside the services; told of none of them.
pub fn bare_command(words: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap().parent().unwrap();
    let mut command = Command::new(folder.join("weir"));
    command.args(words);
    command
}

/// The front door, told where the services are.
pub fn weir_command(weir: &Weir, words: &[&str]) -> Command {
    let mut command = bare_command(words);
    command.env("WEIR_TOKEN", weir.stack.token());
    for (name, service) in [
        ("mapping", Service::Mapping),
        ("contact", Service::ContactUpsert),
        ("activity", Service::Activity),
        ("audience", Service::Audience),
    ] {
        let address = format!("{name}={}", weir.stack.url(service));
        command.args(["--address", &address]);
    }
    command
}

/// Runs it to its end.
pub async fn run(weir: &'static Weir, words: &[&str]) -> Output {
    let mut command = weir_command(weir, words);
    let done = tokio::task::spawn_blocking(move || command.output());
    done.await.unwrap().unwrap()
}

/// All that it printed.
pub fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}
