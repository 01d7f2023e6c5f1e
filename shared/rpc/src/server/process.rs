//! What a process says of itself: every server answers it, without a handler of its service.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tonic::{Request, Response, Status};
use weir_proto::process::v1::process_service_server::{ProcessService, ProcessServiceServer};
use weir_proto::process::v1::{Dependency, DescribeProcessRequest, DescribeProcessResponse, Gauge};

use super::health::{Probe, is_there};
use crate::wire::timestamp;

/// When this process began to serve for the first time.
static BEGAN: OnceLock<DateTime<Utc>> = OnceLock::new();

/// A server that the process works with.
pub(super) struct Reached {
    pub name: &'static str,
    /// Health follows it.
    pub needed: bool,
    pub probe: Probe,
}

pub(super) struct Process {
    service: &'static str,
    reached: Vec<Reached>,
}

impl Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "when the process began is the machine's to say, and decides nothing"
    )]
    pub fn server(service: &'static str, reached: Vec<Reached>) -> ProcessServiceServer<Self> {
        BEGAN.get_or_init(Utc::now);
        ProcessServiceServer::new(Self { service, reached })
    }
}

#[tonic::async_trait]
impl ProcessService for Process {
    async fn describe_process(
        &self,
        _: Request<DescribeProcessRequest>,
    ) -> Result<Response<DescribeProcessResponse>, Status> {
        let asked = self.reached.iter().map(async |one| Dependency {
            name: one.name.to_owned(),
            reachable: is_there(&one.probe).await,
            needed: one.needed,
        });
        let gauges = weir_telemetry::gauges();
        Ok(Response::new(DescribeProcessResponse {
            service: self.service.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: BEGAN.get().copied().map(timestamp),
            dependencies: join_all(asked).await,
            measures: gauges.is_some(),
            gauges: gauges.into_iter().flatten().map(gauge).collect(),
        }))
    }
}

fn gauge(one: weir_telemetry::Gauge) -> Gauge {
    let labels = one.labels.into_iter();
    Gauge {
        labels: labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        name: one.name,
        help: one.help,
        value: one.value,
    }
}
