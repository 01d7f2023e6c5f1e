//! What somebody does at Segment, step by step, and a line that does it by hand.

use serde_json::json;

use super::Time;
use super::model::Kind;

/// Where events are taken, without slashes at their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doors {
    pub edge: String,
    /// The listener for SDKs; none where the edge has one address alone that is known.
    pub classic: Option<String>,
}

/// Of Segment (Actions) Segment's own steps (the words are those of its screens); of a classic
/// source what is written into an SDK.
pub fn of(kind: Kind, doors: &Doors) -> Vec<String> {
    let steps: &[&str] = match kind {
        Kind::Actions => &[
            "In Segment, navigate to Connections > Destinations and click Add destination.",
            "Search for and select Ortto (Actions) from the catalog, then click Add destination.",
            "Select the source you want this destination to receive data from.",
            "Enter a name for the destination and click Create destination.",
            "Open its Settings tab and paste the API key there.",
            "In its Mappings tab edit a preset, or click New Mapping. We recommend an Upsert Contact Profile action to begin with.",
        ],
        Kind::Classic => {
            let host = match &doors.classic {
                Some(classic) => format!(
                    "Set its host (apiHost, host or endpoint) to {classic}: it adds /v1/batch by \
                     itself."
                ),
                None => format!(
                    "Set its host (apiHost, host or endpoint) to {0}/classic: it adds /v1/batch by \
                     itself. Where it has a path of its own (analytics-node), its host is {0} and \
                     its path /classic/v1/batch.",
                    doors.edge
                ),
            };
            return vec![
                "In the SDK's settings, write the API key where it asks for the write key."
                    .to_owned(),
                host,
                "Call identify once, so that traits arrive which can be mapped.".to_owned(),
            ];
        }
    };
    let events = format!("Events are taken at {}.", doors.edge);
    let steps = steps.iter().map(ToString::to_string);
    steps.chain([events]).collect()
}

/// A line for a shell that sends one identify, as of now.
pub fn curl(kind: Kind, doors: &Doors, key: &str, now: Time) -> String {
    let time = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let message_id = format!("from-the-console-{}", now.timestamp());
    let traits = json!({
        "firstName": "Lana",
        "lastName": "Romeijn",
        "email": "lana.romeijn@example.org",
        "birthday": "28-07-1980",
        "active": true,
    });
    let (address, credential, body) = match kind {
        Kind::Actions => (
            format!("{}/v1/identify", doors.edge),
            format!("-H 'authorization: Bearer {key}'"),
            json!([{
                "user_id": "lana.romeijn.myonlinestore-studio",
                "message_id": message_id,
                "timestamp": time,
                "traits": traits,
            }]),
        ),
        Kind::Classic => (
            match &doors.classic {
                Some(classic) => format!("{classic}/v1/identify"),
                None => format!("{}/classic/v1/identify", doors.edge),
            },
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
        "curl {address} {credential} \\\n  -H 'content-type: application/json' \\\n  -d '{body}'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors(classic: Option<&str>) -> Doors {
        Doors {
            edge: "http://127.0.0.1:8080".to_owned(),
            classic: classic.map(str::to_owned),
        }
    }

    #[test]
    fn the_line_carries_the_key_and_the_present_time() {
        let now: Time = "2026-11-27T04:20:00Z".parse().unwrap();
        let two = doors(Some("http://127.0.0.1:8090"));
        for (kind, doors, address) in [
            (Kind::Actions, &two, "http://127.0.0.1:8080/v1/identify "),
            (Kind::Classic, &two, "http://127.0.0.1:8090/v1/identify "),
            (
                Kind::Classic,
                &doors(None),
                "http://127.0.0.1:8080/classic/v1/identify ",
            ),
        ] {
            let line = curl(kind, doors, "pau-key", now);
            assert!(line.contains("pau-key"));
            assert!(line.contains(address), "{line}");
            assert!(line.contains("2026-11-27T04:20:00Z"));
            // Between single quotes nothing of it means anything to a shell.
            let body = line.split("-d '").nth(1).unwrap();
            assert_eq!(body.matches('\'').count(), 1);
        }
        assert!(of(Kind::Actions, &two).len() >= 5);
    }

    #[test]
    fn an_sdk_is_told_the_address_to_which_it_adds_its_own_path() {
        let told = |doors: &Doors| of(Kind::Classic, doors).join(" ");
        let two = told(&doors(Some("http://127.0.0.1:8090")));
        assert!(two.contains("to http://127.0.0.1:8090:"), "{two}");
        assert!(!two.contains("8080") && !two.contains("/classic"), "{two}");
        let one = told(&doors(None));
        assert!(one.contains("to http://127.0.0.1:8080/classic:"), "{one}");
        assert!(one.contains("path /classic/v1/batch"), "{one}");
    }
}
