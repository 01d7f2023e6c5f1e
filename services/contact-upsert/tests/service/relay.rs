//! What the other services are told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_server::{ActivityService, ActivityServiceServer};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_server::{AudienceService, AudienceServiceServer};
use weir_servers::TestServers;
use weir_testkit::eventually;

use crate::harness::*;

/// Remembers what it is told; refuses as long as it is said to.
#[derive(Clone)]
struct Recorder {
    told: Arc<watch::Sender<Told>>,
    away: Arc<Mutex<bool>>,
}

#[derive(Default, Clone)]
struct Told {
    /// Newest contact and version by identifier.
    links: HashMap<String, (String, i64)>,
    merges: Vec<(String, String)>,
    audience_merges: Vec<(String, String)>,
    /// Contact, second, message.
    removes: Vec<(String, i64, String)>,
    refused: usize,
}

impl Recorder {
    fn answer(&self, note: impl FnOnce(&mut Told)) -> Result<(), Status> {
        let away = *self.away.lock().unwrap();
        self.told
            .send_modify(|told| if away { told.refused += 1 } else { note(told) });
        if away {
            Err(Status::unavailable("away"))
        } else {
            Ok(())
        }
    }

    async fn start() -> (Self, String) {
        let recorder = Self {
            told: Arc::new(watch::Sender::new(Told::default())),
            away: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = weir_rpc::Server::new("weir.activity.v1.ActivityService")
            .access(weir_testkit::access())
            .service(ActivityServiceServer::new(recorder.clone()))
            .service(AudienceServiceServer::new(recorder.clone()));
        tokio::spawn(server.serve(listener, std::future::pending()));
        (recorder, url)
    }

    async fn until(&self, enough: impl FnMut(&Told) -> bool) -> Told {
        self.told
            .subscribe()
            .wait_for(enough)
            .await
            .unwrap()
            .clone()
    }
}

#[tonic::async_trait]
impl ActivityService for Recorder {
    async fn link_identifiers(
        &self,
        request: Request<activity::LinkIdentifiersRequest>,
    ) -> Result<Response<activity::LinkIdentifiersResponse>, Status> {
        let request = request.into_inner();
        self.answer(|told| {
            for link in request.links {
                assert!(link.link_time.is_some());
                let known = told.links.entry(text(&link.value)).or_default();
                if known.1 < link.version {
                    *known = (text(&link.contact_id), link.version);
                }
            }
            let merges = request.merges.into_iter();
            told.merges
                .extend(merges.map(|merge| (merge.contact_id, merge.survivor_id)));
        })?;
        Ok(Response::new(Default::default()))
    }

