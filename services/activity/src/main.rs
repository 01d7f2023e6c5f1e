//! The process of the activity service.

use weir_activity::{Config, serve};

fn main() -> anyhow::Result<()> {
    let process = |config: &Config| (config.listen, config.telemetry.clone());
    weir_service::run("weir-activity", process, serve)
}
