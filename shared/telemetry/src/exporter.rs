//! `/metrics`, in Prometheus' text format.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::{gauges, process};

/// Histograms keep samples until this runs.
const UPKEEP: Duration = Duration::from_secs(5);
/// A scraper that does not send its request in this time is dropped.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Seconds; from a fast call to the edge's deadline of 8 s.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Installs the recorder, and serves what it holds from a task of its own.
pub(crate) async fn serve(service: &'static str, address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let recorder = PrometheusBuilder::new()
        .add_global_label("service", service)
        .set_buckets(BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|_| anyhow::anyhow!("a metrics recorder is already there"))?;
    gauges::keep(handle.clone());
    tokio::spawn(keep_up(handle.clone()));
    tokio::spawn(accept(service, listener, handle));
    Ok(())
}

async fn keep_up(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

async fn accept(service: &'static str, listener: TcpListener, handle: PrometheusHandle) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors; there will be some again.
            tokio::time::sleep(UPKEEP).await;
            continue;
        };
        let handle = handle.clone();
        tokio::spawn(async move {
            let answering = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let answer = answer(request.uri().path(), service, &handle);
                async move { Ok::<_, Infallible>(answer) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answering)
                .await;
        });
    }
}

fn answer(path: &str, service: &str, handle: &PrometheusHandle) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::default());
    if path == "/metrics" {
        let text = handle.render() + &process::render(service);
        *response.body_mut() = Full::from(text);
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("text/plain; version=0.0.4"),
        );
    } else {
        *response.status_mut() = http::StatusCode::NOT_FOUND;
    }
    response
}
