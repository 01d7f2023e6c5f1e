//! The process of the quota service.

use weir_quota::{Config, serve};

fn main() -> anyhow::Result<()> {
    let process = |config: &Config| (config.listen, config.telemetry.clone());
    weir_service::run("weir-quota", process, serve)
}
