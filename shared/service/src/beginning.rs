//! What a service does before it can serve: its schema, above all.

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use weir_tls::Acceptor;

use crate::Shutdown;

/// Awaits `work`, and says at `listener` meanwhile that it does not serve yet, once it is `away`
/// what is waited for: so a database that is away at the start is a service that is not healthy, and
/// no process that ends and is started anew. None where it is told to end before it began.
///
/// # Errors
/// What `work` failed at.
pub async fn begin<T>(
    listener: &TcpListener,
    tls: Option<&Acceptor>,
    shutdown: &mut Shutdown,
    away: &Notify,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<Option<T>> {
    let until = async {
        tokio::select! {
            done = work => done.map(Some),
            () = shutdown => Ok(None),
        }
    };
    let begun = weir_rpc::while_beginning(listener, tls, away, until).await;
    begun.context("the listener can't be shared")?
}
