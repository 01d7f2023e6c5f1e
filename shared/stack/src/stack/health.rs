//! Waiting until a service says that it is healthy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use weir_tls::{HTTP1, connect_with};

use super::file::Listens;
use super::service::Service;
use crate::Reach;
use crate::reach::host_and_place;

const POLL: Duration = Duration::from_millis(20);
/// One question; a service that is busy starting is asked again.
const ANSWER: Duration = Duration::from_secs(2);

/// Waits until a process of a service is ready; forever, if need be.
///
/// # Errors
/// Its address is none.
pub async fn until_ready(service: Service, listens: &Listens, reach: &Reach) -> anyhow::Result<()> {
    match service.grpc_name() {
        Some(name) => until_serving(&listens.address, name, reach).await,
        None => {
            // Any edge may answer at the address that they share; at the other one it is this.
            for url in [&listens.metrics, &format!("{}/readyz", listens.address)] {
                while !is_answered_well(url, reach).await {
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
async fn until_serving(url: &str, name: &str, reach: &Reach) -> anyhow::Result<()> {
    // Whether it is an address at all.
    reach.lazily(url)?;
    loop {
        if let Ok(channel) = reach.connect(url, ANSWER).await {
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

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

/// Whether a GET is answered 200.
async fn is_answered_well(url: &str, reach: &Reach) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let ask = async {
        let stream = TcpStream::connect(address).await?;
        let mut stream: Box<dyn Both> = match scheme {
            "https" => {
                let (host, _) = host_and_place(address);
                let config = Arc::new(reach.config());
                let agreed = connect_with(config, host, HTTP1, stream).await;
                Box::new(agreed.map_err(|cause| io::Error::other(cause.text))?)
            }
            _ => Box::new(stream),
        };
        let request =
            format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        io::Result::Ok(head)
    };
    match tokio::time::timeout(ANSWER, ask).await {
        Ok(Ok(head)) => &head == b"HTTP/1.1 200",
        _ => false,
    }
}
