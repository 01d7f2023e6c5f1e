//! One call: to a replica, and to another where it was not begun.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderValue;
use http::request::Parts;
use tonic::body::Body;
use tonic::transport::Error;
use tower::Service;

use super::choice::{Rank, choose};
use super::message::Message;
use super::replica::{Cause, Replica};
use super::verdict::Verdict;
use super::{Channel, Shared};
use crate::{Deadline, access};

impl Channel {
    /// Sends a call; the trace is in it already.
    pub(crate) async fn send(
        &self,
        mut head: Parts,
        mut message: Message,
    ) -> Result<http::Response<Body>, Error> {
        access::show(&mut head.headers);
        let replicas = self.0.replicas.load_full();
        let turn = self.0.turn.fetch_add(1, Ordering::Relaxed);
        let deadline = Deadline::of_headers(&head.headers);
        let mut chosen = choose(replicas.len(), turn, |index| {
            Some(replicas[index].standing())
        })
        .expect("a channel has replicas");
        let mut body = message.take().expect("it was not sent yet");
        let mut tried = Vec::new();
        let mut unknown = Vec::new();
        // Each once, and one of them twice: a connection that was closed is made anew.
        for left in (0..=replicas.len()).rev() {
            let replica = &replicas[chosen];
            let was_left_out = replica.standing().0 == Rank::Failing;
            let sent = attempt(replica, &head, body).await;
            let verdict = Verdict::of(&sent);
            if replicas.len() > 1 {
                self.0.mark(replica, verdict);
            } else if verdict == Verdict::Unreached {
                self.0.renew.notify_one();
            }
            match verdict {
                Verdict::Unbegun => {}
                Verdict::Unreached => tried.push(chosen),
                Verdict::Unknown => {
                    tried.push(chosen);
                    unknown.push(chosen);
                }
                _ => {
                    for index in unknown {
                        replicas[index].leave_out(Cause::Older);
                    }
                    if was_left_out && verdict == Verdict::Answered {
                        replica.was_reached();
                    }
                    return sent;
                }
            }
            let other = choose(replicas.len(), turn, |index| {
                let standing = replicas[index].standing();
                (standing.0 != Rank::Other && !tried.contains(&index)).then_some(standing)
            });
            let again = other.or((verdict == Verdict::Unbegun).then_some(chosen));
            let next = again.filter(|_| left > 0 && !deadline.passed());
            let Some((next, again)) = next.zip(message.take()) else {
                return sent;
            };
            tracing::debug!(?verdict, "a call that was not begun is sent again");
            chosen = next;
            body = again;
            hand_on(&mut head, deadline);
        }
        unreachable!("the last try returns")
    }
}

async fn attempt(
    replica: &Replica,
    head: &Parts,
    body: Body,
) -> Result<http::Response<Body>, Error> {
    let mut request = http::Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.version_mut() = head.version;
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    let _under_way = replica.begin();
    let mut connection = replica.connection();
    poll_fn(|context| connection.poll_ready(context)).await?;
    connection.call(request).await
}

/// What is left of the time.
fn hand_on(head: &mut Parts, deadline: Deadline) {
    // At most eight digits, which is more than a day.
    let left = deadline.remaining().as_millis().clamp(1, 99_999_999);
    let left = HeaderValue::from_str(&format!("{left}m")).expect("digits and a letter");
    head.headers.insert("grpc-timeout", left);
}

impl Shared {
    fn mark(&self, replica: &Arc<Replica>, verdict: Verdict) {
        match verdict {
            Verdict::Unreached | Verdict::Broken => {
                replica.leave_out(Cause::Connection);
                // Whoever went away may have come back elsewhere.
                self.renew.notify_one();
            }
            Verdict::Unavailable => replica.leave_out(Cause::Unavailable),
            _ => {}
        }
    }
}
