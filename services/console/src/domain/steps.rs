//! What somebody does at Segment, step by step, and a line that does it by hand.

use serde_json::json;

use super::Time;
use super::model::Kind;

/// Segment's own steps (the words are those of its screens).
pub fn of(kind: Kind, edge_url: &str) -> Vec<String> {
    let steps: &[&str] = match kind {
        Kind::Actions => &[
            "In Segment, navigate to Connections > Destinations and click Add destination.",
            "Search for and select Ortto (Actions) from the catalog, then click Add destination.",
            "Select the source you want this destination to receive data from.",
            "Enter a name for the destination and click Create destination.",
            "Open its Settings tab and paste the API key there.",
            "In its Mappings tab edit a preset, or click New Mapping. We recommend an Upsert Contact Profile action to begin with.",
        ],
        Kind::Classic => &[
            "In the SDK's settings, write the API key where it asks for the write key.",
            "Set its host (apiHost, host or endpoint) to the address below.",
            "Call identify once, so that traits arrive which can be mapped.",
        ],
    };
    let mut steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    if kind == Kind::Classic {
        steps.push(format!("Events are taken at {edge_url}/classic/v1."));
    }
    steps
}

/// A line for a shell that sends one identify, as of now.
pub fn curl(kind: Kind, edge_url: &str, key: &str, now: Time) -> String {
    let time = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let message_id = format!("from-the-console-{}", now.timestamp());
    let traits = json!({
        "firstName": "Lana",
        "lastName": "Romeijn",
        "email": "lana.romeijn@example.org",
        "birthday": "28-07-1980",
        "active": true,
    });
    let (path, credential, body) = match kind {
        Kind::Actions => (
            "/v1/identify",
            format!("-H 'authorization: Bearer {key}'"),
            json!([{
                "user_id": "lana.romeijn.myonlinestore-studio",
                "message_id": message_id,
                "timestamp": time,
                "traits": traits,
            }]),
        ),
        Kind::Classic => (
            "/classic/v1/identify",
            format!("-u '{key}:'"),
            json!({
                "userId": "lana.romeijn.myonlinestore-studio",
                "messageId": message_id,
                "timestamp": time,
                "traits": traits,
            }),
        ),
    };
    format!(
        "curl {edge_url}{path} {credential} \\\n  -H 'content-type: application/json' \\\n  -d '{body}'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_carries_the_key_and_the_present_time() {
        let now: Time = "2026-11-27T04:20:00Z".parse().unwrap();
        for (kind, path) in [
            (Kind::Actions, "/v1/identify"),
            (Kind::Classic, "/classic/v1/identify"),
        ] {
            let line = curl(kind, "http://127.0.0.1:8080", "pau-key", now);
            assert!(line.contains("pau-key"));
            assert!(line.contains(path));
            assert!(line.contains("2026-11-27T04:20:00Z"));
            // Between single quotes nothing of it means anything to a shell.
            let body = line.split("-d '").nth(1).unwrap();
            assert_eq!(body.matches('\'').count(), 1);
        }
        assert!(of(Kind::Actions, "").len() >= 5);
    }
}
