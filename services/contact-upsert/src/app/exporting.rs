//! All contacts of an account as a file (semantics 3.12).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use weir_ids::AccountId;
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::export::Writer;
use crate::metrics;
use crate::store::{Following, Needs, Store};

/// Exports that are under way at once: each holds a connection, and a snapshot that keeps the
/// database from cleaning up.
pub const EXPORTS: usize = 2;
/// Of a piece of the file, in bytes: clients take 4 MiB without being asked.
const PIECE: usize = 1024 * 1024;
/// Pieces that wait for whoever takes them.
const WAITING: usize = 4;
/// Whoever takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// What comes next of a file.
#[derive(Debug)]
pub enum Piece {
    /// The next bytes, and how many contacts there were so far.
    Data(Bytes, u64),
    /// It is whole.
    End,
}

/// Pieces as they are made; after an error or the end there is no more.
pub type Pieces = mpsc::Receiver<Result<Piece, Error>>;

/// Exports, over connections of their own.
#[derive(Clone)]
pub struct Exports {
    app: App,
    store: Store,
    room: Arc<Semaphore>,
}

impl Exports {
    /// Over a store that has a connection for each of [`EXPORTS`].
    pub fn new(app: App, store: Store) -> Self {
        Self {
            app,
            store,
            room: Arc::new(Semaphore::new(EXPORTS)),
        }
    }

    /// Begins an export; it goes on as its pieces are taken.
    ///
    /// # Errors
    /// When there is no such account, too many are under way, or PostgreSQL is away.
    pub async fn begin(
        &self,
        account: AccountId,
        writer: Writer,
        deadline: Deadline,
    ) -> Result<Pieces, Error> {
        self.app.must_know(account, deadline).await?;
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| Error::TooManyExports)?;
        let (sender, pieces) = mpsc::channel(WAITING);
        let store = self.store.clone();
        weir_service::behind_the_answer(async move {
            let exported = export(&store, account, &writer, &sender).await;
            drop(room);
            let last = exported.map(|()| Piece::End).inspect_err(|error| {
                tracing::warn!(%error, "an export broke off");
            });
            let _ = tokio::time::timeout(PATIENCE, sender.send(last)).await;
        });
        Ok(pieces)
    }
}

async fn export(
    store: &Store,
    account: AccountId,
    writer: &Writer,
    sender: &mpsc::Sender<Result<Piece, Error>>,
) -> Result<(), Error> {
    let mut client = store.client().await?;
    let needs = Needs {
        ids: writer.needs_ids(),
        fields: writer.needs_fields(),
    };
    let exporting = store.export(&mut client, account, needs);
    let mut contacts = 0;
    // An empty file is a file, too.
    hand_over(sender, writer.header(), 0).await?;
    let mut page = exporting.page(Following::FIRST).await?;
    loop {
        let next = page.following();
        // The database reads the next page while this one is written.
        let following = async {
            match next {
                Some(from) => exporting.page(from).await.map(Some),
                None => Ok(None),
            }
        };
        let written = async {
            let data = writer.page(page.contacts(), |contact| {
                tracing::error!(%contact, "a contact's row is broken");
                metrics::unreadable("row");
            });
            contacts += page.count() as u64;
            hand_over(sender, data, contacts).await
        };
        let (following, written) = tokio::join!(biased; following, written);
        written?;
        match following? {
            Some(following) => page = following,
            None => return Ok(()),
        }
    }
}

async fn hand_over(
    sender: &mpsc::Sender<Result<Piece, Error>>,
    data: Vec<u8>,
    contacts: u64,
) -> Result<(), Error> {
    let mut data = Bytes::from(data);
    loop {
        let piece = data.split_to(PIECE.min(data.len()));
        let sending = sender.send(Ok(Piece::Data(piece, contacts)));
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(Error::Untaken),
        }
        if data.is_empty() {
            return Ok(());
        }
    }
}
