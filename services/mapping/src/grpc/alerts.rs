//! Alerts, and what told of them.

use chrono::{DateTime, Utc};
use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_changes::author;
use weir_ids::SourceId;
use weir_proto::mapping::v1 as pb;
use weir_proto::mapping::v1::alert_service_server::AlertService;
use weir_proto::mapping::v1::*;
use weir_rpc::wire::{NOT_A_TIME, id, read_time, request_id, timestamp};
use weir_rpc::{Deadline, Page, invalid, invalid_all, page_limit, page_size, page_start};

use super::{Answer, account_id};
use crate::app::{App, Error};
use crate::domain::alert::{
    Alert as DomainAlert, AlertFilter, AlertKind as DomainKind, MAX_ALERTS, NewAlert,
};
use crate::domain::delivery::{Channel, Delivery as DomainDelivery, DeliveryState as State};
use crate::domain::invalid::Invalid;

/// Implements the contract.
pub struct Alerts {
    pub app: App,
}

impl Alerts {
    async fn run<T, F, Fut>(&self, deadline: Deadline, work: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Fn(App) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Ok(self.app.run(deadline, work).await?)
    }
}

#[tonic::async_trait]
impl AlertService for Alerts {
    async fn raise_alerts(
        &self,
        request: Request<RaiseAlertsRequest>,
    ) -> Answer<RaiseAlertsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let alerts = read_alerts(request.alerts, self.app.now())?;
        let raised = self
            .run(deadline, move |app| {
                let alerts = alerts.clone();
                async move { app.raise_alerts(account, &alerts).await }
            })
            .await?;
        Ok(Response::new(RaiseAlertsResponse {
            raised: raised.raised,
            repeated: raised.repeated,
            dropped: raised.dropped,
        }))
    }

    async fn list_alerts(&self, request: Request<ListAlertsRequest>) -> Answer<ListAlertsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let filter = AlertFilter {
            source_id: read_source(&request.source_id)?,
            unresolved: request.unresolved,
        };
        let size = page_size(request.page_size)?;
        let before: Option<Uuid> = page_start(&request.page_token)?;
        let found = self
            .run(deadline, move |app| async move {
                let limit = page_limit(size);
                app.list_alerts(account, filter, before, limit).await
            })
            .await?;
        let page = Page::of(found, size, alert);
        Ok(Response::new(ListAlertsResponse {
            next_page_token: page.next_token(),
            alerts: page.items,
        }))
    }

    async fn resolve_alert(
        &self,
        request: Request<ResolveAlertRequest>,
    ) -> Answer<ResolveAlertResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.AlertService/ResolveAlert");
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let id: Uuid = id("alert_id", &request.alert_id)?;
        let resolved = self
            .app
            .by(author)
            .run(deadline, move |app| async move {
                app.resolve_alert(account, id).await
            })
            .await?;
        Ok(Response::new(ResolveAlertResponse {
            alert: Some(alert(resolved)),
        }))
    }

    async fn list_deliveries(
        &self,
        request: Request<ListDeliveriesRequest>,
    ) -> Answer<ListDeliveriesResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let size = page_size(request.page_size)?;
        let before: Option<Uuid> = page_start(&request.page_token)?;
        let unsent = request.unsent;
        let found = self
            .run(deadline, move |app| async move {
                let limit = page_limit(size);
                app.list_deliveries(account, unsent, before, limit).await
            })
            .await?;
        let page = Page::of(found, size, delivery);
        Ok(Response::new(ListDeliveriesResponse {
            next_page_token: page.next_token(),
            deliveries: page.items,
        }))
    }

    async fn get_mail_status(
        &self,
        request: Request<GetMailStatusRequest>,
    ) -> Answer<GetMailStatusResponse> {
        let deadline = Deadline::of(&request);
        let status = self
            .run(deadline, |app| async move { app.mail_status().await })
            .await?;
        Ok(Response::new(GetMailStatusResponse {
            server: status.server,
            sender: status.sender,
            folder: status.folder,
            waiting: status.counts.waiting,
            kept: status.counts.kept,
            given_up: status.counts.given_up,
            undelivered: status.undelivered.into_iter().map(delivery).collect(),
        }))
    }

    /// Not tried again by itself: each try sends.
    async fn send_test_mail(
        &self,
        request: Request<SendTestMailRequest>,
    ) -> Answer<SendTestMailResponse> {
        let author = author(&request, "weir.mapping.v1.AlertService/SendTestMail");
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let author = author.request(request_id(&request.request_id)?);
        let app = self.app.by(author);
        let sending = async move { app.send_test_mail(account).await };
        let deliveries = weir_service::detached(sending).await?;
        Ok(Response::new(SendTestMailResponse {
            sent_before: deliveries.is_none(),
            deliveries: deliveries.into_iter().flatten().map(delivery).collect(),
        }))
    }
}

