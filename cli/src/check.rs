//! `check`: format, lints, tests.

use std::process::ExitCode;

use anyhow::anyhow;

use crate::arguments::TestOptions;
use crate::failure::Failure;
use crate::output::say;
use crate::suite;

pub async fn run() -> Result<ExitCode, Failure> {
    say!("format …");
    if !suite::cargo(&["fmt", "--all", "--check"])?.success() {
        return Err(
            anyhow!("the format is not the house's; `cargo fmt --all` puts it right").into(),
        );
    }
    say!("lints …");
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    if !suite::cargo(&lints)?.success() {
        return Err(anyhow!("there are warnings; see above").into());
    }
    let (postgres, redis) = weir_servers::test_engines();
    let all = TestOptions {
        postgres,
        redis,
        filter: None,
    };
    suite::run(&all).await
}
