//! One batch, seen by who collects traces: one trace, through every process that had a part in it,
//! into PostgreSQL and Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde_json::json;
use weir_stack::StackOptions;
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, eventually, journey_alone_with};

use crate::collector::collect;

/// A span: who made it, what it is called, and what it lies in.
#[derive(Debug, Clone)]
struct Seen {
    trace: Vec<u8>,
    service: String,
    name: String,
    id: Vec<u8>,
    parent: Vec<u8>,
}

/// By trace.
type Traces = BTreeMap<Vec<u8>, Vec<Seen>>;

#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Traces>>);

impl Collector {
    fn take(&self, all: ResourceSpans) {
        let attributes = all.resource.unwrap_or_default().attributes;
        let name = attributes.into_iter().find(|one| one.key == "service.name");
        let name = name.and_then(|one| one.value?.value);
        let Some(Value::StringValue(service)) = name else {
            panic!("whose spans are these?");
        };
        let mut traces = self.0.lock().unwrap();
        for span in all.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            traces.entry(span.trace_id.clone()).or_default().push(Seen {
                trace: span.trace_id,
                service: service.clone(),
                name: span.name,
                id: span.span_id,
                parent: span.parent_span_id,
            });
        }
    }

    /// What the trace has that has all of these, each as `service name`, once all is known that its
    /// spans lie in: processes tell theirs when they come to it.
    fn of(&self, wanted: &[&str]) -> Option<Vec<Seen>> {
        let traces = self.0.lock().unwrap();
        let is_whole = |spans: &&Vec<Seen>| {
            let said: BTreeSet<String> = spans
                .iter()
                .map(|span| format!("{} {}", span.service, span.name))
                .collect();
            wanted.iter().all(|one| said.contains(*one)) && roots(spans).len() == 1
        };
        traces.values().find(is_whole).cloned()
    }

    /// What spans of the edge of this name lie in, once all of that is known.
    fn parents_of(&self, name: &str) -> Option<BTreeSet<String>> {
        let traces = self.0.lock().unwrap();
        let all = || traces.values().flatten();
        let names: BTreeMap<&Vec<u8>, &String> = all().map(|span| (&span.id, &span.name)).collect();
        let lies_in = all().filter(|span| span.name == name && !span.parent.is_empty());
        let parents = lies_in.map(|span| Some((*names.get(&span.parent)?).clone()));
        parents.collect()
    }
}

fn roots(spans: &[Seen]) -> Vec<&Seen> {
    let ids: BTreeSet<&Vec<u8>> = spans.iter().map(|span| &span.id).collect();
    let is_root = |span: &&Seen| !ids.contains(&span.parent);
    spans.iter().filter(is_root).collect()
}

#[test]
fn a_batch_is_one_trace_through_every_process_into_its_stores() {
    let collector = Collector::default();
    let taking = collector.clone();
    let endpoint = collect(move |spans| taking.take(spans));
    let options = StackOptions {
        log: Some("info,weir_rpc=debug".to_owned()),
        ..StackOptions::temporary()
    };
    let options = options.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    journey_alone_with(options, async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let vip = account.audience("VIP").await;
        let member = json!({"audience": {"mode": "add", "id": vip}});
        let person = with(identify("lana", json!({"firstName": "Lana"})), member);
        assert_eq!(account.identify(&[person]).await.statuses(), [200]);
        let with_traits = with(track("lana"), json!({"traits": {"lastName": "R"}}));
        assert_eq!(account.track(&[with_traits]).await.statuses(), [200]);

        let identified = [
            "weir-edge batch",
            "weir-mapping rpc",
            "weir-quota rpc",
            "weir-quota Redis",
            "weir-contact-upsert rpc",
            "weir-contact-upsert PostgreSQL",
            "weir-audience rpc",
            "weir-audience PostgreSQL",
        ];
        let tracked = [
            "weir-edge batch",
            "weir-mapping rpc",
            "weir-quota rpc",
            "weir-contact-upsert PostgreSQL",
            "weir-activity rpc",
            "weir-activity PostgreSQL",
        ];
        for wanted in [&identified[..], &tracked] {
            let spans = eventually("a trace has all of its hops", async || collector.of(wanted));
            let spans = spans.await;
            assert_eq!(roots(&spans)[0].service, "weir-edge");
            let trace: String = spans[0].trace.iter().map(|b| format!("{b:02x}")).collect();
            let log = weir.stack.folder().join("log/mapping.log");
            let log = std::fs::read_to_string(log).unwrap();
            assert!(log.contains(&trace), "lines of a trace name it");
        }

        // Of those that waited, each begins where another one ends, and lies in its own request.
        let names: Vec<String> = (0..200).map(|n| format!("person {n}")).collect();
        let tracks = names.iter().map(async |name| {
            let answer = account.track(&[track(name)]).await;
            assert_eq!(answer.statuses(), [200]);
        });
        futures_util::future::join_all(tracks).await;
        let parents = eventually("what batches lie in is told", async || {
            collector.parents_of("batch")
        });
        assert!(!parents.await.contains("batch"));
    });
}
