//! The process of the mapping service.

use weir_mapping::{Config, serve};

fn main() -> anyhow::Result<()> {
    let process = |config: &Config| (config.listen, config.telemetry.clone());
    weir_service::run("weir-mapping", process, serve)
}
