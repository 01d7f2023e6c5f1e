//! The process: configuration, telemetry, a listener, and the service.

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = weir_contact_upsert::Config::parse();
    let telemetry = weir_telemetry::start("weir-contact-upsert", &config.telemetry).await?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("WEIR_LISTEN: can't listen on {}", config.listen))?;
    tracing::info!(address = %config.listen, "serving");
    let served = weir_contact_upsert::serve(config, listener, weir_rpc::shutdown_signal()).await;
    telemetry.shutdown().await;
    served
}
