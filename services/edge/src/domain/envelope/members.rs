//! Where the members of an event are that the edge looks at.

use std::ops::Range;

use weir_json::unescaped;

/// The span of a member's value.
pub type Slot = Option<Range<usize>>;

/// Of a doubled key the last one counts. The names of ids may be written in camel case as well,
/// as Segment's own documentation does.
#[derive(Default)]
pub struct Members {
    pub of: Slot,
    pub user_id: Slot,
    pub camel_user_id: Slot,
    pub anonymous_id: Slot,
    pub camel_anonymous_id: Slot,
    pub timestamp: Slot,
    pub message_id: Slot,
    pub camel_message_id: Slot,
    pub event: Slot,
    pub namespace: Slot,
    pub audience: Slot,
    pub traits: Slot,
    pub properties: Slot,
    pub location: Slot,
    pub ip: Slot,
}

impl Members {
    /// `key` with its quotes.
    pub fn put(&mut self, key: &str, span: Range<usize>) {
        let inner = &key[1..key.len() - 1];
        let slot = match self.slot(inner) {
            None if inner.contains('\\') => unescaped(key).and_then(|key| self.slot(&key)),
            slot => slot,
        };
        if let Some(slot) = slot {
            *slot = Some(span);
        }
    }

    fn slot(&mut self, key: &str) -> Option<&mut Slot> {
        Some(match key {
            "type" => &mut self.of,
            "user_id" => &mut self.user_id,
            "userId" => &mut self.camel_user_id,
            "anonymous_id" => &mut self.anonymous_id,
            "anonymousId" => &mut self.camel_anonymous_id,
            "timestamp" => &mut self.timestamp,
            "message_id" => &mut self.message_id,
            "messageId" => &mut self.camel_message_id,
            "event" => &mut self.event,
            "namespace" => &mut self.namespace,
            "audience" => &mut self.audience,
            "traits" => &mut self.traits,
            "properties" => &mut self.properties,
            "location" => &mut self.location,
            "ip" => &mut self.ip,
            _ => return None,
        })
    }
}
