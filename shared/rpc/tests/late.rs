//! A client whose server hangs.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::Code;
use weir_proto::quota::v1::ReserveRequest;
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_rpc::{Deadline, Peer};

/// A process that is stopped keeps its connections, and answers nothing on them.
#[tokio::test]
async fn who_does_not_answer_in_time_is_late_and_who_is_not_there_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let ask = async |url: &str, time| {
        let mut client = QuotaServiceClient::new(Peer::QUOTA.connect(url).unwrap());
        let request = Deadline::after(time).request(ReserveRequest::default());
        client.reserve(request.unwrap()).await.unwrap_err()
    };
    let (short, long) = tokio::join!(
        ask(&silent, Duration::from_millis(200)),
        ask(&silent, Duration::from_secs(20))
    );
    // Its own time was over, or that in which its connection has to say something.
    assert!(weir_rpc::is_late(&short), "{short:?}");
    assert!(weir_rpc::is_late(&long), "{long:?}");
    accepting.abort();
    let _ = accepting.await;
    let gone = ask(&silent, Duration::from_secs(5)).await;
    assert_eq!(gone.code(), Code::Unavailable);
    assert!(!weir_rpc::is_late(&gone), "{gone:?}");
}
