//! What the forms of the settings do, one part of an account at a time.
//!
//! **Invariant:** a part is changed only as long as it stands as the page had it that somebody
//! looked at: what others saved meanwhile is shown to them first. It is compared with what is read
//! here, and mapping changes it only as long as nothing was changed since that.

use std::ops::RangeInclusive;

use axum::response::Response;
use weir_reasons::Reason;

use super::{SECTION, Shown, show};
use crate::clients::AccountPart;
use crate::domain::model::{Account, Blocked, Strategy};
use crate::domain::{Fault, Form, Trouble, words};
use crate::http::failure::Page;
use crate::http::faults::Faults;
use crate::http::respond;
use crate::http::visit::{Post, Visit};

/// The limits of a plan are those of mapping.
const CONTACTS: RangeInclusive<i64> = 0..=1_000_000_000;
const SLOTS: RangeInclusive<i64> = 0..=10_000;
const FACTOR: RangeInclusive<i64> = 0..=1_000;
/// Something else of the account is changed in between that often: more is no accident.
const TRIES: usize = 5;

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
    let mut stands = stands;
    for _ in 0..TRIES {
        if let Some(page) = saved(&visit, stands, &form).await? {
            return Ok(page);
        }
        let answer = visit.calls.account(visit.account()).await;
        stands = visit.need(SECTION, answer).await?;
    }
    let says = "Other settings of the account are being changed all the time: nothing was saved. \
                Try again.";
    refuse(&visit, stands, form, Faults::whole(says)).await
}

/// What is said of the form; none where something of the account was changed since it was looked at.
async fn saved(visit: &Visit, stands: Account, form: &Form) -> Result<Option<Response>, Response> {
    let wanted = match read(&stands, form) {
        Ok(wanted) => wanted,
        Err(faults) => {
            let faults = Faults::of(&faults, "Nothing was saved.");
            return refuse(visit, stands, form.clone(), faults).await.map(Some);
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
        let fault = Faults::whole(fault);
        return refuse(visit, stands, form.clone(), fault).await.map(Some);
    }
    match save(visit, &wanted, form).await {
        // Whether a secret is still the one of before can't be compared.
        Err(trouble) if trouble.is(Reason::MappingChanged) && form.get("secret").is_empty() => {
            Ok(None)
        }
        done => end(visit, stands, form.clone(), done).await.map(Some),
    }
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
fn read(stands: &Account, form: &Form) -> Result<Account, Vec<Fault>> {
    let mut account = stands.clone();
    match form.get("do") {
        "plan" => {
            let mut faults = Vec::new();
            for (name, called, range, number) in [
                (
                    "included",
                    "Included contacts",
                    CONTACTS,
                    &mut account.included_contacts,
                ),
                (
                    "additional",
                    "Additional contacts",
                    CONTACTS,
                    &mut account.additional_contacts,
                ),
                (
                    "slots",
                    "Activity slots",
                    SLOTS,
                    &mut account.activity_slots,
                ),
                (
                    "profile_factor",
                    "Identifies per contact and day",
                    FACTOR,
                    &mut account.profile_factor,
                ),
                (
                    "activity_factor",
                    "Tracks per contact, activity and day",
                    FACTOR,
                    &mut account.activity_factor,
                ),
            ] {
                match form.whole(name, called, range) {
                    Ok(read) => *number = read,
                    Err(fault) => faults.push(fault),
                }
            }
            if !faults.is_empty() {
                return Err(faults);
            }
        }
        "news" => {
            account.notification_address = form.get("address").to_owned();
            account.webhook_url = form.get("webhook").to_owned();
            // Nobody would keep it.
            if account.webhook_url.is_empty() && !form.get("secret").is_empty() {
                return Err(vec![Fault {
                    field: "Its secret".to_owned(),
                    says: "is that of a webhook: write the webhook's address as well, or leave \
                           both empty"
                        .to_owned(),
                }]);
            }
        }
        "identity" => {
            account.keep_user_ids_apart = form.has("apart");
            account.blocked = blocked(form.raw("blocked"))?;
            account.allowed_defaults = lines(form.raw("allowed")).map(str::to_owned).collect();
        }
        "strategy" => {
            let read = form.choice("strategy", "Key strategy", Strategy::of_code);
            account.strategy = read.map_err(|fault| vec![fault])?;
        }
        _ => {
            let none = form.choice("do", "What to save", |_| None::<()>);
            none.map_err(|fault| vec![fault])?;
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
        _ => AccountPart::Strategy,
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
        return refuse(visit, stands, form, Faults::whole(fault)).await;
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
            let faults = Faults::told(visit, SECTION, trouble).await?;
            refuse(visit, stands, form, faults).await
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
            let faults = Faults::told(visit, SECTION, trouble).await?;
            refuse(visit, stands, form, faults).await
        }
    }
}

/// The page again, with what was written.
async fn refuse(visit: &Visit, stands: Account, sent: Form, faults: Faults) -> Page {
    let shown = Shown {
        sent,
        faults,
        ..Shown::default()
    };
    show(visit, stands, shown).await
}

/// Names every line that is wrong.
fn blocked(text: &str) -> Result<Vec<Blocked>, Vec<Fault>> {
    let (mut read, mut faults) = (Vec::new(), Vec::new());
    for (place, line) in lines(text).enumerate() {
        match Blocked::of_line(line) {
            Ok(blocked) => read.push(blocked),
            Err(says) => faults.push(Fault {
                field: format!("Values that mean nobody, line {}", place + 1),
                says: says.to_owned(),
            }),
        }
    }
    if faults.is_empty() {
        Ok(read)
    } else {
        Err(faults)
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}
