//! Who calls: what services of tests show each other, and what each call of one answers to whom.

use chrono::{DateTime, Utc};
use http::uri::PathAndQuery;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use weir_access::{Need, On};
use weir_reasons::Reason;
use weir_rpc::{Access, Secret, reason_of};

/// What services of tests show each other.
pub const SERVICE_TOKEN: &str = "what-services-of-tests-show-each-other";
/// What an administrator shows them.
pub const ADMIN_TOKEN: &str = "weir_what-an-administrator-of-tests-shows";
/// How a service is told of both.
pub const TOKENS: [&str; 4] = [
    "--service-token",
    SERVICE_TOKEN,
    "--admin-token",
    ADMIN_TOKEN,
];

/// What a stub asks for, so that it shows whoever does not say that it is a service.
///
/// # Panics
/// Never: the tokens are long enough.
pub fn access() -> Access {
    let administrator = Secret::administrator(ADMIN_TOKEN).unwrap();
    let now = || DateTime::<Utc>::UNIX_EPOCH;
    Access::by_token(vec![service()], Some(administrator), now)
}

/// From now on channels of this process call as a service does.
pub(crate) fn call_as_service() {
    weir_rpc::call_as(&service());
}

fn service() -> Secret {
    Secret::new(SERVICE_TOKEN).unwrap()
}

/// By gRPC and by JSON, calls everything of these packages and services, which is served at
/// `url`, with an empty message: as nobody, with garbage, as an administrator and as a service
/// (semantics 9.1-9.3).
///
/// # Panics
/// One answers otherwise than it declares.
pub async fn assert_callers(url: &str, served: &[&str]) {
    let channel = Endpoint::from_shared(url.to_owned()).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut calls = 0;
    for (path, need) in weir_proto::NEEDS {
        let (service, _) = path[1..].split_once('/').unwrap();
        let (package, _) = service.rsplit_once('.').unwrap();
        if !served.contains(&package) && !served.contains(&service) {
            continue;
        }
        calls += 1;
        for (shown, reason) in [
            (None, Reason::TokenMissing),
            (Some("nonsense"), Reason::TokenUnknown),
            (Some("weir_nonsense"), Reason::TokenUnknown),
        ] {
            let status = call(&channel, path, shown).await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{path}");
            assert_eq!(reason_of(&status), Some(reason), "{path}");
        }
        // As JSON the same; an answer in parts needs another envelope.
        let streams = ["/ExportContacts", "/ExportMembers", "/ExportActivities"];
        if !streams.iter().any(|stream| path.ends_with(stream)) {
            for (shown, refused) in [
                (None, Some(401)),
                (Some("weir_nonsense"), Some(401)),
                (Some(ADMIN_TOKEN), (*need == Need::Services).then_some(403)),
            ] {
                let status = call_as_json(url, path, shown).await;
                let said = [401, 403].contains(&status).then_some(status);
                assert_eq!(said, refused, "{path} as JSON");
            }
        }
        let answer = call(&channel, path, Some(ADMIN_TOKEN)).await;
        assert_eq!(
            is_refused(&answer),
            *need == Need::Services,
            "{path}: {answer:?}"
        );
        let answer = call(&channel, path, Some(SERVICE_TOKEN)).await;
        assert!(!is_refused(&answer), "{path}: {answer:?}");
        if let (
            Err(status),
            Need::Caller {
                on: On::Account { .. },
                ..
            },
        ) = (answer, need)
        {
            // Their handlers say what is missing, and nobody else does.
            assert_ne!(
                reason_of(&status),
                Some(Reason::Internal),
                "{path}: {status}"
            );
        }
    }
    assert!(calls > 0, "nothing of {served:?} is declared");
}

/// By the layer that asks who calls: a handler may say as well that something is not known.
fn is_refused(answer: &Result<(), Status>) -> bool {
    let Err(status) = answer else { return false };
    assert_ne!(status.code(), Code::Unimplemented, "it is not served here");
    matches!(
        reason_of(status),
        Some(
            Reason::TokenMissing
                | Reason::TokenUnknown
                | Reason::CertificateUnknown
                | Reason::TokenExpired
                | Reason::ServicesOnly
                | Reason::RoleTooLow
                | Reason::AccountForbidden
        )
    )
}

/// The status of HTTP, to an empty object.
async fn call_as_json(url: &str, path: &str, shown: Option<&str>) -> u16 {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let shown = shown.map_or_else(String::new, |shown| {
        format!("authorization: Bearer {shown}\r\n")
    });
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{shown}\
         content-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer["HTTP/1.1 ".len()..][..3].parse().unwrap()
}

async fn call(channel: &Channel, path: &'static str, shown: Option<&str>) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(());
    if let Some(shown) = shown {
        let shown = format!("Bearer {shown}").parse().unwrap();
        request.metadata_mut().insert("authorization", shown);
    }
    let path = PathAndQuery::from_static(path);
    let codec = ProstCodec::<(), ()>::default();
    client.unary(request, path, codec).await.map(|_| ())
}
