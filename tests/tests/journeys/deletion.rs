//! The end of an account: everything of it, everywhere, whatever is killed meanwhile.

use serde_json::{Value, json};
use weir_proto::mapping::v1::{
    DeleteAccountRequest, DeletionState, GetAccountDeletionRequest, RenameSourceRequest,
};
use weir_stack::StackOptions;
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone_with};

const WHO: &str = "whoever-goes";

/// In how many rows of all tables, and keys of Redis, the account or its people are found.
async fn traces(weir: &Weir, account: &Account) -> Vec<String> {
    let tables = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('mapping', 'contact', 'activity', 'audience')
          AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname <> 'account_deletions'";
    let mut found = Vec::new();
    for table in weir.query(tables).await {
        let sql = format!(
            "SELECT count(*)::text FROM {table} t
             WHERE t::text LIKE '%{}%' OR t::text LIKE '%{WHO}%'",
            account.account_id
        );
        let count = weir.query(&sql).await.remove(0);
        if count != "0" {
            found.push(format!("{count} in {table}"));
        }
    }
    let client = redis::Client::open(weir.stack.redis_url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("*{}*", account.account_id))
        .query_async(&mut connection)
        .await
        .unwrap();
    found.extend(keys);
    found
}

#[test]
fn nothing_is_left_of_an_account_that_was_deleted() {
    let options = StackOptions::temporary().env("WEIR_ERASURE_DELAY_SECONDS", "3");
    journey_alone_with(options, async |weir| {
        let gone = Account::create(weir, Plan::default()).await;
        let stays = Account::create(weir, Plan::default()).await;
        for account in [&gone, &stays] {
            let audience = account.audience("Newsletter").await;
            let people: Vec<Value> = (0..200)
                .map(|n| {
                    let member = json!({"audience": {"mode": "add", "id": audience}});
                    let name = format!("{WHO}-{n}");
                    let traits = json!({"firstName": name, "email": format!("{name}@example.org")});
                    with(identify(&name, traits), member)
                })
                .collect();
            let deeds: Vec<Value> = (0..400).map(|n| track(&format!("{WHO}-{n}"))).collect();
            account.identify(&people).await;
            account.track(&deeds).await;
        }
        eventually("samples are there", async || {
            !gone.samples("").await.is_empty()
        })
        .await;

        let mut configuration = weir.configuration();
        let request = DeleteAccountRequest {
            account_id: gone.account_id.clone(),
            name: gone.name.clone(),
            request_id: String::new(),
        };
        configuration.delete_account(request).await.unwrap();
        let rename = RenameSourceRequest {
            account_id: gone.account_id.clone(),
            source_id: gone.source_id.clone(),
            name: "Other".to_owned(),
        };
        let error = configuration.rename_source(rename).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::NotFound);
        // Whoever believes that the account lives forgets it with its memory, and whoever erases
        // is killed in the middle of it.
        for process in [
            "contact-upsert",
            "activity",
            "audience",
            "quota",
            "edge",
            "mapping",
        ] {
            weir.kill(process).await;
        }
        weir.kill("mapping").await;
        let mut configuration = weir.configuration();
        eventually("the account is erased", async || {
            let request = GetAccountDeletionRequest {
                account_id: gone.account_id.clone(),
            };
            let answer = configuration.get_account_deletion(request).await.ok()?;
            let deletion = answer.into_inner().deletion.unwrap();
            (deletion.state() == DeletionState::Done).then_some(())
        })
        .await;
        let found: Vec<String> = traces(weir, &gone).await;
        let of_gone: Vec<&String> = found
            .iter()
            .filter(|trace| trace.contains(&gone.account_id))
            .collect();
        assert!(of_gone.is_empty(), "{of_gone:?}");
        let left = format!(
            "SELECT count(*)::text FROM contact.contacts WHERE account_id = '{}'",
            gone.account_id
        );
        assert_eq!(weir.query(&left).await, ["0"]);
        // Late retries bring nobody back, and the neighbour has everything.
        let late = gone
            .identify(&[identify(WHO, json!({"firstName": "Late"}))])
            .await;
        assert_eq!(late.status, 401);
        assert_eq!(stays.contacts().await.len(), 200);
    });
}
