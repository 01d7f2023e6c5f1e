//! The record of changes (semantics 9.5).

use std::sync::Mutex;

use uuid::Uuid;
use weir_access::{Need, Role};
use weir_proto::access::v1::change_service_client::ChangeServiceClient;
use weir_proto::access::v1::*;
use weir_proto::mapping::v1::*;

use crate::call;
use crate::harness::{Client, Service, Tenant, tenant};
use crate::keeping::{keep, start, track};
use crate::tokens::{tokens, wish};

pub async fn changes(service: &Service, account_id: &str) -> Vec<Change> {
    let request = ListChangesRequest {
        account_id: account_id.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let client = ChangeServiceClient::new(service.channel());
    call!(client, list_changes, request).unwrap().changes
}

/// Calls, and whether each of them left its mark.
struct Marks<'a> {
    service: &'a Service,
    account_id: String,
    methods: Mutex<Vec<&'static str>>,
}

impl Marks<'_> {
    /// The call changes something, and by the same again nothing.
    async fn left<T, E: std::fmt::Debug>(
        &self,
        method: &'static str,
        call: impl AsyncFn() -> Result<T, E>,
    ) {
        let before = changes(self.service, &self.account_id).await.len();
        call().await.unwrap();
        let behind = changes(self.service, &self.account_id).await;
        assert!(behind.len() > before, "{method} leaves nothing");
        let newest = &behind[0];
        assert_eq!(newest.method, method);
        assert_eq!(newest.actor.as_ref().unwrap().kind(), ActorKind::Service);
        assert!(!newest.thing_id.is_empty() || newest.thing() == ChangedThing::Contact);
        let _ = call().await;
        let again = changes(self.service, &self.account_id).await;
        assert_eq!(again.len(), behind.len(), "{method} changed nothing");
        self.methods.lock().unwrap().push(method);
    }

    /// It was called, and recorded elsewhere.
    fn tried(&self, method: &'static str) {
        self.methods.lock().unwrap().push(method);
    }
}

/// What may change something, as it is declared.
fn declared() -> Vec<&'static str> {
    let is_served = |path: &str| {
        path.starts_with("/weir.mapping.v1.") || path.starts_with("/weir.access.v1.TokenService/")
    };
    let changes = |need: &Need| matches!(need, Need::Caller { role, .. } if *role >= Role::Write);
    let all = weir_proto::NEEDS.iter();
    let all = all.filter(|(path, need)| is_served(path) && changes(need));
    // They are for administrators since they tell who may what; they change nothing.
    let all = all.map(|(path, _)| &path[1..]);
    let mut all: Vec<_> = all.filter(|path| !path.contains("/List")).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn whatever_may_change_something_leaves_its_mark_when_it_does_and_only_then() {
    let (service, client) = Service::start().await;
    let tenant = tenant(&client, "Demo").await;
    let marks = Marks {
        service: &service,
        account_id: tenant.account_id.clone(),
        methods: Mutex::default(),
    };
    settings(&marks, &client, &tenant).await;
    mappings(&marks, &client, &tenant).await;
    pauses_and_copies(&marks, &client, &tenant).await;
    keys(&marks, &client, &tenant).await;
    news_and_replays(&marks, &client, &tenant).await;
    tokens_of(&marks, &tenant).await;
    removals(&marks, &client, &tenant).await;
    let mut methods = marks.methods.into_inner().unwrap();
    methods.sort_unstable();
    assert_eq!(methods, declared());
}

async fn settings(marks: &Marks<'_>, client: &Client, tenant: &Tenant) {
    marks
        .left("weir.mapping.v1.MappingService/PutAccount", async || {
            let request = PutAccountRequest {
                name: "Demo".to_owned(),
                notification_address: Some("other@example.org".to_owned()),
                ..Default::default()
            };
            call!(client, put_account, request)
        })
        .await;
    marks
        .left("weir.mapping.v1.MappingService/PutSource", async || {
            let request = PutSourceRequest {
                account_id: tenant.account_id.clone(),
                name: "Website".to_owned(),
                existing_only: Some(true),
                ..Default::default()
            };
            call!(client, put_source, request)
        })
        .await;
    let rename = "weir.mapping.v1.ConfigurationService/RenameSource";
    let configuration = marks.service.configuration();
    marks
        .left(rename, async || {
            let request = RenameSourceRequest {
                account_id: tenant.account_id.clone(),
                source_id: tenant.source_id.clone(),
                name: "Shop".to_owned(),
            };
            call!(configuration, rename_source, request)
        })
        .await;
    marks
        .left("weir.mapping.v1.MappingService/CreateField", async || {
            let request = CreateFieldRequest {
                account_id: tenant.account_id.clone(),
                name: "Shoe size".to_owned(),
                r#type: ValueType::Integer.into(),
                ..Default::default()
            };
            call!(client, create_field, request)
        })
        .await;
    marks
        .left(
            "weir.mapping.v1.ConfigurationService/DeleteField",
            async || {
                let request = DeleteFieldRequest {
                    account_id: tenant.account_id.clone(),
                    field_id: "int:cm:shoe-size".to_owned(),
                    request_id: String::new(),
                };
                call!(configuration, delete_field, request)
            },
        )
        .await;
}

