//! Errors as JSON: what the Connect protocol has for them.

use std::sync::LazyLock;

use data_encoding::BASE64_NOPAD;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tonic_types::pb;

/// The details that errors have.
static DETAILS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET)
        .expect("the descriptors that the crate ships are whole")
});

/// `{"code", "message", "details": [{"type", "value", "debug"}]}`; what is empty is left out.
/// `value` is the detail's message in base64, `debug` the same as JSON.
pub fn error(status: &Status) -> Value {
    let mut error = Map::new();
    error.insert("code".to_owned(), code_name(status.code()).into());
    if !status.message().is_empty() {
        error.insert("message".to_owned(), status.message().into());
    }
    // What some other server attached may be anything; the error counts all the same.
    let rich = pb::Status::decode(status.details()).unwrap_or_default();
    let details: Vec<_> = rich
        .details
        .iter()
        .map(|detail| {
            let name = detail.type_url.rsplit('/').next().unwrap_or_default();
            let mut shown = json!({"type": name, "value": BASE64_NOPAD.encode(&detail.value)});
            if let Some(debug) = debug(name, &detail.value) {
                shown["debug"] = debug;
            }
            shown
        })
        .collect();
    if !details.is_empty() {
        error.insert("details".to_owned(), details.into());
    }
    error.into()
}

fn debug(name: &str, value: &[u8]) -> Option<Value> {
    let kind = DETAILS.get_message_by_name(name)?;
    let message = DynamicMessage::decode(kind, value).ok()?;
    serde_json::to_value(&message).ok()
}

/// As the Connect protocol spells it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "canceled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    #[test]
    fn an_error_has_its_details_for_programs_and_for_people() {
        let mut details = ErrorDetails::with_error_info(
            "FIELD_INVALID",
            "weir",
            std::collections::HashMap::new(),
        );
        details.add_bad_request_violation("name", "must be given");
        let status =
            Status::with_error_details(Code::InvalidArgument, "name: must be given", details);
        let error = error(&status);
        assert_eq!(error["code"], "invalid_argument");
        assert_eq!(error["message"], "name: must be given");
        let details = error["details"].as_array().unwrap();
        let of = |kind: &str| {
            details
                .iter()
                .find(|detail| detail["type"] == kind)
                .unwrap()
        };
        let info = of("google.rpc.ErrorInfo");
        assert_eq!(info["debug"]["reason"], "FIELD_INVALID");
        let value = BASE64_NOPAD
            .decode(info["value"].as_str().unwrap().as_bytes())
            .unwrap();
        assert_eq!(pb::ErrorInfo::decode(&*value).unwrap().domain, "weir");
        assert_eq!(
            of("google.rpc.BadRequest")["debug"]["fieldViolations"],
            json!([{"field": "name", "description": "must be given"}])
        );
    }

    #[test]
    fn an_error_of_somebody_else_is_shown_as_it_is() {
        let bare = Status::unavailable("");
        assert_eq!(error(&bare), json!({"code": "unavailable"}));
        let odd = Status::with_details(Code::Aborted, "no", vec![0xff, 0xff].into());
        assert_eq!(error(&odd), json!({"code": "aborted", "message": "no"}));
    }
}
