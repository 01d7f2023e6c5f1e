//! What holds whatever happened.

use super::Tables;
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

fn current_key(settings: &Settings, contact: &ContactRow, field: &str) -> Option<String> {
    let registers = read_registers(&contact.fields, &contact.registers).unwrap();
    let register = registers.into_iter().find(|r| r.field == field)?;
    let key = settings.key(field, register.value?)?;
    Some(key.value.into_owned())
}
