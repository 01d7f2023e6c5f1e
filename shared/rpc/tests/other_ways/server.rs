//! The server, and a client that knows nothing of it but HTTP.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tonic::{Response, Status};
use weir_proto::contact::v1::transfer_service_server::{TransferService, TransferServiceServer};
use weir_proto::contact::v1::{
    ExportContactsRequest, ExportContactsResponse, ImportContactsRequest, ImportContactsResponse,
    ImportResult, ImportStatus,
};
use weir_reasons::Reason;
use weir_rpc::{Access, Deadline, Server};

pub const NAME: &str = "weir.contact.v1.TransferService";
pub const IMPORT: &str = "/weir.contact.v1.TransferService/ImportContacts";
pub const EXPORT: &str = "/weir.contact.v1.TransferService/ExportContacts";

/// Does what the account's name says.
#[derive(Clone, Default)]
pub struct Transfers {
    imports: Arc<AtomicUsize>,
}

type Sent =
    Pin<Box<dyn tokio_stream::Stream<Item = Result<ExportContactsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl TransferService for Transfers {
    type ExportContactsStream = Sent;

    async fn export_contacts(
        &self,
        request: tonic::Request<ExportContactsRequest>,
    ) -> Result<Response<Sent>, Status> {
        let request = request.into_inner();
        if request.account_id == "unknown" {
            return Err(weir_rpc::not_found(Reason::AccountUnknown, "account"));
        }
        let breaks = request.account_id == "breaks";
        let pieces = request.columns.into_iter().enumerate().map(|(at, column)| {
            Ok(ExportContactsResponse {
                data: column.repeat(100_000).into(),
                contacts: at as i64 + 1,
            })
        });
        let end = breaks.then(|| Err(weir_rpc::unavailable("the database")));
        Ok(Response::new(Box::pin(tokio_stream::iter(
            pieces.chain(end),
        ))))
    }

    async fn import_contacts(
        &self,
        request: tonic::Request<ImportContactsRequest>,
    ) -> Result<Response<ImportContactsResponse>, Status> {
        self.imports.fetch_add(1, Ordering::Relaxed);
        let deadline = Deadline::of(&request).remaining();
        let asked = request.metadata().get("x-asked").cloned();
        let request = request.into_inner();
        match &*request.account_id {
            "unknown" => return Err(weir_rpc::not_found(Reason::AccountUnknown, "account")),
            "wrong" => {
                let wrong = [("columns[0]", "is no column"), ("rows[1]", "has no cells")];
                return Err(weir_rpc::invalid_all(wrong));
            }
            "panics" => panic!("for the test"),
            "hangs" => std::future::pending().await,
            _ => {}
        }
        let result = |text: &String| ImportResult {
            status: ImportStatus::Stored.into(),
            contact_id: text.clone(),
            ..Default::default()
        };
        let mut response = Response::new(ImportContactsResponse {
            results: request
                .rows
                .iter()
                .flat_map(|row| &row.cells)
                .map(result)
                .collect(),
            units: i64::try_from(deadline.as_millis()).unwrap(),
            units_left: None,
        });
        if let Some(asked) = asked {
            response.metadata_mut().insert("x-answered", asked);
        }
        Ok(response)
    }
}

/// One that runs until the test ends.
pub struct Served {
    pub address: SocketAddr,
    imports: Arc<AtomicUsize>,
}

impl Served {
    pub async fn start() -> Self {
        Self::for_pages_of("").await
    }

    pub async fn for_pages_of(origins: &str) -> Self {
        Self::with(origins, Access::open()).await
    }

    pub async fn with(origins: &str, access: Access) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let transfers = Transfers::default();
        let imports = Arc::clone(&transfers.imports);
        let service =
            TransferServiceServer::new(transfers).max_decoding_message_size(weir_rpc::MAX_MESSAGE);
        let server = Server::new(NAME)
            .service(service)
            .access(access)
            .cors_origins(origins.parse().unwrap());
        tokio::spawn(server.serve(listener, std::future::pending()));
        Self { address, imports }
    }

    /// How many calls came as far as the service.
    pub fn imports(&self) -> usize {
        self.imports.load(Ordering::Relaxed)
    }

    pub async fn post(
        &self,
        http: Http,
        path: &str,
        media: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.ask(http, path, &[("content-type", media)], body).await
    }

    /// With JSON over HTTP/1.1, as `curl` does.
    pub async fn json(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.post(Http::One, path, "application/json", body).await
    }

    pub async fn ask(
        &self,
        http: Http,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.send(http, Method::POST, path, headers, body.into())
            .await
    }

    pub async fn send(
        &self,
        http: Http,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .http2_only(http == Http::Two)
            .build_http();
        let answer = async {
            let (parts, body) = client.request(request).await.unwrap().into_parts();
            Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.collect().await.unwrap().to_bytes(),
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answer)
            .await
            .expect("every request is answered")
    }
}

/// The version of HTTP, both without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{:?}", self.body))
    }

    /// The status, Connect's code, and the reason of ours.
    pub fn error(&self) -> (u16, String, String) {
        let error = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let reason = detail(&error, "google.rpc.ErrorInfo")["reason"].clone();
        (self.status.as_u16(), text(&error["code"]), text(&reason))
    }
}

/// What a detail of an error says, as JSON.
pub fn detail(error: &Value, kind: &str) -> Value {
    let details = error["details"].as_array().cloned().unwrap_or_default();
    let detail = details.into_iter().find(|detail| detail["type"] == kind);
    detail.unwrap_or_default()["debug"].clone()
}

/// A message in an envelope.
pub fn enveloped(flags: u8, message: impl AsRef<[u8]>) -> Bytes {
    let message = message.as_ref();
    let length = u32::try_from(message.len()).unwrap();
    [&[flags], &length.to_be_bytes()[..], message]
        .concat()
        .into()
}

/// What is in envelopes, with their flags.
pub fn envelopes(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        found.push((body[0], body[5..5 + length].to_vec()));
        body = &body[5 + length..];
    }
    found
}
