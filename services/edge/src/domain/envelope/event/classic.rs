//! What a classic source asks of an event besides.

use weir_reasons::Reason;

use super::super::{Kind, Refusal};
use super::Event;
use crate::domain::classic;
use crate::domain::text::scalar;

impl Event<'_> {
    /// Whether it is small enough, and what it was taken for (semantics 8.0).
    pub(super) fn check_classic(&self, kind: Kind) -> Result<(), Refusal> {
        let (size, most) = (self.size, classic::MAX_EVENT);
        if size > most {
            let reason = format!("{size} bytes; a classic source takes {most} at most");
            return Err(Refusal::new(Reason::EventTooLarge, "", reason));
        }
        let expected = match kind {
            Kind::Identify | Kind::Member => classic::Type::Identify,
            Kind::Track => classic::Type::Track,
        };
        let said = self.value(&self.members.of).and_then(scalar);
        if said.is_some_and(|said| said.trim() == expected.name()) {
            return Ok(());
        }
        let reason = "must be identify or track (page, screen, group and alias are not stored)";
        let slot = &self.members.of;
        Err(self.refusal(Reason::EventTypeUnknown, "type", reason, slot))
    }
}
