//! What answers say.

use weir_proto::mapping::v1 as pb;
use weir_rpc::wire::timestamp;

use crate::domain::dry_run::{Prediction, Unknown};
use crate::domain::kept::{Kept, KeptCount, Whole};
use crate::domain::replay::{Count, Replay, ReplayState, Work};
use crate::grpc::convert::{kind, log_entry, source_kind};

pub fn kept(kept: Kept) -> pb::KeptEvent {
    let event = kept.event;
    let whole = event.whole;
    pb::KeptEvent {
        kept_event_id: whole.key.0.to_string(),
        kind: kind(whole.kind).into(),
        event_name: event.event_name,
        message_id: if whole.nameless {
            String::new()
        } else {
            whole.message_id
        },
        event_time: event.event_time.map(timestamp),
        receive_time: Some(timestamp(whole.receive_time)),
        status: event.status.into(),
        code: event.code,
        message: event.message,
        stored: event.stored,
        deferred: kept.deferred,
        done_time: kept.done_time.map(timestamp),
        raw: String::from_utf8_lossy(&whole.raw).into_owned(),
    }
}

pub fn kept_count(count: KeptCount) -> pb::KeptEventCount {
    pb::KeptEventCount {
        code: count.code,
        event_name: count.event_name,
        count: count.count,
        done_count: count.done,
    }
}

pub fn previewed((event, predicted): (Kept, Prediction)) -> pb::PreviewedEvent {
    let unknown = |unknown: &Unknown| {
        let unknown = match unknown {
            Unknown::Units => pb::ReplayUnknown::Units,
            Unknown::Contact => pb::ReplayUnknown::Contact,
            Unknown::Audience => pb::ReplayUnknown::Audience,
            Unknown::Repeat => pb::ReplayUnknown::Repeat,
            Unknown::Stored => pb::ReplayUnknown::Stored,
        };
        i32::from(unknown)
    };
    pb::PreviewedEvent {
        event: Some(kept(event)),
        status: predicted.status.into(),
        code: predicted.code,
        message: predicted.message,
        depends_on: predicted.depends_on.iter().map(unknown).collect(),
        fields_json: predicted.fields_json,
        attributes_json: predicted.attributes_json,
        ignored: predicted.ignored.into_iter().map(log_entry).collect(),
    }
}

pub fn count(count: Count) -> pb::ReplayCount {
    pb::ReplayCount {
        status: count.status.into(),
        code: count.code,
        count: count.count,
    }
}

pub fn replay(replay: Replay) -> pb::Replay {
    let state = match replay.state {
        ReplayState::Running => pb::ReplayState::Running,
        ReplayState::Stopped => pb::ReplayState::Stopped,
        ReplayState::Ended => pb::ReplayState::Ended,
    };
    pb::Replay {
        replay_id: replay.replay_id.to_string(),
        source_id: replay.source_id.to_string(),
        state: state.into(),
        create_time: Some(timestamp(replay.create_time)),
        end_time: replay.end_time.map(timestamp),
        event_count: replay.event_count,
        waiting_count: replay.waiting_count,
        counts: replay.counts.into_iter().map(count).collect(),
        request_id: replay.request_id,
    }
}

pub fn work(work: Work) -> pb::ReplayWork {
    let event = |(whole, correction): (Whole, bool)| pb::EventToReplay {
        event: Some(self::whole(whole)),
        correction,
    };
    pb::ReplayWork {
        account_id: work.claim.account_id.to_string(),
        source_id: work.claim.source_id.to_string(),
        work_id: work.claim.work_id.to_string(),
        lease_token: work.claim.token.to_string(),
        repair: work.claim.is_repair,
        source_kind: source_kind(work.source_kind).into(),
        events: work.events.into_iter().map(event).collect(),
    }
}

fn whole(whole: Whole) -> pb::WholeEvent {
    pb::WholeEvent {
        kind: kind(whole.kind).into(),
        event_key: whole.key.0.into_bytes().to_vec().into(),
        raw: whole.raw,
        message_id: whole.message_id,
        nameless: whole.nameless,
        receive_time: Some(timestamp(whole.receive_time)),
        index: whole.index,
    }
}
