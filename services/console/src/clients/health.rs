//! Whether services answer, and what each of their replicas says of itself.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use weir_proto::process::v1 as wire;
use weir_proto::process::v1::process_service_client::ProcessServiceClient;
use weir_rpc::Channel;

use super::convert::time;
use super::shown::within;
use super::web::Web;
use super::{Calls, Personal};
use crate::domain::model::{
    Described, Edge, Gauge, Process, Reached, ReplicaHealth, ServiceHealth,
};

/// Who does not answer in this time is not well.
const PATIENCE: Duration = Duration::from_secs(2);

impl Calls {
    /// Whether all replicas of all services answer.
    pub async fn are_well(&self) -> bool {
        let peers = &self.peers;
        let all = [
            &peers.mapping,
            &peers.contact,
            &peers.activity,
            &peers.audience,
            &peers.quota,
        ];
        let replicas = all.into_iter().flat_map(Channel::each);
        let asked = replicas.map(async |(_, channel)| serves(&channel).await);
        let answers = futures_util::future::join_all(asked).await;
        answers.into_iter().all(|serves| serves)
    }

    /// Of all services. Health takes no credentials (semantics 9.1); what a process says of itself
    /// does.
    pub async fn health(&self) -> Vec<ServiceHealth> {
        let all = [
            (
                "mapping",
                "Configuration, samples, logs, sign-in",
                &self.peers.mapping,
            ),
            (
                "contact-upsert",
                "Contacts, merges, search",
                &self.peers.contact,
            ),
            (
                "activity",
                "Activities and the backlog",
                &self.peers.activity,
            ),
            (
                "audience",
                "Audiences and their members",
                &self.peers.audience,
            ),
            (
                "quota",
                "Limits and what was used of them",
                &self.peers.quota,
            ),
        ];
        let asked = all.map(async |(name, what, channel)| {
            let each = channel.each();
            let asked = each
                .iter()
                .map(|(address, channel)| self.replica(address, channel));
            ServiceHealth {
                name,
                what,
                replicas: futures_util::future::join_all(asked).await,
            }
        });
        futures_util::future::join_all(asked).await
    }

    async fn replica(&self, address: &str, channel: &Channel) -> ReplicaHealth {
        let begun = Instant::now();
        let checked = async {
            let serves = serves(channel).await;
            (serves, begun.elapsed())
        };
        let ((serves, took), described) = tokio::join!(checked, self.described(channel));
        ReplicaHealth {
            address: address.to_owned(),
            serves,
            took,
            described,
        }
    }

    async fn described(&self, channel: &Channel) -> Described {
        let personal = Personal::new(channel.clone(), self.shown.clone());
        let mut client = ProcessServiceClient::new(personal);
        let request = within(wire::DescribeProcessRequest {}, PATIENCE);
        let asking = client.describe_process(request);
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => Described::So(process(answer.into_inner())),
            Ok(Err(status)) if status.code() == Code::PermissionDenied => Described::NotToYou,
            _ => Described::Not,
        }
    }
}

async fn serves(channel: &Channel) -> bool {
    let mut client = HealthClient::new(channel.clone());
    let asking = client.check(within(HealthCheckRequest::default(), PATIENCE));
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    let answer = answer.ok().and_then(Result::ok);
    answer.is_some_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
}

fn process(said: wire::DescribeProcessResponse) -> Process {
    let reached = said.dependencies.into_iter().map(|one| Reached {
        name: one.name,
        reachable: one.reachable,
        needed: one.needed,
    });
    let gauges = said.gauges.into_iter().map(|one| Gauge {
        name: one.name,
        help: one.help,
        labels: one.labels,
        value: one.value,
    });
    Process {
        version: said.version,
        since: time(said.start_time),
        reached: reached.collect(),
        measures: said.measures,
        gauges: gauges.collect(),
    }
}

/// The edge has no gRPC: it is asked where events come in.
#[derive(Clone)]
pub struct EdgeDoor {
    url: String,
    web: Web,
}

impl EdgeDoor {
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            web: Web::new(),
        }
    }

    pub async fn health(&self) -> Edge {
        let begun = Instant::now();
        let request = Request::get(format!("{}/readyz", self.url)).body(Full::<Bytes>::default());
        let answer = match request {
            Ok(request) => tokio::time::timeout(PATIENCE, self.web.ask(request)).await,
            Err(_) => Ok(Err("the address is none".to_owned())),
        };
        Edge {
            url: self.url.clone(),
            is_ready: match answer {
                Ok(Ok(answer)) => Some(answer.status().is_success()),
                Ok(Err(_)) | Err(_) => None,
            },
            took: begun.elapsed(),
        }
    }
}
