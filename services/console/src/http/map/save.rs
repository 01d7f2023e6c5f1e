//! A draft becomes the mapping, and its unique identifiers the account's.
//!
//! **Invariant:** nothing is changed before all of it was checked: the draft, and that nobody else
//! saved meanwhile. The mapping is saved first, since its version is what a save is refused by, and
//! what tells contacts apart is changed behind it; so a page that says that nothing was saved is
//! right. What others changed in between is never changed back unseen: it is looked at once more,
//! and mapping changes it only as long as nothing of the account was changed since that.

use weir_reasons::Reason;

use super::super::failure::Page;
use super::super::respond;
use super::super::visit::Visit;
use super::page::{self, Saved, Shown};
use crate::domain::Trouble;
use crate::domain::draft::Draft;
use crate::domain::model::Row;
use crate::domain::unique::{Wanted, wanted};

/// Something else of the account is changed in between that often: more is no accident.
const TRIES: usize = 5;

/// With a wish the unique identifiers are changed although there are contacts.
pub async fn save(
    visit: &Visit,
    saved: Saved,
    draft: Draft,
    mut shown: Shown,
    wish: Option<&str>,
) -> Page {
    let (account, source) = (visit.account(), visit.source());
    let rows = draft.rows(&saved.rows);
    let faults = faults(&draft, &rows, &saved.rows);
    if !faults.is_empty() {
        shown.faults.extend(faults);
        return page::show(visit, saved, draft, shown).await;
    }
    let unique = wanted(shown.unique_was.as_deref(), saved.unique(), &draft.unique);
    let expected = shown.version.unwrap_or(saved.version);
    let is_stale = expected != saved.version && rows != saved.rows;
    if is_stale || unique == Wanted::Overtaken {
        return conflict(visit, saved, draft, shown).await;
    }
    if unique == Wanted::Changed
        && wish.is_none()
        && is_asked(visit, &saved, &draft, &mut shown).await
    {
        return page::show(visit, saved, draft, shown).await;
    }
    let put = visit
        .calls
        .put_contact_mapping(account, source, &rows, expected)
        .await;
    let (version, is_new) = match put {
        Ok(put) => put,
        Err(trouble) if trouble.is(Reason::MappingChanged) => {
            return conflict(visit, Saved::load(visit).await?, draft, shown).await;
        }
        Err(trouble) => {
            shown.add(&trouble, &rows, &saved.fields);
            return page::show(visit, saved, draft, shown).await;
        }
    };
    if unique == Wanted::Changed {
        let was = shown.unique_was.as_deref();
        match change(visit, was, &draft, wish).await {
            Outcome::Stands => {}
            Outcome::Overtaken => {
                shown.saved_as = Some(version);
                shown.version = Some(version);
                return conflict(visit, Saved::load(visit).await?, draft, shown).await;
            }
            Outcome::Failed(trouble) => {
                return half_done(visit, draft, shown, version, &trouble).await;
            }
        }
    }
    if unique == Wanted::Changed && wish.is_some() {
        // It goes on for as long as there are contacts: its page says how far it is.
        let done = match is_new {
            true => format!("reindex&n={version}"),
            false => "reindex".to_owned(),
        };
        let path = format!("/accounts/{account}/reindex?source={source}&done={done}");
        return Ok(respond::go(&path));
    }
    let done = match (is_new, unique) {
        (true, _) => format!("version&n={version}"),
        (false, Wanted::Changed) => "saved".to_owned(),
        (false, _) => "same".to_owned(),
    };
    let path = format!("/accounts/{account}/sources/{source}/map?done={done}");
    Ok(respond::go(&path))
}

/// Whether there is something to say before anything is saved: other identifiers are on their way,
/// or there are contacts, and what they would come to is asked about.
async fn is_asked(visit: &Visit, saved: &Saved, draft: &Draft, shown: &mut Shown) -> bool {
    if let Ok(run) = visit.calls.reindex(visit.account()).await
        && run.is_under_way()
    {
        let says = "Unique identifiers: they are changing already, as said above. Nothing was saved; \
                    they can be changed to others once that has ended.";
        shown.faults.push((String::new(), says.to_owned()));
        return true;
    }
    match preview(visit, saved, draft).await {
        Ok((0, ..)) => return false,
        Ok(would) => shown.reindex = Some(would),
        Err(trouble) => shown.faults.push(of_unique(&trouble, "Nothing was saved.")),
    }
    true
}