fn read_source(text: &str) -> Result<Option<SourceId>, Status> {
    match text {
        "" => Ok(None),
        text => id("source_id", text).map(Some),
    }
}

/// All of them, or everything that is wrong with any.
fn read_alerts(alerts: Vec<pb::NewAlert>, now: DateTime<Utc>) -> Result<Vec<NewAlert>, Status> {
    if !(1..=MAX_ALERTS).contains(&alerts.len()) {
        return Err(invalid("alerts", "must be 1 to 100"));
    }
    let (mut read, mut faults) = (Vec::new(), Vec::new());
    for (index, alert) in alerts.into_iter().enumerate() {
        match read_alert(alert, now) {
            Ok(alert) => read.push(alert),
            Err(wrong) => faults.extend(wrong.into_iter().map(|fault| {
                let field = format!("alerts[{index}].{}", fault.field);
                (field, fault.expected)
            })),
        }
    }
    if faults.is_empty() {
        return Ok(read);
    }
    let faults = faults.iter();
    Err(invalid_all(faults.map(|(field, expected)| {
        (field.as_str(), expected.as_str())
    })))
}

fn read_alert(alert: pb::NewAlert, now: DateTime<Utc>) -> Result<NewAlert, Vec<Invalid>> {
    let mut faults = Vec::new();
    let kind = read_kind(alert.kind());
    if kind.is_none() {
        faults.push(Invalid::new("kind", "must be one of the kinds"));
    }
    let source_id = match alert.source_id.as_str() {
        "" => None,
        text => {
            let read = text.parse().ok();
            if read.is_none() {
                faults.push(Invalid::new("source_id", "must be a UUID, or empty"));
            }
            read
        }
    };
    let raise_time = match alert.raise_time {
        None => now,
        Some(given) => read_time(given).unwrap_or_else(|| {
            faults.push(Invalid::new("raise_time", NOT_A_TIME));
            now
        }),
    };
    let read = NewAlert {
        kind: kind.unwrap_or(DomainKind::SourceSilent),
        subject: alert.subject,
        source_id,
        message: alert.message,
        value: alert.value,
        raise_time,
    };
    match read.checked(now) {
        Ok(read) if faults.is_empty() => Ok(read),
        checked => {
            faults.extend(checked.err().unwrap_or_default());
            Err(faults)
        }
    }
}

fn read_kind(kind: AlertKind) -> Option<DomainKind> {
    Some(match kind {
        AlertKind::Unspecified => return None,
        AlertKind::SourceSilent => DomainKind::SourceSilent,
        AlertKind::ReasonJumped => DomainKind::ReasonJumped,
        AlertKind::ContactAbsorbs => DomainKind::ContactAbsorbs,
        AlertKind::LimitNear => DomainKind::LimitNear,
        AlertKind::LimitReached => DomainKind::LimitReached,
    })
}

fn kind(kind: DomainKind) -> AlertKind {
    match kind {
        DomainKind::SourceSilent => AlertKind::SourceSilent,
        DomainKind::ReasonJumped => AlertKind::ReasonJumped,
        DomainKind::ContactAbsorbs => AlertKind::ContactAbsorbs,
        DomainKind::LimitNear => AlertKind::LimitNear,
        DomainKind::LimitReached => AlertKind::LimitReached,
    }
}

fn alert(alert: DomainAlert) -> Alert {
    Alert {
        alert_id: alert.alert_id.to_string(),
        kind: kind(alert.kind).into(),
        subject: alert.subject,
        source_id: alert
            .source_id
            .map_or_else(String::new, |id| id.to_string()),
        message: alert.message,
        value: alert.value,
        raise_time: Some(timestamp(alert.raise_time)),
        last_time: Some(timestamp(alert.last_time)),
        count: alert.count,
        resolve_time: alert.resolve_time.map(timestamp),
    }
}

pub fn delivery(delivery: DomainDelivery) -> Delivery {
    let state = match delivery.state {
        State::Waiting => DeliveryState::Waiting,
        State::Sent => DeliveryState::Sent,
        State::Kept => DeliveryState::Kept,
        State::GivenUp => DeliveryState::GivenUp,
    };
    let channel = match delivery.channel {
        Channel::Mail => DeliveryChannel::Mail,
        Channel::Webhook => DeliveryChannel::Webhook,
    };
    let waits = delivery.state == State::Waiting;
    let source_id = delivery.source_id();
    Delivery {
        delivery_id: delivery.delivery_id.to_string(),
        channel: channel.into(),
        state: state.into(),
        headline: delivery.news.headline(),
        receiver: delivery.receiver,
        source_id: source_id.map_or_else(String::new, |id| id.to_string()),
        file: delivery.file,
        error: delivery.error,
        tries: delivery.tries,
        create_time: Some(timestamp(delivery.create_time)),
        sent_time: delivery.sent_time.map(timestamp),
        next_try_time: waits.then(|| timestamp(delivery.next_try_time)),
        account_id: delivery.account_id.to_string(),
    }
}
