//! The process of the console.

use weir_console::{Config, serve};

fn main() -> anyhow::Result<()> {
    let process = |config: &Config| (config.listen, config.telemetry.clone());
    weir_service::run("weir-console", process, serve)
}