async fn pauses_and_copies(marks: &Marks<'_>, client: &Client, tenant: &Tenant) {
    let configuration = marks.service.configuration();
    let (account_id, source_id) = (tenant.account_id.clone(), tenant.source_id.clone());
    let pause = PauseSourceRequest {
        account_id: account_id.clone(),
        source_id: source_id.clone(),
    };
    marks
        .left(
            "weir.mapping.v1.ConfigurationService/PauseSource",
            async || call!(configuration, pause_source, pause.clone()),
        )
        .await;
    let resume = ResumeSourceRequest {
        account_id: account_id.clone(),
        source_id: source_id.clone(),
    };
    marks
        .left(
            "weir.mapping.v1.ConfigurationService/ResumeSource",
            async || call!(configuration, resume_source, resume.clone()),
        )
        .await;
    let other = PutSourceRequest {
        account_id: account_id.clone(),
        kind: SourceKind::SegmentClassic.into(),
        name: "Classic".to_owned(),
        ..Default::default()
    };
    let other = call!(client, put_source, other).unwrap().source.unwrap();
    let copy = CopyMappingRequest {
        account_id,
        from_source_id: source_id,
        to_source_id: other.source_id,
        ..Default::default()
    };
    marks
        .left(
            "weir.mapping.v1.ConfigurationService/CopyMapping",
            async || call!(configuration, copy_mapping, copy.clone()),
        )
        .await;
}

