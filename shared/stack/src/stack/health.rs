//! Waiting until a service says that it is healthy.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::file::Listens;
use super::service::Service;

const POLL: Duration = Duration::from_millis(20);
/// One question; a service that is busy starting is asked again.
const ANSWER: Duration = Duration::from_secs(2);

/// Waits until a process of a service is ready; forever, if need be.
///
/// # Errors
/// Its address is none.
pub async fn until_ready(service: Service, listens: &Listens) -> anyhow::Result<()> {
    match service.grpc_name() {
        Some(name) => until_serving(&listens.address, name).await,
        None => {
            // Any edge may answer at the address that they share; at the other one it is this.
            for url in [&listens.metrics, &format!("{}/readyz", listens.address)] {
                while !is_answered_well(url).await {
                    tokio::time::sleep(POLL).await;
                }
            }
            Ok(())
        }
    }
}

/// Waits until the gRPC service `name` at `url` says SERVING; forever, if need be.
///
/// # Errors
/// `url` is not one.
async fn until_serving(url: &str, name: &str) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("{url} is not an address"))?
        .connect_timeout(ANSWER)
        .timeout(ANSWER);
    loop {
        if let Ok(channel) = endpoint.connect().await {
            let request = HealthCheckRequest {
                service: name.to_owned(),
            };
            if let Ok(answer) = HealthClient::new(channel).check(request).await
                && answer.into_inner().status() == ServingStatus::Serving
            {
                return Ok(());
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether a GET is answered 200.
async fn is_answered_well(url: &str) -> bool {
    let url = url.trim_start_matches("http://");
    let (address, path) = url.split_once('/').unwrap_or((url, ""));
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        std::io::Result::Ok(head)
    };
    match tokio::time::timeout(ANSWER, ask).await {
        Ok(Ok(head)) => &head == b"HTTP/1.1 200",
        _ => false,
    }
}
