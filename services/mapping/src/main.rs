//! The mapping service's process.

use clap::Parser;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = weir_mapping::Config::parse();
    let telemetry = weir_telemetry::start("weir-mapping", &config.telemetry).await?;
    let listener = TcpListener::bind(config.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let served = weir_mapping::serve(config, listener, weir_rpc::shutdown_signal()).await;
    telemetry.shutdown().await;
    served
}
