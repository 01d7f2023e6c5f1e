//! What is set for an account as a whole, and who changed what.

use ::http::{HeaderValue, header};
use askama::Template;
use axum::response::IntoResponse;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::clients::AccountPart;
use crate::domain::configuration::{self, Described};
use crate::domain::model::{
    Account, Blocked, Change, Delivery, Field, MailStatus, Page as List, Strategy,
};

pub const SECTION: &str = "settings";

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    account: Account,
    blocked: String,
    allowed: String,
    mail: Part<MailStatus>,
    deliveries: Part<Vec<Delivery>>,
    fields: Part<Vec<Field>>,
    fault: String,
    /// Of a test that was just made.
    tested: Vec<Delivery>,
}

pub async fn page(visit: Visit) -> Page {
    let answer = visit.calls.account(visit.account()).await;
    let account = visit.need(SECTION, answer).await?;
    show(&visit, account, String::new(), Vec::new()).await
}

async fn show(visit: &Visit, account: Account, fault: String, tested: Vec<Delivery>) -> Page {
    let id = visit.account();
    let (frame, mail, deliveries, fields) = tokio::join!(
        visit.frame("Settings", SECTION),
        visit.calls.mail_status(),
        visit.calls.deliveries(id),
        visit.calls.fields(id)
    );
    let blocked: Vec<_> = account.blocked.iter().map(Blocked::line).collect();
    let custom = fields.map(|fields| fields.into_iter().filter(|field| field.custom).collect());
    Ok(respond::page(&SettingsPage {
        frame,
        blocked: blocked.join("\n"),
        allowed: account.allowed_defaults.join("\n"),
        account,
        mail: mail.into(),
        deliveries: deliveries.into(),
        fields: custom.into(),
        fault,
        tested,
    }))
}

pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let id = visit.account();
    let answer = visit.calls.account(id).await;
    let mut account = visit.need(SECTION, answer).await?;
    let wish = form.get("wish");
    let done = match form.get("do") {
        "plan" => {
            let number = |name: &str, now: i64| form.number(name).unwrap_or(now);
            account.included_contacts = number("included", account.included_contacts);
            account.additional_contacts = number("additional", account.additional_contacts);
            account.activity_slots = number("slots", account.activity_slots);
            account.profile_factor = number("profile_factor", account.profile_factor);
            account.activity_factor = number("activity_factor", account.activity_factor);
            visit
                .calls
                .put_account(&account, AccountPart::Plan, wish)
                .await
        }
        "news" => {
            account.notification_address = form.get("address").to_owned();
            account.webhook_url = form.get("webhook").to_owned();
            visit
                .calls
                .put_account(
                    &account,
                    AccountPart::News {
                        webhook_secret: form.get("secret").to_owned(),
                    },
                    wish,
                )
                .await
        }
        "identity" => {
            account.keep_user_ids_apart = form.has("apart");
            account.blocked = lines(form.raw("blocked")).map(Blocked::of_line).collect();
            account.allowed_defaults = lines(form.raw("allowed")).map(str::to_owned).collect();
            visit
                .calls
                .put_account(&account, AccountPart::Identity, wish)
                .await
        }
        "strategy" => {
            let strategy = Strategy::of_code(form.get("strategy"));
            let unique = account.unique_identifiers.clone();
            visit
                .calls
                .put_identifiers(&account, &unique, strategy)
                .await
        }
        "delete-field" => visit.calls.delete_field(id, form.get("field")).await,
        "test" => match visit.calls.send_test_mail(id, wish).await {
            Ok(tested) => return show(&visit, account, String::new(), tested).await,
            Err(trouble) => Err(trouble),
        },
        _ => Ok(()),
    };
    match done {
        Ok(()) => Ok(respond::go(&format!("/accounts/{id}/settings?done=saved"))),
        Err(trouble) => show(&visit, account, trouble.says(), Vec::new()).await,
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage {
    frame: Frame,
    changes: Part<List<Change>>,
}

/// Who changed what (semantics 9.5).
pub async fn changes(visit: Visit) -> Page {
    let (frame, changes) = tokio::join!(
        visit.frame("Change record", SECTION),
        visit
            .calls
            .changes(visit.account(), visit.query.get("page"))
    );
    let base = frame.base();
    Ok(respond::page(&ChangesPage {
        frame: frame.under("Settings", &format!("{base}/settings")),
        changes: changes.into(),
    }))
}

/// The account as a file that `./weir apply` takes.
pub async fn download(visit: Visit) -> Page {
    let id = visit.account();
    let (account, fields, sources, audiences) = tokio::join!(
        visit.calls.account(id),
        visit.calls.fields(id),
        visit.calls.sources(id),
        visit.calls.audiences(id, "")
    );
    let account = visit.need(SECTION, account).await?;
    let mut described = Vec::new();
    for source in visit.need(SECTION, sources).await? {
        let mapping = visit.calls.contact_mapping(id, &source.id).await;
        let (rows, _) = visit.need(SECTION, mapping).await?;
        let mut activities = Vec::new();
        let mut token = String::new();
        loop {
            let page = visit.calls.activities_mapped(id, &source.id, &token).await;
            let page = visit.need(SECTION, page).await?;
            activities.extend(page.items);
            token = page.next;
            if token.is_empty() {
                break;
            }
        }
        described.push(Described {
            source,
            rows,
            activities,
        });
    }
    let fields = visit.need(SECTION, fields).await?;
    let audiences = visit.need(SECTION, audiences).await?.items;
    let text = configuration::of(&account, &fields, &described, &audiences);
    let known = |text| HeaderValue::from_static(text);
    let headers = [
        (header::CONTENT_TYPE, known("text/yaml; charset=utf-8")),
        (
            header::CONTENT_DISPOSITION,
            known("attachment; filename=\"weir.yaml\""),
        ),
    ];
    Ok((headers, text).into_response())
}
