//! The process of the edge.

use weir_edge::{Config, serve};

fn main() -> anyhow::Result<()> {
    let process = |config: &Config| {
        let further = ("WEIR_CLASSIC_LISTEN", config.classic_listen);
        (config.listen, further, config.telemetry.clone())
    };
    weir_service::run_with_two("weir-edge", process, serve)
}
