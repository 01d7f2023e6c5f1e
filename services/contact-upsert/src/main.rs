//! The process of contact-upsert.

use weir_contact_upsert::{Config, serve};

fn main() -> anyhow::Result<()> {
    let process = |config: &Config| (config.listen, config.telemetry.clone());
    weir_service::run("weir-contact-upsert", process, serve)
}
