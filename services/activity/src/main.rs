//! The activity service's process.

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;
use weir_activity::Config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let telemetry = weir_telemetry::start("weir-activity", &config.telemetry).await?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("WEIR_LISTEN: can't listen on {}", config.listen))?;
    tracing::info!(listen = %config.listen, "serving");
    let served = weir_activity::serve(config, listener, weir_rpc::shutdown_signal()).await;
    telemetry.shutdown().await;
    served
}
