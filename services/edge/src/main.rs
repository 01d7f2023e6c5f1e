//! The process: configuration, telemetry, a listener, and `weir_edge::serve`.

use anyhow::Context;
use clap::Parser;
use tokio::net::TcpListener;

// Batches are many small allocations that live as long as their request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = weir_edge::Config::parse();
    let telemetry = weir_telemetry::start("weir-edge", &config.telemetry).await?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("WEIR_LISTEN: can't listen on {}", config.listen))?;
    let served = weir_edge::serve(config, listener, weir_rpc::shutdown_signal()).await;
    telemetry.shutdown().await;
    served
}
