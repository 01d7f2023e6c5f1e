//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Front;
use super::places::Place;
use super::problem::Problem;
use super::refusal;
use super::routes::Listener;
use super::socket::Socket;
use super::stall::Stream;

/// From the connection (or the answer before) to the end of the next request's head.
const HEAD_TIME: Duration = Duration::from_secs(8);
/// Segment's heads are some hundred bytes.
const MAX_HEAD: usize = 32 * 1024;
/// Who connected is about to send something: at the end of the drain it has so long for the
/// first byte.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// Serves it until its client closes it, its place is needed, or the drain ends.
pub async fn serve(
    front: Arc<Front>,
    listener: Listener,
    stream: TcpStream,
    place: Place,
    ending: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let line = place.line();
    let agreed = tokio::select! {
        biased;
        agreed = Socket::agree(front.tls.as_ref(), stream) => agreed,
        () = line.sent_away() => None,
        () = last_call(&ending) => None,
    };
    let Some(stream) = agreed else { return };
    let service = service_fn(|request| async {
        line.begin();
        let answer = front.handle(listener, request, &line.signs.unread).await;
        line.wait();
        Ok::<_, Infallible>(answer)
    });
    let stream = TokioIo::new(Stream::new(stream, line.signs.clone()));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD)
        .serve_connection(stream, service);
    let served = tokio::select! {
        biased;
        served = &mut connection => Some(served),
        () = line.sent_away() => None,
        () = last_call(&ending) => None,
    };
    let served = match served {
        Some(served) => served,
        None if line.is_sent_away() && line.is_fresh() => {
            let stream = connection.into_parts().io.into_inner();
            let problem = Problem::overloaded("too many connections are open");
            return refusal::answer(stream, problem).await;
        }
        None => {
            // At once, or behind the answer that is on its way. While the edge stops all others
            // close behind their answers by themselves.
            if line.is_sent_away() || line.is_silent() {
                Pin::new(&mut connection).graceful_shutdown();
            }
            (&mut connection).await
        }
    };
    // Clients that break off are nothing to log.
    if served.is_err_and(|error| error.is_timeout()) && !line.is_silent() {
        let stream = connection.into_parts().io.into_inner();
        refusal::answer(stream, Problem::slow_head()).await;
    }
}

/// Resolves when who is silent still has had its time.
async fn last_call(ending: &CancellationToken) {
    ending.cancelled().await;
    tokio::time::sleep(FIRST_BYTE).await;
}
