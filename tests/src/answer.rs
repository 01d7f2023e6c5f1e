//! An answer of the edge, and why a service refuses a call.

use serde_json::Value;
use tonic_types::StatusExt;

/// The code of the reason that an error carries.
pub fn reason_of(status: &tonic::Status) -> Option<String> {
    Some(status.get_details_error_info()?.reason)
}

/// Status, headers and body of one answer.
#[derive(Debug)]
pub struct Answer {
    /// Of the request as a whole.
    pub status: u16,
    pub headers: http::HeaderMap,
    /// Null where the body is not JSON.
    pub json: Value,
}

impl Answer {
    /// The statuses of the events, in the order of the batch. Panics where an index is
    /// missing or out of order, or `errors` is not exactly what is not 200.
    pub fn statuses(&self) -> Vec<u16> {
        assert_eq!(self.status, 207, "{:?}", self.json);
        let results = self.json["results"].as_array().unwrap();
        for (index, result) in results.iter().enumerate() {
            assert_eq!(result["index"], index, "{:?}", self.json);
        }
        let failed: Vec<&Value> = results.iter().filter(|r| r["status"] != 200).collect();
        let errors: Vec<&Value> = self.json["errors"].as_array().unwrap().iter().collect();
        assert_eq!(failed, errors, "`errors` lists what is not 200");
        let status = |result: &Value| u16::try_from(result["status"].as_u64().unwrap()).unwrap();
        results.iter().map(status).collect()
    }

    /// What the answer says of event `index`.
    pub fn message(&self, index: usize) -> &str {
        self.json["results"][index]["message"]
            .as_str()
            .unwrap_or("")
    }

    /// A header as text; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}
