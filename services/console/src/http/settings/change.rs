//! What the forms of the settings do, one part of an account at a time.
//!
//! **Invariant:** a part is changed only as long as it stands as the page had it that somebody
//! looked at: what others saved meanwhile is shown to them first.

use std::ops::RangeInclusive;

use super::{SECTION, Shown, show};
use crate::clients::AccountPart;
use crate::domain::model::{Account, Blocked, Strategy};
use crate::domain::{Fault, Form, Trouble, words};
use crate::http::failure::Page;
use crate::http::respond;
use crate::http::visit::{Post, Visit};

/// The limits of a plan are those of mapping.
const CONTACTS: RangeInclusive<i64> = 0..=1_000_000_000;
const SLOTS: RangeInclusive<i64> = 0..=10_000;
const FACTOR: RangeInclusive<i64> = 0..=1_000;

pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let answer = visit.calls.account(visit.account()).await;
    let stands = visit.need(SECTION, answer).await?;
    match form.get("do") {
        "test" => return test(&visit, stands, form).await,
        "delete-field" => {
            let field = form.get("field");
            let deleted = visit.calls.delete_field(visit.account(), field).await;
            return end(&visit, stands, form, deleted).await;
        }
        _ => {}
    }
    let wanted = match read(&stands, &form) {
        Ok(wanted) => wanted,
        Err(fault) => {
            let fault = format!("{} Nothing was saved.", fault.sentence());
            return refuse(&visit, stands, form, fault).await;
        }
    };
    // Who saves the same as somebody else did has nothing to decide; who may not is told that.
    let part = form.get("do");
    let now = stands_as(&stands, part);
    let is_stale = visit.me.may_write() && form.get("seen") != now;
    if is_stale && stands_as(&wanted, part) != now {
        let fault = format!(
            "Somebody else changed this meanwhile: now it is {now}. Nothing was saved yet: what \
             you wrote stands below, and takes the place of theirs if you save it now."
        );
        return refuse(&visit, stands, form, fault).await;
    }
    let saved = save(&visit, &wanted, &form).await;
    end(&visit, stands, form, saved).await
}

/// A part of an account in words: what a form carries as what its page showed, and what is said of
/// it where it is another thing meanwhile.
pub fn stands_as(account: &Account, part: &str) -> String {
    let number = words::number;
    match part {
        "plan" => format!(
            "{} included and {} additional contacts, {} activity slots, {} identifies per contact \
             and day, {} tracks per contact, activity and day",
            number(account.included_contacts),
            number(account.additional_contacts),
            number(account.activity_slots),
            number(account.profile_factor),
            number(account.activity_factor)
        ),
        "news" => format!(
            "mail to {}, webhook {}",
            or_none(&account.notification_address),
            or_none(&account.webhook_url)
        ),
        "identity" => {
            let blocked: Vec<_> = account.blocked.iter().map(Blocked::line).collect();
            format!(
                "values that mean nobody: {}; defaults that mean somebody: {}; two user ids are {}",
                or_none(&blocked.join(", ")),
                or_none(&account.allowed_defaults.join(", ")),
                if account.keep_user_ids_apart {
                    "always two people"
                } else {
                    "one person where an identifier says so"
                }
            )
        }
        _ => account.strategy.code().to_owned(),
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// The account as it would be.
fn read(stands: &Account, form: &Form) -> Result<Account, Fault> {
    let mut account = stands.clone();
    match form.get("do") {
        "plan" => {
            account.included_contacts = form.whole("included", "Included contacts", CONTACTS)?;
            account.additional_contacts =
                form.whole("additional", "Additional contacts", CONTACTS)?;
            account.activity_slots = form.whole("slots", "Activity slots", SLOTS)?;
            let (name, called) = ("profile_factor", "Identifies per contact and day");
            account.profile_factor = form.whole(name, called, FACTOR)?;
            let (name, called) = ("activity_factor", "Tracks per contact, activity and day");
            account.activity_factor = form.whole(name, called, FACTOR)?;
        }
        "news" => {
            account.notification_address = form.get("address").to_owned();
            account.webhook_url = form.get("webhook").to_owned();
            // Nobody would keep it.
            if account.webhook_url.is_empty() && !form.get("secret").is_empty() {
                return Err(Fault {
                    field: "Its secret".to_owned(),
                    says: "is that of a webhook: write the webhook's address as well, or leave \
                           both empty"
                        .to_owned(),
                });
            }
        }
        "identity" => {
            account.keep_user_ids_apart = form.has("apart");
            account.blocked = blocked(form.raw("blocked"))?;
            account.allowed_defaults = lines(form.raw("allowed")).map(str::to_owned).collect();
        }
        "strategy" => {
            account.strategy = form.choice("strategy", "Key strategy", Strategy::of_code)?;
        }
        _ => {
            form.choice("do", "What to save", |_| None::<()>)?;
        }
    }
    Ok(account)
}

async fn save(visit: &Visit, account: &Account, form: &Form) -> Result<(), Trouble> {
    let part = match form.get("do") {
        "plan" => AccountPart::Plan,
        "news" => AccountPart::News {
            webhook_secret: form.get("secret").to_owned(),
        },
        "identity" => AccountPart::Identity,
        _ => {
            let unique = &account.unique_identifiers;
            let strategy = account.strategy;
            return visit.calls.put_identifiers(account, unique, strategy).await;
        }
    };
    let wish = form.get("wish");
    visit.calls.put_account(account, part, wish).await
}

/// To where it goes that is saved.
async fn test(visit: &Visit, stands: Account, form: Form) -> Page {
    let others = [
        ("address", &stands.notification_address),
        ("webhook", &stands.webhook_url),
    ];
    if others
        .iter()
        .any(|(name, saved)| form.has(name) && form.get(name) != *saved)
    {
        let fault = "Nothing was sent: a test goes to what is saved. Save first, then test.";
        return refuse(visit, stands, form, fault.to_owned()).await;
    }
    let sent = visit
        .calls
        .send_test_mail(visit.account(), form.get("wish"));
    match sent.await {
        Ok(tested) => {
            let shown = Shown {
                sent: form,
                tested,
                ..Shown::default()
            };
            show(visit, stands, shown).await
        }
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            refuse(visit, stands, form, says).await
        }
    }
}

async fn end(visit: &Visit, stands: Account, form: Form, done: Result<(), Trouble>) -> Page {
    match done {
        Ok(()) => {
            let path = format!("/accounts/{}/settings?done=saved", visit.account());
            Ok(respond::go(&path))
        }
        Err(trouble) => {
            let says = visit.told(SECTION, trouble).await?;
            refuse(visit, stands, form, says).await
        }
    }
}

/// The page again, with what was written.
async fn refuse(visit: &Visit, stands: Account, sent: Form, fault: String) -> Page {
    let shown = Shown {
        sent,
        fault,
        ..Shown::default()
    };
    show(visit, stands, shown).await
}

fn blocked(text: &str) -> Result<Vec<Blocked>, Fault> {
    let read = lines(text).enumerate().map(|(place, line)| {
        Blocked::of_line(line).map_err(|says| Fault {
            field: format!("Values that mean nobody, line {}", place + 1),
            says: says.to_owned(),
        })
    });
    read.collect()
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}
