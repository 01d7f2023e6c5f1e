//! What the navigation tells beside the names of its sections.

use weir_proto::mapping::v1 as mapping;
use weir_proto::quota::v1 as quota;

use crate::harness::Console;
use crate::stub::ACCOUNT;

const SOURCES: &str = "/weir.mapping.v1.MappingService/ListSources";

fn sources(how_many: u128) -> mapping::ListSourcesResponse {
    let sources = (0..how_many).map(|source| mapping::Source {
        source_id: uuid::Uuid::from_u128(source).to_string(),
        ..Default::default()
    });
    mapping::ListSourcesResponse {
        sources: sources.collect(),
        ..Default::default()
    }
}

impl Console {
    async fn tells(&self, page: &str, cookie: &str, figure: &str) -> bool {
        let page = format!("/accounts/{ACCOUNT}/{page}");
        let answer = self.get(&page, cookie).await;
        assert_eq!(answer.status, 200);
        answer.text.contains(&format!(", {figure}</span>"))
    }

    /// Where a page did not wait for it, one of the next tells it.
    async fn comes_to_tell(&self, page: &str, cookie: &str, figure: &str) {
        weir_testkit::eventually(figure, async || self.tells(page, cookie, figure).await).await;
    }
}

#[tokio::test]
async fn the_navigation_tells_how_many_how_much_and_how_well() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    console.stub.answer(SOURCES, &sources(3));
    let outcome = mapping::SummarizeLogResponse {
        answered_events: 5_000,
        taken_events: 4_400,
        ..Default::default()
    };
    let summary = "/weir.mapping.v1.LogService/SummarizeLog";
    console.stub.answer(summary, &outcome);
    let used = |used, limit| quota::Usage {
        used,
        limit,
        ..Default::default()
    };
    let usage = quota::GetUsageResponse {
        profile: Some(used(71, 100)),
        activity: Some(used(20, 1_000)),
        ..Default::default()
    };
    console
        .stub
        .answer("/weir.quota.v1.QuotaService/GetUsage", &usage);
    for figure in [
        "3 data sources",
        "1,800 events not stored within 24 hours",
        "71% of the limit that is nearer",
    ] {
        console.comes_to_tell("contacts", &cookie, figure).await;
    }
    // Who made one sees it at once, or as soon as it is known.
    console.stub.answer(SOURCES, &sources(4));
    let after = "contacts?done=saved";
    console
        .comes_to_tell(after, &cookie, "4 data sources")
        .await;
}

#[tokio::test]
async fn what_is_not_known_is_not_told_and_breaks_no_page() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    console.stub.take_away("weir.quota");
    console.stub.take_away("weir.mapping.v1.LogService");
    console.stub.answer(SOURCES, &sources(2));
    console
        .comes_to_tell("contacts", &cookie, "2 data sources")
        .await;
    let page = format!("/accounts/{ACCOUNT}/contacts");
    let text = console.get(&page, &cookie).await.text;
    assert!(!text.contains("of the limit that is nearer"), "{text}");
    assert!(!text.contains("not stored within"), "{text}");
}

/// Of one of its sources nobody can say: the sum of the others would be told as that of all.
#[tokio::test]
async fn a_sum_that_lacks_a_source_is_not_told() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    console.stub.answer(SOURCES, &sources(2));
    let summary = "/weir.mapping.v1.LogService/SummarizeLog";
    let outcome = mapping::SummarizeLogResponse {
        answered_events: 9,
        ..Default::default()
    };
    console.stub.answer(summary, &outcome);
    console
        .stub
        .refuse_once(summary, weir_rpc::unavailable("the database"));
    console
        .comes_to_tell("contacts", &cookie, "2 data sources")
        .await;
    let told = console.tells("contacts", &cookie, "9 events not stored within 24 hours");
    assert!(!told.await);
}
