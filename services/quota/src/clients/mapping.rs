//! What mapping counts of the edges' answers, and what it tells people.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tonic::Code;
use weir_ids::AccountId;
use weir_proto::mapping::v1::alert_service_client::AlertServiceClient;
use weir_proto::mapping::v1::log_service_client::LogServiceClient;
use weir_proto::mapping::v1::{AlertKind, ListSpendingRequest, NewAlert, RaiseAlertsRequest};
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer};

use super::{Error, failure};
use crate::domain::{Level, LimitAlert, Window};

const MAPPING: &str = "mapping";

/// A limit that is nearly or wholly used.
#[derive(Debug, Clone, Copy)]
pub struct News {
    pub account: AccountId,
    pub alert: LimitAlert,
    pub used: i64,
    pub limit: i64,
    pub time: DateTime<Utc>,
}

/// Whom it is told.
#[derive(Clone)]
pub struct Alerts(AlertServiceClient<Channel>);

impl Alerts {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the address is not one.
    pub fn connect(url: &str) -> Result<Self, NotAnAddress> {
        Ok(Self(AlertServiceClient::new(Peer::MAPPING.connect(url)?)))
    }

    /// Has it told. The same again tells nobody once more.
    ///
    /// # Errors
    /// Where mapping is away, or there is no such account.
    pub async fn raise(&self, news: &News, deadline: Deadline) -> Result<(), Error> {
        let kind = match news.alert.level {
            Level::Near => AlertKind::LimitNear,
            Level::Reached => AlertKind::LimitReached,
        };
        let request = deadline.request(RaiseAlertsRequest {
            account_id: news.account.to_string(),
            alerts: vec![NewAlert {
                kind: kind.into(),
                subject: news.alert.subject().to_owned(),
                message: news.alert.message(news.used, news.limit),
                raise_time: Some(weir_rpc::wire::timestamp(news.time)),
                ..NewAlert::default()
            }],
        });
        let request = request.map_err(|status| failure(MAPPING, &status))?;
        let raised = self.0.clone().raise_alerts(request).await;
        raised.map_err(|status| match status.code() {
            Code::NotFound => Error::UnknownAccount,
            _ => failure(MAPPING, &status),
        })?;
        Ok(())
    }
}

/// How many events limits rejected.
#[derive(Clone)]
pub struct Rejections(LogServiceClient<Channel>);

impl Rejections {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the address is not one.
    pub fn connect(url: &str) -> Result<Self, NotAnAddress> {
        let client = LogServiceClient::new(Peer::MAPPING.connect(url)?);
        let client = client.max_decoding_message_size(weir_rpc::MAX_MESSAGE);
        Ok(Self(client))
    }

    /// Since a window.
    ///
    /// # Errors
    /// Where mapping is away.
    pub async fn by_window(
        &self,
        account: AccountId,
        from: Window,
        deadline: Deadline,
    ) -> Result<BTreeMap<Window, i64>, Error> {
        let request = deadline.request(ListSpendingRequest {
            account_id: account.to_string(),
            first_window: from.to_string(),
            page_size: 1,
            ..ListSpendingRequest::default()
        });
        let request = request.map_err(|status| failure(MAPPING, &status))?;
        let listed = self.0.clone().list_spending(request).await;
        let listed = listed.map_err(|status| failure(MAPPING, &status))?;
        let windows = listed.into_inner().windows.into_iter();
        let rejected = windows.filter(|window| window.rejected_events > 0);
        let read = rejected.map(|one| Some((one.window.parse().ok()?, one.rejected_events)));
        let read: Option<_> = read.collect();
        read.ok_or(Error::Unreadable(MAPPING))
    }
}
