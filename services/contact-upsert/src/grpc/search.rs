//! Contacts, searched for, and counted by what they have.

use prost::Message as _;
use tonic::{Request, Response, Status};
use weir_proto::contact::v1::search_service_server::SearchService;
use weir_proto::contact::v1::{
    ContactMatch, CountFieldValuesRequest, CountFieldValuesResponse, SearchContactsRequest,
    SearchContactsResponse, SearchKey,
};
use weir_rpc::wire::id;
use weir_rpc::{Deadline, MAX_PAGE_BYTES, Page, invalid, page_size, page_start};

use super::convert::field_of;
use super::profile::contact_of;
use crate::app::{App, COUNTING, Match, Search, Searched, profile_of};
use crate::domain::search::{Key, Place, Query};

pub(super) struct Searches {
    pub app: App,
}

#[tonic::async_trait]
impl SearchService for Searches {
    async fn search_contacts(
        &self,
        request: Request<SearchContactsRequest>,
    ) -> Result<Response<SearchContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let size = page_size(request.page_size)?;
        let search = Search {
            account: id("account_id", &request.account_id)?,
            query: Query::read(&request.query).map_err(|what| invalid("query", what))?,
            keys: keys_of(&request.keys)?,
            after: page_start(&request.page_token)?,
            wanted: size + 1,
        };
        let mut found = Found {
            size,
            matches: Vec::new(),
            bytes: 0,
            last: None,
            more: false,
        };
        let is_whole = self.app.is_searchable(search.account, deadline).await?;
        let searched = self
            .app
            .search(&search, |place, one| found.take(place, one));
        let is_stopped = searched.await? == Searched::Stopped;
        let page = Page {
            items: found.matches,
            next: found.last.filter(|_| found.more || is_stopped),
        };
        Ok(Response::new(SearchContactsResponse {
            next_page_token: page.next_token(),
            matches: page.items,
            partial: !is_whole,
        }))
    }

    async fn count_field_values(
        &self,
        request: Request<CountFieldValuesRequest>,
    ) -> Result<Response<CountFieldValuesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let field = field_of("field_id", &request.field_id)?;
        let counted = self
            .app
            .count_values(account, field.as_str(), COUNTING, deadline);
        let counted = counted.await?;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Response::new(CountFieldValuesResponse {
            contacts: number(counted.contacts),
            seen_contacts: number(counted.seen),
            complete: counted.complete,
        }))
    }
}

/// A page that fills.
struct Found {
    size: usize,
    matches: Vec<ContactMatch>,
    bytes: usize,
    /// Behind what stands in the page.
    last: Option<Place>,
    more: bool,
}

impl Found {
    fn take(&mut self, place: Place, one: Option<Match<'_>>) -> bool {
        if let Some(one) = one {
            let message = match_of(&one);
            self.bytes += message.encoded_len();
            let is_full = self.matches.len() == self.size
                || (self.bytes > MAX_PAGE_BYTES && !self.matches.is_empty());
            if is_full {
                self.more = true;
                return false;
            }
            self.matches.push(message);
        }
        self.last = Some(place);
        true
    }
}

fn match_of(one: &Match<'_>) -> ContactMatch {
    let key = match one.key {
        Key::Name => SearchKey::Name,
        Key::Email => SearchKey::Email,
        Key::Phone => SearchKey::Phone,
        Key::External => SearchKey::ExternalId,
        Key::User => SearchKey::UserId,
        Key::Unique => SearchKey::UniqueIdentifier,
        Key::Anonymous => SearchKey::AnonymousId,
    };
    ContactMatch {
        contact: Some(contact_of(&profile_of(one.contact), None)),
        key: key.into(),
        value: one.value.to_owned(),
    }
}

/// Every number, or the first that is no key is named.
fn keys_of(numbers: &[i32]) -> Result<Vec<Key>, Status> {
    let keys = numbers.iter().enumerate();
    let keys = keys.map(|(at, number)| {
        let key = SearchKey::try_from(*number).ok().and_then(key_of);
        key.ok_or_else(|| invalid(&format!("keys[{at}]"), "must be a key that there is"))
    });
    keys.collect()
}

fn key_of(key: SearchKey) -> Option<Key> {
    Some(match key {
        SearchKey::Name => Key::Name,
        SearchKey::Email => Key::Email,
        SearchKey::Phone => Key::Phone,
        SearchKey::ExternalId => Key::External,
        SearchKey::UserId => Key::User,
        SearchKey::UniqueIdentifier => Key::Unique,
        SearchKey::AnonymousId => Key::Anonymous,
        SearchKey::Unspecified => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_no_key_is_refused() {
        let name = SearchKey::Name as i32;
        assert!(keys_of(&[name]).is_ok());
        for wrong in [0, 99] {
            let refused = keys_of(&[name, wrong]).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
            assert!(refused.message().contains("keys[1]"), "{refused}");
        }
    }
}