    async fn record_activities(
        &self,
        _: Request<activity::RecordActivitiesRequest>,
    ) -> Result<Response<activity::RecordActivitiesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_activities(
        &self,
        _: Request<activity::ListActivitiesRequest>,
    ) -> Result<Response<activity::ListActivitiesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_backlog(
        &self,
        _: Request<activity::GetBacklogRequest>,
    ) -> Result<Response<activity::GetBacklogResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl AudienceService for Recorder {
    async fn merge_contacts(
        &self,
        request: Request<audience::MergeContactsRequest>,
    ) -> Result<Response<audience::MergeContactsResponse>, Status> {
        let merges = request.into_inner().merges.into_iter();
        let merges = merges.map(|merge| (merge.contact_id, merge.survivor_id));
        self.answer(|told| told.audience_merges.extend(merges))?;
        Ok(Response::new(Default::default()))
    }

    async fn create_audience(
        &self,
        _: Request<audience::CreateAudienceRequest>,
    ) -> Result<Response<audience::CreateAudienceResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn get_audience(
        &self,
        _: Request<audience::GetAudienceRequest>,
    ) -> Result<Response<audience::GetAudienceResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_audiences(
        &self,
        _: Request<audience::ListAudiencesRequest>,
    ) -> Result<Response<audience::ListAudiencesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn list_audience_days(
        &self,
        _: Request<audience::ListAudienceDaysRequest>,
    ) -> Result<Response<audience::ListAudienceDaysResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn check_audiences(
        &self,
        _: Request<audience::CheckAudiencesRequest>,
    ) -> Result<Response<audience::CheckAudiencesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn apply_membership_updates(
        &self,
        request: Request<audience::ApplyMembershipUpdatesRequest>,
    ) -> Result<Response<audience::ApplyMembershipUpdatesResponse>, Status> {
        let updates = request.into_inner().updates;
        self.answer(|told| {
            for update in updates {
                assert_eq!(update.mode(), audience::MembershipUpdateMode::Remove);
                assert_eq!(text(&update.audience_id), AUDIENCE);
                let second = update.update_time.unwrap().seconds - FIRST_SECOND;
                let contact = text(&update.contact_id);
                told.removes
                    .push((contact, second, text(&update.message_id)));
            }
        })?;
        Ok(Response::new(Default::default()))
    }
    async fn list_members(
        &self,
        _: Request<audience::ListMembersRequest>,
    ) -> Result<Response<audience::ListMembersResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_merges_are_told_and_then_forgotten() {
    let (recorder, url) = Recorder::start().await;
    let database = TestServers::shared().await.fresh_database().await;
    let service = Service::start_in(database, &url, &url).await;
    let older = service
        .upsert(vec![identify(
            0,
            ("-", "a1"),
            r#"{"str::email":"lana@x.org"}"#,
        )])
        .await;
    let younger = service.upsert(vec![identify(1, ("u1", "a2"), "")]).await;
    let (older, younger) = (contact_id(&older, 0), contact_id(&younger, 0));
    service
        .upsert(vec![identify(
            2,
            ("u1", "-"),
            r#"{"str::email":"lana@x.org"}"#,
        )])
        .await;

    let told = recorder
        .until(|told| !told.audience_merges.is_empty())
        .await;
    let merge = (younger.clone(), older.clone());
    assert_eq!(
        (&told.merges, &told.audience_merges),
        (&vec![merge.clone()], &vec![merge])
    );
    assert_eq!(told.links["a1"], (older.clone(), 1));
    for moved in ["u1", "a2"] {
        assert_eq!(told.links[moved], (older.clone(), 2));
    }
    assert!(
        !told.links.contains_key("lana@x.org"),
        "unique identifiers are nobody else's business"
    );
    service.until_the_outbox_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removes_that_were_kept_are_told_with_their_own_time() {
    let (recorder, url) = Recorder::start().await;
    let database = TestServers::shared().await.fresh_database().await;
    let service = Service::start_in(database, &url, &url).await;
    let kept = service
        .upsert(vec![find(5, ("u1", "-")), find(3, ("u1", "-"))])
        .await;
    assert_eq!((statuses(&kept), kept.units), (vec![Kept; 2], 0));
    // One comes by in the batch that makes its person known.
    let known = service
        .upsert(vec![
            identify(7, ("u1", "-"), ""),
            find(8, ("-", "a2")),
            identify(9, ("u2", "a2"), ""),
        ])
        .await;
    assert_eq!(statuses(&known), [Stored, Kept, Stored]);
    let told = recorder.until(|told| told.removes.len() == 2).await;
    let mut removes = told.removes;
    removes.sort_by_key(|(_, second, _)| *second);
    let expected = [
        (contact_id(&known, 0), 5, "m5".to_owned()),
        (contact_id(&known, 2), 8, "m8".to_owned()),
    ];
    assert_eq!(removes, expected);
    service.until_the_outbox_is_empty().await;
    let kept = "SELECT count(*) FROM kept_removes WHERE account_id = $1";
    assert_eq!(service.count(kept).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_away_is_told_when_it_is_back() {
    let (recorder, url) = Recorder::start().await;
    *recorder.away.lock().unwrap() = true;
    let database = TestServers::shared().await.fresh_database().await;
    let service = Service::start_in(database, &url, &url).await;
    let events = (0..50)
        .map(|n| identify(n, (&format!("u{n}"), "-"), ""))
        .collect();
    assert_eq!(service.upsert(events).await.units, 50);
    recorder.until(|told| told.refused >= 2).await;
    let waiting = "SELECT count(*) FROM outbox WHERE account_id = $1";
    assert_eq!(service.count(waiting).await, 1);
    *recorder.away.lock().unwrap() = false;
    recorder.until(|told| told.links.len() == 50).await;
    service.until_the_outbox_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_could_not_tell_another_does() {
    let lonely = Service::start().await;
    lonely.upsert(vec![identify(0, ("u1", "-"), "")]).await;
    let (recorder, url) = Recorder::start().await;
    let _other = Service::start_in(lonely.database.clone(), &url, &url).await;
    let told = recorder.until(|told| !told.links.is_empty()).await;
    assert_eq!(told.links["u1"].1, 1);
    lonely.until_the_outbox_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_links_nothing_has_nothing_to_tell() {
    let service = Service::start().await;
    service.upsert(vec![identify(0, ("u1", "-"), "")]).await;
    service
        .upsert(vec![identify(1, ("u1", "-"), r#"{"str::first":"Lana"}"#)])
        .await;
    let waiting = "SELECT count(*) FROM outbox WHERE account_id = $1";
    assert_eq!(service.count(waiting).await, 1);
}

/// Else the relay would walk through all accounts that send anything.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_marked_by_what_they_have_to_tell_and_by_nothing_else() {
    let service = Service::start().await;
    let two = vec![identify(0, ("u1", "-"), ""), identify(0, ("-", "a1"), "")];
    let made = service.upsert(two).await;
    let [one, other] = [0, 1].map(|at| contact_id(&made, at));
    let marked = "SELECT count(*) FROM account_work WHERE account_id = $1 AND task = 'outbox'";
    assert_eq!(service.count(marked).await, 1);
    // As when what was told is gone, and the mark with it.
    let client = service.sql().await;
    let forget = "DELETE FROM account_work WHERE account_id = $1 AND task = 'outbox'";
    client.execute(forget, &[&service.account]).await.unwrap();

    // Of which no mark is in mind.
    let replica = service.replica().await;
    let known = identify(1, ("u1", "-"), r#"{"str::first":"Lana"}"#);
    assert_eq!(statuses(&replica.upsert(vec![known]).await), [Stored]);
    replica.preview_merge(&one, &other).await;
    assert_eq!(replica.count(marked).await, 0);
    replica.join(&one, &other, false).await.unwrap();
    assert_eq!(replica.count(marked).await, 1);
}

impl Service {
    async fn until_the_outbox_is_empty(&self) {
        let client = self.sql().await;
        let waiting = "SELECT count(*) FROM outbox WHERE account_id = $1";
        eventually("the outbox is empty", async || {
            let rows = client.query_one(waiting, &[&self.account]).await;
            rows.unwrap().get::<_, i64>(0) == 0
        })
        .await;
    }
}

/// Semantics 3.1.
#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_takes_over_more_than_twenty_others_in_a_day_raises_one_alert() {
    let (_recorder, url) = Recorder::start().await;
    let database = TestServers::shared().await.fresh_database().await;
    let service = Service::start_in(database, &url, &url).await;
    let email = r#"{"str::email":"noemail@shop.org"}"#;
    service.upsert(vec![identify(0, ("-", "a0"), email)]).await;
    for visitor in 1..=24 {
        let ids = ("-", &*format!("a{visitor}"));
        let events = vec![
            identify(visitor, ids, ""),
            identify(100 + visitor, ids, email),
        ];
        service.upsert(events).await;
        if visitor == 20 {
            let told = "SELECT count(*) FROM absorptions WHERE account_id = $1 AND is_told";
            assert_eq!(service.count(told).await, 0);
        }
    }
    let alerts = eventually("the alert is raised", async || {
        let alerts = service.others.alerts();
        (!alerts.is_empty()).then_some(alerts)
    })
    .await;
    let (account, alert) = &alerts[0];
    let contact = contact_id(
        &service.upsert(vec![identify(200, ("-", "a0"), "")]).await,
        0,
    );
    assert_eq!(
        (account, &alert.subject),
        (&service.account.to_string(), &contact)
    );
    assert_eq!(&*alert.value, "noemail@shop.org");
    assert!(alert.message.contains("21 others") && alert.message.contains("str::email"));
    assert!(alerts.iter().all(|(_, other)| other == alert), "one alert");
    let absorbed = "SELECT sum(absorbed)::bigint FROM absorptions WHERE account_id = $1";
    assert_eq!(service.count(absorbed).await, 24);
}
