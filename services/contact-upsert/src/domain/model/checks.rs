//! What holds whatever happened.

use super::Tables;
use crate::domain::search::SearchTexts;
use crate::domain::{
    ContactRow, NOBODY, Settings, Transition, USER_ID, is_unique_key, read_registers,
};

impl Tables {
    /// No remove is forgotten: it is kept as long as its person is unknown, and told once he is
    /// known.
    fn check_removes(&self) {
        for ((identifier, audience), moment) in &self.removes {
            let contact = self.links[identifier].contact;
            if contact == NOBODY {
                assert_eq!(
                    self.kept.get(&(identifier.clone(), *audience)),
                    Some(moment)
                );
                continue;
            }
            let told = self.handed_over.iter().any(|(to, of, told)| {
                (self.live(*to), of, told) == (self.live(contact), audience, moment)
            });
            assert!(told, "{identifier:?} {moment:?}");
        }
        for (identifier, _) in self.kept.keys() {
            assert_eq!(self.links[identifier].contact, NOBODY);
        }
    }

    /// What holds whatever happened (I6).
    pub fn check(&self, settings: &Settings) {
        self.check_removes();
        let is_unsettled = |field: &str| {
            let transition = settings.transition.iter();
            transition
                .flat_map(Transition::unsettled)
                .any(|new| new == field)
        };
        let linked = self.links.iter().filter(|(_, l)| l.contact != NOBODY);
        for ((kind, value), link) in linked {
            let contact = &self.contacts[&link.contact];
            assert_eq!(
                contact.redirect_to, None,
                "identifiers point to live contacts"
            );
            if is_unique_key(kind) {
                assert_eq!(current_key(settings, contact, kind).as_ref(), Some(value));
            }
            assert!(kind != USER_ID || contact.has_user_id);
        }
        for contact in self.contacts.values() {
            assert!(
                contact.redirect_to.is_none_or(|to| to < contact.id),
                "no circles"
            );
            check_search(settings, contact);
            for field in settings
                .unique_identifiers
                .iter()
                .filter(|field| !is_unsettled(field))
            {
                if contact.redirect_to.is_none()
                    && let Some(value) = current_key(settings, contact, field)
                {
                    let owner = &self.links[&(field.clone(), value)];
                    assert_eq!(owner.contact, contact.id, "one contact a unique identifier");
                }
            }
        }
    }
}

/// It is found by each of its texts; those of unique identifiers may stand in its row besides, since
/// before they were ones.
fn check_search(settings: &Settings, contact: &ContactRow) {
    let least = search_texts(contact, |field| {
        settings
            .unique_identifiers
            .iter()
            .any(|known| known == field)
    });
    let most = search_texts(contact, |_| false);
    let mut found = contact.search.clone();
    for (found, least, most) in [
        (&mut found.email, &least.email, &most.email),
        (&mut found.phone, &least.phone, &most.phone),
        (&mut found.external, &least.external, &most.external),
    ] {
        assert!(least.is_none() || found == least);
        assert!(found.is_none() || found == most);
        found.clone_from(least);
    }
    assert_eq!(found, least);
}

fn search_texts(contact: &ContactRow, is_unique: impl Fn(&str) -> bool) -> SearchTexts {
    if contact.redirect_to.is_some() {
        return SearchTexts::default();
    }
    let registers = read_registers(&contact.fields, &contact.registers).unwrap();
    let register = |field: &str| registers.iter().find(|register| register.field == field);
    SearchTexts::of(|field| register(field)?.value, is_unique)
}

fn current_key(settings: &Settings, contact: &ContactRow, field: &str) -> Option<String> {
    let registers = read_registers(&contact.fields, &contact.registers).unwrap();
    let register = registers.into_iter().find(|r| r.field == field)?;
    let key = settings.key(field, register.value?)?;
    Some(key.value.into_owned())
}