async fn mappings(marks: &Marks<'_>, client: &Client, tenant: &Tenant) {
    let one = tenant.contact_mapping(&[("email", "str::email", "")]);
    let two = tenant.contact_mapping(&[("mail", "str::email", "")]);
    marks
        .left(
            "weir.mapping.v1.MappingService/PutContactMapping",
            async || call!(client, put_contact_mapping, one.clone()),
        )
        .await;
    let configuration = marks.service.configuration();
    let listed = ListMappingVersionsRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        ..Default::default()
    };
    let listed = call!(configuration, list_mapping_versions, listed).unwrap();
    let version = listed.versions[0].version;
    call!(client, put_contact_mapping, two).unwrap();
    let restore = "weir.mapping.v1.ConfigurationService/RestoreMappingVersion";
    marks
        .left(restore, async || {
            let request = RestoreMappingVersionRequest {
                account_id: tenant.account_id.clone(),
                source_id: tenant.source_id.clone(),
                version,
                ..Default::default()
            };
            call!(configuration, restore_mapping_version, request)
        })
        .await;
    let newest = &changes(marks.service, &tenant.account_id).await[0];
    let [field] = newest.fields.as_slice() else {
        panic!("{newest:?}")
    };
    assert_eq!(field.field, "str::email");
    assert!(
        field
            .before_json
            .as_ref()
            .unwrap()
            .contains(r#""path":"mail""#)
    );
    assert!(
        field
            .after_json
            .as_ref()
            .unwrap()
            .contains(r#""path":"email""#)
    );
    marks
        .left(
            "weir.mapping.v1.MappingService/PutActivityMapping",
            async || call!(client, put_activity_mapping, tenant.activity("Bought")),
        )
        .await;
    let delete = "weir.mapping.v1.MappingService/DeleteActivityMapping";
    marks
        .left(delete, async || {
            let request = DeleteActivityMappingRequest {
                account_id: tenant.account_id.clone(),
                source_id: tenant.source_id.clone(),
                event_name: "Bought".to_owned(),
                request_id: String::new(),
            };
            call!(client, delete_activity_mapping, request)
        })
        .await;
}

async fn keys(marks: &Marks<'_>, client: &Client, tenant: &Tenant) {
    const KEY: &str = "pau-a-key-that-nobody-may-see-anywhere";
    let request = CreateKeyRequest {
        account_id: tenant.account_id.clone(),
        source_id: tenant.source_id.clone(),
        key: KEY.to_owned(),
        ..Default::default()
    };
    marks
        .left("weir.mapping.v1.MappingService/CreateKey", async || {
            call!(client, create_key, request.clone())
        })
        .await;
    let made = call!(client, create_key, request).unwrap();
    let key_id = made.key.unwrap().key_id;
    let configuration = marks.service.configuration();
    let request_id = Uuid::new_v4().to_string();
    marks
        .left(
            "weir.mapping.v1.ConfigurationService/RotateKey",
            async || {
                let request = RotateKeyRequest {
                    account_id: tenant.account_id.clone(),
                    source_id: tenant.source_id.clone(),
                    request_id: request_id.clone(),
                    ..Default::default()
                };
                call!(configuration, rotate_key, request)
            },
        )
        .await;
    marks
        .left("weir.mapping.v1.MappingService/RevokeKey", async || {
            let request = RevokeKeyRequest {
                account_id: tenant.account_id.clone(),
                key_id: key_id.clone(),
            };
            call!(client, revoke_key, request)
        })
        .await;
    let told = format!("{:?}", changes(marks.service, &tenant.account_id).await);
    assert!(!told.contains(KEY), "no secrets");
}

async fn news_and_replays(marks: &Marks<'_>, client: &Client, tenant: &Tenant) {
    let raise = RaiseAlertsRequest {
        account_id: tenant.account_id.clone(),
        alerts: vec![NewAlert {
            kind: AlertKind::SourceSilent.into(),
            subject: tenant.source_id.clone(),
            message: "Silence".to_owned(),
            ..Default::default()
        }],
    };
    let alerts = marks.service.alerts();
    call!(alerts, raise_alerts, raise).unwrap();
    let listed = ListAlertsRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    let alert_id = call!(alerts, list_alerts, listed).unwrap().alerts[0]
        .alert_id
        .clone();
    marks
        .left("weir.mapping.v1.AlertService/ResolveAlert", async || {
            let request = ResolveAlertRequest {
                account_id: tenant.account_id.clone(),
                alert_id: alert_id.clone(),
            };
            call!(alerts, resolve_alert, request)
        })
        .await;
    let request_id = Uuid::new_v4().to_string();
    marks
        .left("weir.mapping.v1.AlertService/SendTestMail", async || {
            let request = SendTestMailRequest {
                account_id: tenant.account_id.clone(),
                request_id: request_id.clone(),
            };
            call!(alerts, send_test_mail, request)
        })
        .await;
    let _ = client;
    let replays = marks.service.replays();
    keep(&replays, tenant, vec![track(1, 10, 422, "NO_MAPPING")]).await;
    let request = start(tenant, KeptEventFilter::default(), "one");
    marks
        .left("weir.mapping.v1.ReplayService/StartReplay", async || {
            call!(replays, start_replay, request.clone())
        })
        .await;
    let replay_id = changes(marks.service, &tenant.account_id).await[0]
        .thing_id
        .clone();
    marks
        .left("weir.mapping.v1.ReplayService/StopReplay", async || {
            let request = StopReplayRequest {
                account_id: tenant.account_id.clone(),
                replay_id: replay_id.clone(),
            };
            call!(replays, stop_replay, request)
        })
        .await;
    marks
        .left("weir.mapping.v1.ReplayService/ResumeReplay", async || {
            let request = ResumeReplayRequest {
                account_id: tenant.account_id.clone(),
                replay_id: replay_id.clone(),
            };
            call!(replays, resume_replay, request)
        })
        .await;
}

async fn tokens_of(marks: &Marks<'_>, tenant: &Tenant) {
    let tokens = tokens(marks.service);
    let request = CreateTokenRequest {
        request_id: Uuid::new_v4().to_string(),
        ..wish("reports", weir_proto::access::v1::Role::Read, &[tenant])
    };
    marks
        .left("weir.access.v1.TokenService/CreateToken", async || {
            call!(tokens, create_token, request.clone())
        })
        .await;
    let token_id = changes(marks.service, &tenant.account_id).await[0]
        .thing_id
        .clone();
    marks
        .left("weir.access.v1.TokenService/RevokeToken", async || {
            let request = RevokeTokenRequest {
                token_id: token_id.clone(),
                ..Default::default()
            };
            call!(tokens, revoke_token, request)
        })
        .await;
    // In people.rs, for each token.
    marks.tried("weir.access.v1.TokenService/RevokeTokensByName");
}

async fn removals(marks: &Marks<'_>, client: &Client, tenant: &Tenant) {
    let _ = client;
    let configuration = marks.service.configuration();
    marks
        .left(
            "weir.mapping.v1.ConfigurationService/DeleteSource",
            async || {
                let request = DeleteSourceRequest {
                    account_id: tenant.account_id.clone(),
                    source_id: tenant.source_id.clone(),
                };
                call!(configuration, delete_source, request)
            },
        )
        .await;
    let method = "weir.mapping.v1.ConfigurationService/DeleteAccount";
    for _ in 0..2 {
        let request = DeleteAccountRequest {
            account_id: tenant.account_id.clone(),
            name: "Demo".to_owned(),
            ..Default::default()
        };
        call!(configuration, delete_account, request).unwrap();
    }
    // Its own record goes with the account.
    let of_none = changes(marks.service, "").await;
    let [gone] = of_none.as_slice() else {
        panic!("{of_none:?}")
    };
    assert_eq!(
        (&*gone.method, &gone.thing_id),
        (method, &tenant.account_id)
    );
    marks.tried(method);
}