/// What can't be saved whatever others do, and the field that it is about.
fn faults(draft: &Draft, rows: &[Row], saved: &[Row]) -> Vec<(String, String)> {
    let mut faults = draft.faults(saved);
    if faults.is_empty() && rows.is_empty() {
        let says = "Tick at least one field and choose the trait that fills it: without a mapping \
                    every event is refused.";
        faults.push((String::new(), says.to_owned()));
    }
    faults
}

/// Somebody else saved meanwhile: both are shown, and nothing is lost. To save again from here
/// takes the place of what is shown as theirs.
async fn conflict(visit: &Visit, saved: Saved, draft: Draft, mut shown: Shown) -> Page {
    let version = saved.version;
    let is_stale = shown.version.is_some_and(|seen| seen != version);
    let was = shown.unique_was.as_deref();
    let overtaken = was.is_some_and(|was| was != saved.unique());
    let says = match (is_stale, overtaken) {
        (true, true) => format!(
            "Somebody else saved version {version} meanwhile, and changed what tells contacts apart."
        ),
        (false, true) => "Somebody else changed what tells contacts apart meanwhile.".to_owned(),
        (_, false) => format!("Somebody else saved version {version} meanwhile."),
    };
    let rows = draft.rows(&saved.rows);
    shown.conflict = Some((says, saved.differences(&draft, &rows)));
    shown.version = Some(version);
    shown.unique_was = Some(saved.unique().to_vec());
    page::show(visit, saved, draft, shown).await
}

async fn preview(visit: &Visit, saved: &Saved, draft: &Draft) -> Result<(i64, i64, i64), Trouble> {
    let strategy = saved.account.strategy;
    visit
        .calls
        .preview_reindex(visit.account(), &draft.unique, strategy)
        .await
}

/// What became of a change of what tells contacts apart.
enum Outcome {
    Stands,
    /// Somebody else changed it, to others.
    Overtaken,
    Failed(Trouble),
}

/// Changes what tells contacts apart, as long as it stands as the page had it. It is looked at anew
/// each time, since the mapping that was just saved is a change of the account as well.
async fn change(
    visit: &Visit,
    was: Option<&[String]>,
    draft: &Draft,
    wish: Option<&str>,
) -> Outcome {
    let (calls, account, unique) = (&visit.calls, visit.account(), &draft.unique);
    let mut tried = 0;
    loop {
        let owner = match calls.account(account).await {
            Ok(owner) => owner,
            Err(trouble) => return Outcome::Failed(trouble),
        };
        match wanted(was, &owner.unique_identifiers, unique) {
            Wanted::Changed => {}
            // Somebody else wanted the same.
            Wanted::Same => return Outcome::Stands,
            Wanted::Overtaken => return Outcome::Overtaken,
        }
        let changed = match wish {
            None => calls.put_identifiers(&owner, unique).await,
            Some(wish) => {
                let started = calls.start_reindex(account, unique, owner.strategy, wish);
                started.await
            }
        };
        tried += 1;
        match changed {
            Ok(()) => return Outcome::Stands,
            Err(trouble) if trouble.is(Reason::MappingChanged) && tried < TRIES => {}
            Err(trouble) => return Outcome::Failed(trouble),
        }
    }
}

/// The mapping is saved, and what tells contacts apart is as it was: says both.
async fn half_done(
    visit: &Visit,
    draft: Draft,
    mut shown: Shown,
    version: i64,
    trouble: &Trouble,
) -> Page {
    let saved = Saved::load(visit).await?;
    let stays = format!(
        "The mapping was saved as version {version}; what tells contacts apart stays as it was."
    );
    shown.version = Some(version);
    shown.unique_was = Some(saved.unique().to_vec());
    if trouble.is(Reason::ContactsExist) {
        // The first contact came in between.
        shown.reindex = preview(visit, &saved, &draft).await.ok();
    }
    match shown.reindex {
        Some(_) => shown.says = stays,
        None => shown.faults.push(of_unique(trouble, &stays)),
    }
    page::show(visit, saved, draft, shown).await
}

fn of_unique(trouble: &Trouble, and: &str) -> (String, String) {
    let says = format!("Unique identifiers: {} {and}", trouble.says());
    (String::new(), says)
}
