//! Members of audiences as a file (semantics 5.6).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;
use weir_ids::{AccountId, AudienceId, ContactId};
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::export::Format;
use crate::store::{Exporting, Source, Store};

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
    /// The next bytes, and how many members there were so far.
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

    /// Begins an export of these audiences, or of all where there are none; it goes on as its
    /// pieces are taken.
    ///
    /// # Errors
    /// When there is no such account, too many are under way, or PostgreSQL is away. An audience
    /// that is none is the first piece.
    pub async fn begin(
        &self,
        account: AccountId,
        audiences: Vec<AudienceId>,
        format: Format,
        deadline: Deadline,
    ) -> Result<Pieces, Error> {
        self.app.require_account(account, deadline).await?;
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| Error::TooManyExports)?;
        let (sender, pieces) = mpsc::channel(WAITING);
        let store = self.store.clone();
        weir_service::behind_the_answer(async move {
            let mut export = Export {
                format,
                sender,
                members: 0,
            };
            let exported = export.run(&store, account, &audiences).await;
            drop(room);
            let last = exported.map(|()| Piece::End).inspect_err(|error| {
                tracing::warn!(%error, "an export broke off");
            });
            let _ = tokio::time::timeout(PATIENCE, export.sender.send(last)).await;
        });
        Ok(pieces)
    }
}

/// One that is under way.
struct Export {
    format: Format,
    sender: mpsc::Sender<Result<Piece, Error>>,
    members: u64,
}

impl Export {
    async fn run(
        &mut self,
        store: &Store,
        account: AccountId,
        audiences: &[AudienceId],
    ) -> Result<(), Error> {
        let mut connection = store.connection().await?;
        let exporting = connection.export(account);
        if !audiences.is_empty() {
            let these = exporting.these(audiences).await?;
            if these.len() != audiences.len() {
                return Err(Error::AudienceUnknown);
            }
            // An empty file is a file, too.
            self.hand_over(self.format.header()).await?;
            return self.all_of(&exporting, &these).await;
        }
        self.hand_over(self.format.header()).await?;
        let mut after = AudienceId(Uuid::nil());
        loop {
            let some = exporting.audiences(after).await?;
            let Some(last) = some.last() else {
                return Ok(());
            };
            after = last.id;
            self.all_of(&exporting, &some).await?;
        }
    }

    async fn all_of(
        &mut self,
        exporting: &Exporting<'_>,
        audiences: &[Source],
    ) -> Result<(), Error> {
        for audience in audiences {
            let mut after = Some(ContactId(Uuid::nil()));
            while let Some(last) = after {
                let page = exporting.members(audience.id, last).await?;
                after = page.next();
                self.members += page.count() as u64;
                let data = self.format.page(page.members(audience));
                if !data.is_empty() {
                    self.hand_over(data).await?;
                }
            }
        }
        Ok(())
    }

    async fn hand_over(&self, data: Vec<u8>) -> Result<(), Error> {
        let mut data = Bytes::from(data);
        loop {
            let piece = data.split_to(PIECE.min(data.len()));
            let sending = self.sender.send(Ok(Piece::Data(piece, self.members)));
            match tokio::time::timeout(PATIENCE, sending).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(Error::Untaken),
            }
            if data.is_empty() {
                return Ok(());
            }
        }
    }
}
