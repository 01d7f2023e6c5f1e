//! Logs, metrics and traces, the same in every service.
//!
//! **Invariant:** nothing that goes through here holds personal data or keys: no traits, no
//! identifiers, no e-mail addresses, at any level. Values of events belong in a source's log
//! alone.
//!
//! Logs go to standard error: text for people, JSON when asked. Metrics are served in
//! Prometheus' format when an address is given. Traces are exported over OTLP when an
//! endpoint is given; without one, spans cost next to nothing.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod discretion;
mod exporter;
mod gauges;
mod process;

pub use gauges::{Gauge, gauges};

use std::io::IsTerminal;
use std::net::SocketAddr;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// What to log where; flatten it into a service's configuration.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Which log lines to write, e.g. `info` or `info,weir_edge=debug`. Of libraries only
    /// warnings are written, whatever this says: their finer levels show values.
    #[arg(long = "log", env = "WEIR_LOG", default_value = "info")]
    pub log: String,
    /// How log lines look.
    #[arg(long, env = "WEIR_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// Where to serve `/metrics`, e.g. `127.0.0.1:9102`; nowhere when absent.
    #[arg(long, env = "WEIR_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
    /// Where to send traces (OTLP over gRPC), e.g. `http://127.0.0.1:4317`; nowhere when absent.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Flushes what is still to be exported when the service ends.
#[must_use = "telemetry ends when this is dropped"]
#[derive(Debug)]
pub struct Telemetry {
    tracer: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Exports what is left. Call it last.
    pub async fn shutdown(self) {
        if let Some(tracer) = self.tracer {
            // Blocks until the exporter is done, which itself needs the runtime.
            let _ = tokio::task::spawn_blocking(move || tracer.shutdown()).await;
        }
    }
}

/// Starts telemetry for `service` (`weir-edge`). Once per process, within the runtime.
///
/// # Errors
/// A filter that can't be read, or an address that can't be listened on.
pub async fn start(service: &'static str, options: &Options) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&options.log)
        .with_context(|| format!("WEIR_LOG: {:?} is not a filter such as `info`", options.log))?;
    // What is asked of PostgreSQL and Redis is of interest in traces alone.
    let filter = match &options.otlp_endpoint {
        Some(_) => filter.add_directive("weir_stores=debug".parse()?),
        None => filter,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match options.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let tracer = options
        .otlp_endpoint
        .as_deref()
        .filter(|endpoint| !endpoint.trim().is_empty())
        .map(|endpoint| tracer(service, endpoint))
        .transpose()?;
    let spans = tracer
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    tracing_subscriber::registry()
        .with(filter)
        .with(discretion::Discretion::default())
        .with(spans)
        .with(lines)
        .try_init()
        .context("telemetry is started once per process")?;
    discretion::hook_panics();
    if let Some(address) = options.metrics_listen {
        exporter::serve(service, address)
            .await
            .with_context(|| format!("WEIR_METRICS_LISTEN: can't serve metrics on {address}"))?;
    }
    Ok(Telemetry { tracer })
}

fn tracer(service: &'static str, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT: can't use {endpoint}"))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(service).build())
        .build();
    opentelemetry::global::set_tracer_provider(provider.clone());
    Ok(provider)
}
