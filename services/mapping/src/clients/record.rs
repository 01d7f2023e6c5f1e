//! The parts of the record of changes that other services have (semantics 9.5).

use futures_util::future::{join_all, try_join_all};
use uuid::Uuid;
use weir_changes::{Part, entry_of};
use weir_ids::AccountId;
use weir_proto::access::v1::ReadChangesRequest;
use weir_proto::access::v1::change_log_service_client::ChangeLogServiceClient;
use weir_rpc::wire::{read_id, timestamp};
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer, reason_of};

use super::Error;
use crate::domain::record::{Entry, Filter, Thing};

/// What contact-upsert's calls change, and audience's; the rest is ours.
const OF_CONTACTS: [Thing; 4] = [Thing::Merge, Thing::Contact, Thing::Import, Thing::Reindex];
const OF_AUDIENCES: [Thing; 1] = [Thing::Audience];

type Client = ChangeLogServiceClient<Channel>;

/// Asks for them.
#[derive(Clone)]
pub struct Record {
    contacts: Client,
    audiences: Client,
}

impl Record {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn connect(contact_url: &str, audience_url: &str) -> Result<Self, NotAnAddress> {
        let client = |peer: Peer, url| {
            let client = Client::new(peer.connect(url)?);
            Ok(client.max_decoding_message_size(weir_rpc::MAX_MESSAGE))
        };
        Ok(Self {
            contacts: client(Peer::CONTACT, contact_url)?,
            audiences: client(Peer::AUDIENCE, audience_url)?,
        })
    }

    /// A page of each that may have some of them; with `in_part` those of whoever answers in half
    /// of the time, and whose are missing.
    ///
    /// # Errors
    /// Where one of them is away, unless `in_part`.
    pub async fn read(
        &self,
        account: AccountId,
        (filter, before, limit): (&Filter, Option<Uuid>, usize),
        in_part: bool,
        deadline: Deadline,
    ) -> Result<(Vec<Part<Entry>>, Vec<&'static str>), Error> {
        let things = filter.things.as_deref();
        let has = |own: &[Thing]| things.is_none_or(|all| own.iter().any(|one| all.contains(one)));
        let services = [
            ("contact-upsert", &self.contacts, has(&OF_CONTACTS)),
            ("audience", &self.audiences, has(&OF_AUDIENCES)),
        ];
        let wanted = things.unwrap_or_default().iter();
        let wanted: Vec<i32> = wanted.map(|thing| thing.code().into()).collect();
        let request = ReadChangesRequest {
            account_id: account.to_string(),
            things: wanted,
            start_time: filter.from.map(timestamp),
            end_time: filter.until.map(timestamp),
            before_change_id: before.map_or_else(String::new, |id| id.to_string()),
            limit: i32::try_from(limit).unwrap_or(i32::MAX),
        };
        let asked = services.into_iter().filter(|(_, _, has)| *has);
        let time = match in_part {
            true => Deadline::after(deadline.remaining() / 2),
            false => deadline,
        };
        let asked = asked.map(|(name, client, _)| {
            let request = request.clone();
            async move {
                let answer = ask(name, client.clone(), request, time).await;
                answer.map_err(|error| (name, error))
            }
        });
        if !in_part {
            let parts = try_join_all(asked).await.map_err(|(_, error)| error)?;
            return Ok((parts, Vec::new()));
        }
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        for answer in join_all(asked).await {
            match answer {
                Ok(part) => parts.push(part),
                Err((name, _)) => missing.push(name),
            }
        }
        Ok((parts, missing))
    }
}

async fn ask(
    name: &'static str,
    mut client: Client,
    request: ReadChangesRequest,
    deadline: Deadline,
) -> Result<Part<Entry>, Error> {
    let away = |status: tonic::Status| {
        let reason = reason_of(&status).map(weir_reasons::Reason::code);
        tracing::warn!(service = name, code = ?status.code(), reason, "no answer");
        Error::of(name, &status)
    };
    let request = deadline.request(request).map_err(away)?;
    let answer = client.read_changes(request).await.map_err(away)?;
    let answer = answer.into_inner();
    // A newer version may have things that this one does not know; the others are told.
    let items = answer.changes.into_iter().filter_map(|change| {
        let read = entry_of(change);
        if read.is_none() {
            tracing::error!(service = name, "a change can't be read");
        }
        read
    });
    let next = match answer.next_change_id.as_str() {
        "" => None,
        text => Some(read_id(text).ok_or(Error::Unreadable(name))?),
    };
    Ok(Part {
        items: items.map(|entry| (entry.change_id, entry)).collect(),
        next,
    })
}
