//! Sources that are paused, for `status`.

use tonic::Status;
use weir_proto::mapping::v1::configuration_service_client::ConfigurationServiceClient;
use weir_proto::mapping::v1::{ListPausedSourcesRequest, PausedSource, SourceKind};
use weir_stack::Channel;

/// Nothing where nothing is paused.
pub async fn status(channel: Channel) -> Result<Vec<String>, Status> {
    let mut client = ConfigurationServiceClient::new(channel);
    let answer = client
        .list_paused_sources(ListPausedSourcesRequest::default())
        .await;
    let sources = answer?.into_inner().sources;
    Ok(sources.iter().map(line).collect())
}

fn line(paused: &PausedSource) -> String {
    let source = paused.source.clone().unwrap_or_default();
    let since = source.pause_time.as_ref();
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    let gives_up = match source.kind() {
        SourceKind::SegmentActions => "Segment gives an event up after four hours",
        _ => "SDKs give events up after their retries",
    };
    format!(
        "PAUSED: {} of {}{since}; {gives_up} (ResumeSource)",
        source.name, paused.account_name
    )
}

#[cfg(test)]
mod tests {
    use weir_proto::mapping::v1::Source;

    use super::*;

    #[test]
    fn a_source_that_is_paused_is_named_with_what_may_be_lost() {
        let mut source = Source {
            name: "Segment".to_owned(),
            kind: SourceKind::SegmentActions.into(),
            ..Source::default()
        };
        source.pause_time = Some(prost_types::Timestamp {
            seconds: 1_752_127_740,
            nanos: 0,
        });
        let paused = PausedSource {
            source: Some(source),
            account_name: "shop".to_owned(),
        };
        assert_eq!(
            line(&paused),
            "PAUSED: Segment of shop since 2025-07-10T06:09:00Z; Segment gives an event up \
             after four hours (ResumeSource)"
        );
    }
}
