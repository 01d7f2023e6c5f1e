//! Audiences, changes, news.

use weir_proto::access::v1 as access;
use weir_proto::audience::v1 as audience;
use weir_proto::mapping::v1 as wire;

use super::account::nothing;
use super::convert::time;
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::model::{
    Alert, Audience, AudienceDay, Change, ChangedValue, Delivery, MailStatus, Member, Origin, Page,
    Sync,
};
use crate::domain::words::plain;

const PAGE: i32 = 50;
/// Of what is read as a whole.
const LARGE_PAGE: i32 = 200;
/// More than anybody looks through: a list that does not end ends here.
const MAX_AUDIENCES: usize = 20_000;
/// Of the account, that its page shows.
const SYNCS: i32 = 5;

impl Calls {
    pub async fn audiences(&self, account: &str, page_token: &str) -> Answer<Page<Audience>> {
        self.audience_page(account, PAGE, page_token).await
    }

    /// All that an account has, as many pages as that takes.
    pub async fn all_audiences(&self, account: &str) -> Answer<Vec<Audience>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.audience_page(account, LARGE_PAGE, &token).await?;
            all.extend(page.items);
            token = page.next;
            if token.is_empty() || all.len() >= MAX_AUDIENCES {
                return Ok(all);
            }
        }
    }

    async fn audience_page(
        &self,
        account: &str,
        page_size: i32,
        page_token: &str,
    ) -> Answer<Page<Audience>> {
        let request = audience::ListAudiencesRequest {
            account_id: account.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let answer = call!("audience", self.audience, list_audiences, request)?;
        Ok(Page {
            items: answer.audiences.into_iter().map(audience).collect(),
            next: answer.next_page_token,
        })
    }

    pub async fn audience(&self, account: &str, id: &str) -> Answer<Audience> {
        let request = audience::GetAudienceRequest {
            account_id: account.to_owned(),
            audience_id: id.to_owned(),
        };
        let answer = call!("audience", self.audience, get_audience, request)?;
        answer.audience.map(audience).ok_or_else(nothing)
    }

    /// Its id, and whether it was made by this call.
    pub async fn create_audience(
        &self,
        account: &str,
        name: &str,
        origin: Origin,
        wish: &str,
    ) -> Answer<(String, bool)> {
        let request = audience::CreateAudienceRequest {
            account_id: account.to_owned(),
            name: name.to_owned(),
            origin: match origin {
                Origin::Actions => audience::Origin::SegmentActions,
                Origin::Other => audience::Origin::Other,
                Origin::Manual => audience::Origin::Manual,
            }
            .into(),
            request_id: wish.to_owned(),
        };
        let answer = call!("audience", self.audience, create_audience, request)?;
        let id = answer.audience.unwrap_or_default().audience_id;
        Ok((id, answer.created))
    }

    /// The last 30 days on which something happened, the newest first.
    pub async fn audience_days(&self, account: &str, id: &str) -> Answer<Vec<AudienceDay>> {
        let request = audience::ListAudienceDaysRequest {
            account_id: account.to_owned(),
            audience_id: id.to_owned(),
            days: 30,
        };
        let answer = call!("audience", self.audience, list_audience_days, request)?;
        let days = answer.days.into_iter().map(|day| AudienceDay {
            day: day.day,
            members: day.members,
            joined: day.joined,
            left: day.left,
            moved: day.moved,
            held_back: day.held_back,
        });
        Ok(days.collect())
    }

    pub async fn rename_audience(&self, account: &str, id: &str, name: &str) -> Answer<()> {
        let request = audience::RenameAudienceRequest {
            account_id: account.to_owned(),
            audience_id: id.to_owned(),
            name: name.to_owned(),
        };
        call!("audience", self.curation, rename_audience, request)?;
        Ok(())
    }

    pub async fn delete_audience(&self, account: &str, id: &str, wish: &str) -> Answer<()> {
        let request = audience::DeleteAudienceRequest {
            account_id: account.to_owned(),
            audience_id: id.to_owned(),
            refuse_events: true,
            request_id: wish.to_owned(),
        };
        call!("audience", self.curation, delete_audience, request)?;
        Ok(())
    }

    /// The newest first, a few.
    pub async fn syncs(&self, account: &str) -> Answer<Vec<Sync>> {
        let request = audience::ListSyncsRequest {
            account_id: account.to_owned(),
            page_size: SYNCS,
            page_token: String::new(),
        };
        let answer = call!("audience", self.sync, list_syncs, request)?;
        let syncs = answer.syncs.into_iter().map(|sync| Sync {
            requested: sync.requested,
            begun: time(sync.begin_time.or(sync.request_time)),
            ended: time(sync.end_time),
            applied: sync.applied,
        });
        Ok(syncs.collect())
    }

    pub async fn start_sync(&self, account: &str, wish: &str) -> Answer<()> {
        let request = audience::StartSyncRequest {
            account_id: account.to_owned(),
            request_id: wish.to_owned(),
        };
        call!("audience", self.sync, start_sync, request)?;
        Ok(())
    }

    pub async fn members(
        &self,
        account: &str,
        audience: &str,
        page_token: &str,
    ) -> Answer<Page<Member>> {
        let request = audience::ListMembersRequest {
            account_id: account.to_owned(),
            audience_id: audience.to_owned(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
        };
        let answer = call!("audience", self.audience, list_members, request)?;
        let items = answer.members.into_iter().map(|member| Member {
            contact_id: member.contact_id,
            joined: time(member.join_time),
        });
        Ok(Page {
            items: items.collect(),
            next: answer.next_page_token,
        })
    }

    /// With the services whose part of it is missing.
    pub async fn changes(
        &self,
        account: &str,
        page_token: &str,
    ) -> Answer<(Page<Change>, Vec<String>)> {
        let request = access::ListChangesRequest {
            account_id: account.to_owned(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
            in_part: true,
            ..Default::default()
        };
        let answer = call!("mapping", self.change, list_changes, request)?;
        let page = Page {
            items: answer.changes.into_iter().map(change).collect(),
            next: answer.next_page_token,
        };
        Ok((page, answer.missing_services))
    }

    pub async fn alerts(
        &self,
        account: &str,
        unresolved: bool,
        page_token: &str,
    ) -> Answer<Page<Alert>> {
        let request = wire::ListAlertsRequest {
            account_id: account.to_owned(),
            source_id: String::new(),
            unresolved,
            page_size: PAGE,
            page_token: page_token.to_owned(),
        };
        let answer = call!("mapping", self.alert, list_alerts, request)?;
        Ok(Page {
            items: answer.alerts.into_iter().map(alert).collect(),
            next: answer.next_page_token,
        })
    }

    pub async fn resolve_alert(&self, account: &str, id: &str) -> Answer<()> {
        let request = wire::ResolveAlertRequest {
            account_id: account.to_owned(),
            alert_id: id.to_owned(),
        };
        call!("mapping", self.alert, resolve_alert, request)?;
        Ok(())
    }

    pub async fn deliveries(&self, account: &str) -> Answer<Vec<Delivery>> {
        let request = wire::ListDeliveriesRequest {
            account_id: account.to_owned(),
            unsent: false,
            page_size: 20,
            page_token: String::new(),
        };
        let answer = call!("mapping", self.alert, list_deliveries, request)?;
        Ok(answer.deliveries.into_iter().map(delivery).collect())
    }

    pub async fn mail_status(&self) -> Answer<MailStatus> {
        let request = wire::GetMailStatusRequest {};
        let answer = call!("mapping", self.alert, get_mail_status, request)?;
        Ok(MailStatus {
            server: answer.server,
            sender: answer.sender,
            folder: answer.folder,
            waiting: answer.waiting,
            kept: answer.kept,
            given_up: answer.given_up,
        })
    }

    /// How it went.
    pub async fn send_test_mail(&self, account: &str, wish: &str) -> Answer<Vec<Delivery>> {
        let request = wire::SendTestMailRequest {
            account_id: account.to_owned(),
            request_id: wish.to_owned(),
        };
        let answer = call!("mapping", self.alert, send_test_mail, request)?;
        Ok(answer.deliveries.into_iter().map(delivery).collect())
    }
}

pub fn state(state: wire::DeliveryState) -> &'static str {
    match state {
        wire::DeliveryState::Waiting => "waiting",
        wire::DeliveryState::Sent => "sent",
        wire::DeliveryState::Kept => "kept",
        wire::DeliveryState::GivenUp => "given up",
        wire::DeliveryState::Unspecified => "unknown",
    }
}

fn delivery(delivery: wire::Delivery) -> Delivery {
    Delivery {
        channel: match delivery.channel() {
            wire::DeliveryChannel::Webhook => "webhook",
            _ => "mail",
        },
        state: state(delivery.state()),
        headline: delivery.headline,
        receiver: delivery.receiver,
        file: delivery.file,
        error: delivery.error,
        created: time(delivery.create_time),
        sent: time(delivery.sent_time),
    }
}

fn alert(alert: wire::Alert) -> Alert {
    let kind = alert.kind().as_str_name();
    Alert {
        kind: plain(kind.trim_start_matches("ALERT_KIND_")),
        id: alert.alert_id,
        message: alert.message,
        value: alert.value,
        source_id: alert.source_id,
        raised: time(alert.raise_time),
        last: time(alert.last_time),
        count: alert.count,
        resolved: time(alert.resolve_time),
    }
}

fn audience(audience: audience::Audience) -> Audience {
    let figures = audience.figures.unwrap_or_default();
    Audience {
        origin: match audience.origin() {
            audience::Origin::SegmentActions => Origin::Actions,
            audience::Origin::Manual => Origin::Manual,
            _ => Origin::Other,
        },
        members: figures.members,
        updates: figures.updates_last_7_days,
        id: audience.audience_id,
        name: audience.name,
        created: time(audience.create_time),
    }
}

fn change(change: access::Change) -> Change {
    let thing = change.thing().as_str_name();
    let thing = plain(thing.trim_start_matches("CHANGED_THING_"));
    let actor = change.actor.unwrap_or_default();
    let actor = match actor.kind() {
        access::ActorKind::Service => format!("Weir ({})", actor.name),
        access::ActorKind::Anybody => "Somebody (access is open)".to_owned(),
        _ => actor.name,
    };
    let method = change.method.rsplit('/').next().unwrap_or_default();
    let values = change.fields.into_iter().map(|field| ChangedValue {
        field: field.field,
        before: field.before_json,
        after: field.after_json,
    });
    Change {
        time: time(change.change_time),
        actor,
        method: method.to_owned(),
        thing,
        thing_id: change.thing_id,
        values: values.collect(),
    }
}
