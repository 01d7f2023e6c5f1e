//! `bench`: a program of its own, so that who does not measure need not build it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

use crate::arguments::BenchOptions;
use crate::failure::Failure;

/// Becomes that program; comes back only where this fails.
pub fn run(options: &BenchOptions) -> Failure {
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return anyhow!("who am I? {error}").into(),
    };
    let program = own.with_file_name("weir-bench");
    let error = Command::new(&program).args(&options.arguments).exec();
    anyhow!("can't start {}: {error}", program.display()).into()
}
