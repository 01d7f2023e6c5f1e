//! What mapping shows of recent events.

use tonic::Code;
use weir_proto::mapping::v1 as mapping;
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_rpc::wire::timestamp_of;

use super::convert::kind;
use super::failure::call;
use super::types::Caller;
use super::{Clients, Failure};
use crate::domain::recent::{Recent, Stage, Step};

impl Clients {
    /// Notes events, [1,000 at most](mapping::NoteEventsRequest), and how many were left out
    /// beside them, the last one when.
    pub async fn note_events(
        &self,
        caller: &Caller,
        events: &[Recent],
        (left_out, left_out_time): (i64, i64),
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let message = || mapping::NoteEventsRequest {
            account_id: caller.account_id.clone(),
            source_id: caller.source_id.clone(),
            events: events.iter().map(recent).collect(),
            left_out,
            left_out_time: (left_out > 0).then(|| timestamp_of(left_out_time)),
        };
        let send = |request| {
            let mut client = self.story.clone();
            async move { client.note_events(request).await }
        };
        // An older mapping notes none.
        let answers = [Code::Unimplemented];
        call("note_events", deadline, &answers, message, send)
            .await
            .map(|_| ())
    }
}

fn recent(event: &Recent) -> mapping::RecentEvent {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    mapping::RecentEvent {
        answer_time: Some(timestamp_of(event.answered)),
        receive_time: Some(timestamp_of(event.arrival)),
        batch_id: event.batch_id.to_string(),
        index: event.index,
        kind: kind(event.kind).into(),
        message_id: event.message_id.clone(),
        event_name: event.event_name.clone(),
        event_time: event.event_time.map(timestamp_of),
        status: event.status.into(),
        code: code(event.code),
        stages: event.steps.iter().map(verdict).collect(),
        contact_id: event.contact_id.to_string(),
        fields: count(event.fields),
        attributes: count(event.attributes),
        ignored: count(event.ignored),
        replayed: event.is_replay,
    }
}

fn verdict(step: &Step) -> mapping::StageVerdict {
    let stage = match step.stage {
        Stage::Accepted => mapping::Stage::Accepted,
        Stage::Mapped => mapping::Stage::Mapped,
        Stage::Identifiers => mapping::Stage::Identifiers,
        Stage::Units => mapping::Stage::Units,
        Stage::Contact => mapping::Stage::Contact,
        Stage::Activity => mapping::Stage::Activity,
        Stage::Membership => mapping::Stage::Membership,
    };
    mapping::StageVerdict {
        stage: stage.into(),
        said: step.said.to_owned(),
        code: code(step.code),
    }
}

fn code(code: Option<Reason>) -> String {
    code.map_or_else(String::new, |code| code.code().to_owned())
}
