//! Whether every identifier leads to one living contact (semantics 3.8), found out from the
//! tables alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::value::RawValue;
use tokio_postgres::{IsolationLevel, NoTls, Transaction};
use uuid::Uuid;

/// Account, kind and value.
type Link = (Uuid, String, String);

/// Account and contact.
type Whose = (Uuid, Uuid);

struct Contact {
    fields: HashMap<String, Box<RawValue>>,
    redirect_to: Option<Uuid>,
}

impl Contact {
    /// The current value of a unique identifier.
    fn value(&self, field: &str) -> Option<String> {
        serde_json::from_str(self.fields.get(field)?.get()).ok()
    }
}

/// Looks at all accounts of the database at `url` (its schema `contact`), at one moment, and
/// answers what is wrong, in words; nothing, where
///
/// - each identifier points to a contact that lives, and one that is a field's value to a
///   contact that has this value now; only ids under which removes are kept, for somebody who
///   is not known yet, may point to nobody, and such removes are under no others;
/// - each value that a living contact has of a unique identifier has its row, which points to
///   this contact: no two have the same;
/// - redirects lead to older contacts that are there, and so never in a circle.
///
/// # Panics
/// The database can't be read.
pub async fn check_identifiers(url: &str) -> Vec<String> {
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let moment = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .unwrap();
    let moment = Moment::read(&moment).await;
    let mut wrong = BTreeSet::new();
    moment.check_links(&mut wrong);
    moment.check_removes(&mut wrong);
    moment.check_values(&mut wrong);
    moment.check_redirects(&mut wrong);
    wrong.into_iter().collect()
}

/// The tables as they were at one moment.
struct Moment {
    contacts: HashMap<Whose, Contact>,
    links: HashMap<Link, Uuid>,
    /// Unique identifiers of accounts.
    unique: HashSet<(Uuid, String)>,
    /// Under which removes are kept.
    removes: Vec<Link>,
}

impl Moment {
    async fn read(moment: &Transaction<'_>) -> Self {
        let rows = "SELECT account_id, contact_id, fields::text, redirect_to FROM contact.contacts";
        let rows = moment.query(rows, &[]).await.unwrap();
        let contacts: HashMap<Whose, Contact> = rows
            .iter()
            .map(|row| {
                let contact = Contact {
                    fields: serde_json::from_str(row.get(2)).unwrap(),
                    redirect_to: row.get(3),
                };
                ((row.get(0), row.get(1)), contact)
            })
            .collect();
        let rows = "SELECT account_id, kind, value, contact_id FROM contact.identifiers";
        let rows = moment.query(rows, &[]).await.unwrap();
        let links: HashMap<Link, Uuid> = rows
            .iter()
            .map(|row| ((row.get(0), row.get(1), row.get(2)), row.get(3)))
            .collect();
        let rows = "SELECT account_id, unnest(unique_identifiers) FROM contact.accounts";
        let rows = moment.query(rows, &[]).await.unwrap();
        let chosen = rows.iter().map(|row| (row.get(0), row.get(1)));
        // An account that never changed them here has them in mapping; rows tell them as well.
        let used = links
            .keys()
            .map(|(account, kind, _)| (*account, kind.clone()));
        let unique: HashSet<(Uuid, String)> = chosen
            .chain(used.filter(|(_, kind)| is_field(kind)))
            .collect();
        let rows = "SELECT account_id, kind, value FROM contact.kept_removes";
        let rows = moment.query(rows, &[]).await.unwrap();
        let removes = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        Self {
            contacts,
            links,
            unique,
            removes,
        }
    }

    fn check_links(&self, wrong: &mut BTreeSet<String>) {
        for ((account, kind, value), contact) in &self.links {
            let whose = self.contacts.get(&(*account, *contact));
            match whose {
                Some(found) if found.redirect_to.is_some() => {
                    wrong.insert(format!(
                        "{kind} {value:?} points to {contact}, which was merged"
                    ));
                }
                Some(found) if is_field(kind) && !stands_for(value, found.value(kind)) => {
                    let now = found.value(kind);
                    wrong.insert(format!(
                        "{kind} {value:?} points to {contact}, which has {now:?}"
                    ));
                }
                Some(_) => {}
                None if contact.is_nil() && !is_field(kind) => {}
                None => {
                    wrong.insert(format!(
                        "{kind} {value:?} points to {contact}, which is not there"
                    ));
                }
            }
        }
    }

    fn check_removes(&self, wrong: &mut BTreeSet<String>) {
        for link in &self.removes {
            let holder = self.links.get(link);
            if holder != Some(&Uuid::nil()) {
                wrong.insert(format!(
                    "a remove is kept under an identifier of {holder:?}"
                ));
            }
        }
    }

    fn check_values(&self, wrong: &mut BTreeSet<String>) {
        let living = self
            .contacts
            .iter()
            .filter(|(_, contact)| contact.redirect_to.is_none());
        for ((account, id), contact) in living {
            let fields = self.unique.iter().filter(|(of, _)| of == account);
            for (_, field) in fields {
                let Some(value) = contact.value(field) else {
                    continue;
                };
                let row = |value: String| self.links.get(&(*account, field.clone(), value));
                let holder = row(value.clone()).or_else(|| row(value.to_ascii_lowercase()));
                if holder != Some(id) {
                    wrong.insert(format!(
                        "{field} {value:?} of {id} has the row of {holder:?}"
                    ));
                }
            }
        }
    }

    fn check_redirects(&self, wrong: &mut BTreeSet<String>) {
        for ((account, id), contact) in &self.contacts {
            if let Some(to) = contact.redirect_to
                && (to >= *id || !self.contacts.contains_key(&(*account, to)))
            {
                wrong.insert(format!(
                    "{id} is redirected to {to}, which is not there or younger"
                ));
            }
        }
    }
}

fn is_field(kind: &str) -> bool {
    kind != "u" && kind != "a"
}

/// Addresses are compared without regard to case.
fn stands_for(row: &str, value: Option<String>) -> bool {
    value.is_some_and(|value| row == value || row == value.to_ascii_lowercase())
}
