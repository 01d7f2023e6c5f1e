//! `weir-audience`: see the library.

use anyhow::Context;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = weir_audience::Config::parse();
    let telemetry = weir_telemetry::start("weir-audience", &config.telemetry).await?;
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("WEIR_LISTEN: can't listen on {}", config.listen))?;
    let served = weir_audience::serve(config, listener, weir_rpc::shutdown_signal()).await;
    telemetry.shutdown().await;
    served
}
