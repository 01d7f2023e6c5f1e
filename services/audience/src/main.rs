//! The process of the audience service.

use weir_audience::{Config, serve};

fn main() -> anyhow::Result<()> {
    let process = |config: &Config| (config.listen, config.telemetry.clone());
    weir_service::run("weir-audience", process, serve)
}
