//! `test`: builds everything, runs every test, and sums up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use weir_servers::Theirs;

use crate::arguments::TestOptions;
use crate::failure::Failure;
use crate::folder;
use crate::output::say;

/// The word for all tests at full length.
const LONG: &str = "long";

/// Runs the tests of all packages, the measuring program's too.
pub async fn run(options: &TestOptions) -> Result<ExitCode, Failure> {
    weir_stack::ensure_installed(|what| say!("{what} …"))?;
    need_packages();
    say!("running the tests …");
    // Journeys start the services' programs: each has tests beside it for which cargo builds it.
    // No tests stand in documentation, and to look for them takes long.
    let mut arguments = vec!["test", "--workspace", "--tests", "--no-fail-fast"];
    let long = options.filter.as_deref() == Some(LONG);
    if let Some(filter) = options.filter.as_deref().filter(|_| !long) {
        arguments.extend(["--", filter]);
    }
    let threads = std::env::var_os("RUST_TEST_THREADS").is_none();
    let engines = [
        ("WEIR_TEST_POSTGRES", &options.postgres),
        ("WEIR_TEST_REDIS", &options.redis),
    ];
    let engines = engines.map(|(name, url)| (name, url.as_deref().unwrap_or_default()));
    let run = format!("weir_test_{}", std::process::id());
    let mut child = command(&arguments)
        .envs(engines)
        .env(weir_servers::TEST_RUN, &run)
        .envs(long.then_some(("WEIR_TEST_LONG", "1")))
        .envs(threads.then(|| ("RUST_TEST_THREADS", at_once().to_string())))
        .stdout(Stdio::piped())
        .spawn()
        .context("can't run cargo")?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("can't read what cargo says")?;
            let line = String::from_utf8_lossy(&line);
            tally.read(&line);
            let mut out = std::io::stdout().lock();
            // Whoever reads us may have gone; the tests go on.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
    }
    let status = child.wait().context("can't wait for cargo")?;
    let failed = tally.sum_up(status.success());
    clean_up(&options.postgres, &run).await;
    say!();
    for name in &tally.failures {
        say!("failed: {name}");
    }
    say!("{} passed, {failed} failed", tally.passed);
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Somebody else's PostgreSQL is left as it was found.
async fn clean_up(postgres: &Option<String>, run: &str) {
    let Some(url) = postgres.as_deref().filter(|url| !url.is_empty()) else {
        return;
    };
    let theirs = match Theirs::read(url) {
        Ok(theirs) => theirs,
        Err(error) => return say!("--postgres: {error:#}"),
    };
    match theirs.clean_up(run).await {
        Ok(dropped) => say!("\n{dropped} databases of the tests were dropped"),
        Err(error) => say!("\nthe databases of the tests ({run}…) are left there: {error:#}"),
    }
}

/// How many tests run at once. Most of them wait for processes, and journeys that have a system of
/// their own for each other: more than there are cores.
fn at_once() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.max(4)
}

/// Some journeys take a browser, or a clock that can be set. Where these can't be had they are left
/// out, and say so; everything else goes on.
fn need_packages() {
    let is_there = |name: &str| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
    };
    if !(is_there("chromium") && is_there("chromedriver")) {
        let missing = "there is no Chromium with its driver";
        install(missing, &["chromium", "chromium-driver"]);
    }
    if weir_servers::clock_library().is_none() {
        install("there is no libfaketime", &["libfaketime"]);
    }
}

fn install(missing: &str, packages: &[&str]) {
    let names = packages.join(", ");
    say!("installing {names} with apt …");
    if let Err(error) = weir_stack::install_packages(missing, packages) {
        say!("journeys that take {names} are LEFT OUT: {error:#}");
    }
}

/// Runs cargo in the checkout, seen by the user.
pub fn cargo(arguments: &[&str]) -> anyhow::Result<std::process::ExitStatus> {
    command(arguments).status().context("can't run cargo")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(folder::root());
    command
}

/// Adds up the closing lines of all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    /// Names of tests that failed.
    failures: Vec<String>,
}

impl Tally {
    fn read(&mut self, line: &str) {
        if let Some(closing) = line.strip_prefix("test result: ") {
            self.passed += number_before(closing, " passed");
            self.failed += number_before(closing, " failed");
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }

    /// How many failed. A program that crashed has no closing line of its own, but cargo
    /// knows: that is at least one.
    fn sum_up(&self, success: bool) -> u64 {
        if success {
            self.failed
        } else {
            self.failed.max(1)
        }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else {
        return 0;
    };
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Tally {
        let mut tally = Tally::default();
        for line in lines.lines() {
            tally.read(line);
        }
        tally
    }

    #[test]
    fn closing_lines_of_all_programs_are_added_up() {
        let tally = read(
            "running 2 tests\n\
             test a_thing ... ok\n\
             test other::thing ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
             test result: ok. 15 passed; 0 failed; 2 ignored; 0 measured; 3 filtered out; finished in 2.00s\n",
        );
        assert_eq!((tally.passed, tally.failed), (16, 1));
        assert_eq!(tally.failures, ["other::thing"]);
        assert_eq!(tally.sum_up(false), 1);
    }

    #[test]
    fn what_tests_print_is_not_counted() {
        let tally = read("7 passed; nothing\nthe test result: ok. 9 passed\n");
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn a_program_that_crashed_counts_as_one_failure() {
        let tally = read("test result: ok. 3 passed; 0 failed; 0 ignored");
        assert_eq!(tally.sum_up(true), 0);
        assert_eq!(tally.sum_up(false), 1);
    }
}
