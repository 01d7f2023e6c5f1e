//! Ids that nobody knows.

use tonic::{Code, Status};
use uuid::Uuid;
use weir_proto::activity::v1::{
    GetBacklogRequest, IdentifierLink, LinkIdentifiersRequest, ListActivitiesRequest,
    RecordActivitiesRequest,
};
use weir_proto::ledger::v1::{CloseBatchesRequest, FenceUsageRequest};
use weir_proto::settings::v1::ContactMerge;
use weir_reasons::Reason;

use crate::harness::*;

impl Weir {
    async fn try_list(&self, contact: Uuid) -> Result<usize, Status> {
        let request = ListActivitiesRequest {
            account_id: self.account.to_string(),
            contact_id: contact.to_string(),
            page_size: 0,
            page_token: String::new(),
        };
        let answer = self.client.clone().list_activities(request).await?;
        Ok(answer.into_inner().activities.len())
    }

    async fn try_backlog(&self) -> Result<i64, Status> {
        let request = GetBacklogRequest {
            account_id: self.account.to_string(),
            ..GetBacklogRequest::default()
        };
        let answer = self.client.clone().get_backlog(request).await?;
        Ok(answer.into_inner().waiting)
    }

    async fn try_link(&self, links: Vec<IdentifierLink>) -> Result<i64, Status> {
        let request = LinkIdentifiersRequest {
            account_id: self.account.to_string(),
            links,
            merges: Vec::new(),
        };
        let answer = self.client.clone().link_identifiers(request).await?;
        Ok(answer.into_inner().attached)
    }

    async fn try_join(&self) -> Result<i64, Status> {
        let request = LinkIdentifiersRequest {
            account_id: self.account.to_string(),
            links: Vec::new(),
            merges: vec![ContactMerge {
                contact_id: Uuid::now_v7().to_string(),
                survivor_id: Uuid::now_v7().to_string(),
                version: 1,
            }],
        };
        let answer = self.client.clone().link_identifiers(request).await?;
        Ok(answer.into_inner().attached)
    }

    async fn try_fence(&self) -> Result<i64, Status> {
        let request = FenceUsageRequest {
            account_id: self.account.to_string(),
            epoch: 1,
            from_window: window(),
            ..FenceUsageRequest::default()
        };
        let answer = self.ledger.clone().fence_usage(request).await?;
        Ok(answer.into_inner().epoch)
    }

    async fn try_close(&self) -> Result<Vec<i64>, Status> {
        let request = CloseBatchesRequest {
            account_id: self.account.to_string(),
            batches: Vec::new(),
        };
        let answer = self.ledger.clone().close_batches(request).await?;
        Ok(answer.into_inner().units)
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, Option<Reason>) {
    let status = answer.unwrap_err();
    (status.code(), weir_rpc::reason_of(&status))
}

#[tokio::test]
async fn an_account_that_nobody_knows_is_said_to_be_unknown_and_stays_so() {
    let weir = start().await;
    let unknown = weir.other_account();
    weir.others.set_account(unknown.account, false);
    let expected = (Code::NotFound, Some(Reason::AccountUnknown));
    assert_eq!(refused(unknown.try_list(Uuid::now_v7()).await), expected);
    assert_eq!(refused(unknown.try_backlog().await), expected);
    assert_eq!(refused(unknown.try_fence().await), expected);
    assert_eq!(refused(unknown.try_close().await), expected);
    assert_eq!(refused(unknown.try_link(Vec::new()).await), expected);
    let link = user_link("lana", Uuid::now_v7(), 1);
    assert_eq!(refused(unknown.try_link(vec![link]).await), expected);
    assert_eq!(refused(unknown.try_join().await), expected);
    for events in [Vec::new(), vec![of_user("lana", "m")]] {
        for probe_only in [false, true] {
            let request = RecordActivitiesRequest {
                probe_only,
                ..unknown.request(events.clone())
            };
            assert_eq!(refused(unknown.send(request).await), expected);
        }
    }
    // Asking left nothing that would make it known.
    assert_eq!(refused(unknown.try_backlog().await), expected);
    let rows = "SELECT (SELECT count(*) FROM activity.accounts WHERE account_id = $1)
        + (SELECT count(*) FROM activity.identifiers WHERE account_id = $1)";
    let sql = weir.sql().await;
    let row = sql.query_one(rows, &[&unknown.account]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);

    // One that mapping knows, and that has nothing here yet.
    let fresh = weir.other_account();
    assert_eq!(fresh.try_backlog().await.unwrap(), 0);
    assert_eq!(fresh.try_list(Uuid::now_v7()).await.unwrap(), 0);
    // One that is known here is known, whatever mapping says.
    weir.record(vec![of_user("lana", "m")]).await;
    weir.others.set_account(weir.account, false);
    assert_eq!(weir.try_backlog().await.unwrap(), 1);
}

#[tokio::test]
async fn a_contact_that_nobody_knows_is_said_to_be_unknown() {
    let weir = start().await;
    let [lana, oleg, other, late] = [(); 4].map(|()| Uuid::now_v7());
    weir.record(vec![of_contact(lana, "m")]).await;
    weir.change(Vec::new(), &[(other, oleg)]).await;
    let theirs = weir.other_account();
    theirs.record(vec![of_user("somebody", "m")]).await;
    for account in [weir.account, theirs.account] {
        weir.others.take_contacts(account, &[lana, oleg, other]);
    }
    // What is known here is not asked for.
    for (contact, activities) in [(lana, 1), (oleg, 0), (other, 0)] {
        assert_eq!(weir.try_list(contact).await.unwrap(), activities);
    }
    // A contact of which no word has come yet: contact-upsert knows it.
    assert_eq!(weir.try_list(late).await.unwrap(), 0);
    let unknown = (Code::NotFound, Some(Reason::ContactUnknown));
    for contact in [lana, oleg, other] {
        assert_eq!(refused(theirs.try_list(contact).await), unknown);
    }
}

#[tokio::test]
async fn while_the_others_are_away_nobody_is_said_to_be_unknown() {
    let weir = start().await;
    weir.others.set_away(true);
    let away = (Code::Unavailable, Some(Reason::ServiceAway));
    assert_eq!(refused(weir.try_backlog().await), away);
    assert_eq!(refused(weir.try_list(Uuid::now_v7()).await), away);
    // The first batch of an account has to ask, as the first of its links.
    let lana = Uuid::now_v7();
    let first = weir.request(vec![of_contact(lana, "m")]);
    assert_eq!(refused(weir.send(first.clone()).await), away);
    let link = vec![user_link("lana", lana, 1)];
    assert_eq!(refused(weir.try_link(link).await), away);
    weir.others.set_away(false);
    let probe = RecordActivitiesRequest {
        probe_only: true,
        ..first
    };
    assert_eq!(weir.send(probe).await.unwrap().0, [NotFunded]);
    weir.others.set_away(true);
    // All others ask nobody.
    assert_eq!(weir.record(vec![of_contact(lana, "m")]).await, [Stored]);
    assert_eq!(refused(weir.try_list(Uuid::now_v7()).await), away);
    assert_eq!(weir.try_list(lana).await.unwrap(), 1);
    let expected = weir.others.asked();
    weir.link(vec![user_link("lana", lana, 1)]).await;
    assert_eq!(weir.record(vec![of_user("lana", "n")]).await, [Stored]);
    assert_eq!(weir.usage().await, 2);
    let asked = weir.others.asked();
    assert_eq!(asked, expected);
}
