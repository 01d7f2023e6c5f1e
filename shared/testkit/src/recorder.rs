//! What a service says to PostgreSQL: its statements, and what they were asked with.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::way::Way;

/// Parameters of one execution, as they were sent.
pub type Sent = Vec<Option<Vec<u8>>>;

/// Executions that are kept of a statement: the last ones.
const KEPT: usize = 30;

/// A way to PostgreSQL that listens in. Nothing that passes is changed.
pub struct Recorder {
    /// Of the server, by this way.
    pub url: String,
    said: Said,
    answered: Arc<AtomicU64>,
}

type Said = Arc<Mutex<BTreeMap<String, Statement>>>;

#[derive(Default)]
struct Statement {
    executions: usize,
    /// None of one that takes no parameters.
    last: Vec<Sent>,
}

impl Recorder {
    /// A way to the server of `scheme://user:password@host:port/path`.
    ///
    /// # Panics
    /// That is no such URL, or there is no port.
    pub async fn to(url: &str) -> Self {
        let way = Way::to(url).await;
        let (url, said) = (way.url.clone(), Arc::default());
        let answered = Arc::<AtomicU64>::default();
        let listening = Arc::clone(&said);
        let counting = Arc::clone(&answered);
        tokio::spawn(async move {
            loop {
                let near = way.accept().await;
                let Some(far) = way.connect().await else {
                    continue;
                };
                let (mut from_client, mut to_client) = near.into_split();
                let (mut from_server, mut to_server) = far.into_split();
                let counted = Arc::clone(&counting);
                tokio::spawn(async move {
                    let _ = pass_on(&mut from_server, &mut to_client, &counted).await;
                });
                let said = Arc::clone(&listening);
                tokio::spawn(async move {
                    let _ = listen(&mut from_client, &mut to_server, &said).await;
                });
            }
        });
        Self {
            url,
            said,
            answered,
        }
    }

    /// Bytes that PostgreSQL answered with.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Each statement with parameters, and the last ones that it was asked with.
    pub fn said(&self) -> BTreeMap<String, Vec<Sent>> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let with = said.iter().filter(|(_, one)| !one.last.is_empty());
        with.map(|(sql, one)| (sql.clone(), one.last.clone()))
            .collect()
    }

    /// How often each statement was executed.
    pub fn executions(&self) -> BTreeMap<String, usize> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter()
            .map(|(sql, one)| (sql.clone(), one.executions))
            .collect()
    }
}

/// Passes bytes on, and counts them.
async fn pass_on(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    counted: &AtomicU64,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = server.read(&mut bytes).await?;
        if read == 0 {
            return client.shutdown().await;
        }
        counted.fetch_add(read as u64, Ordering::Relaxed);
        client.write_all(&bytes[..read]).await?;
    }
}

/// Passes messages on, whole ones, and notes the statements (Parse, Query) and their parameters
/// (Bind).
async fn listen(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    said: &Said,
) -> std::io::Result<()> {
    let length = client.read_u32().await?;
    let mut first = vec![0; length as usize - 4];
    client.read_exact(&mut first).await?;
    server.write_all(&length.to_be_bytes()).await?;
    server.write_all(&first).await?;
    let mut named: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    loop {
        let tag = client.read_u8().await?;
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        match tag {
            b'P' => {
                let mut rest = &body[..];
                let name = until_nul(&mut rest).to_vec();
                let sql = String::from_utf8_lossy(until_nul(&mut rest)).into_owned();
                named.insert(name, sql);
            }
            b'B' => {
                let mut rest = &body[..];
                until_nul(&mut rest);
                if let Some(sql) = named.get(until_nul(&mut rest)) {
                    let sent = parameters(rest);
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    let statement = said.entry(sql.clone()).or_default();
                    statement.executions += 1;
                    if !statement.last.contains(&sent) {
                        statement.last.push(sent);
                    }
                    if statement.last.len() > KEPT {
                        statement.last.remove(0);
                    }
                }
            }
            b'Q' => {
                let sql = String::from_utf8_lossy(until_nul(&mut &body[..])).into_owned();
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                said.entry(sql).or_default().executions += 1;
            }
            _ => {}
        }
        let mut message = vec![tag];
        message.extend(length.to_be_bytes());
        message.extend(body);
        server.write_all(&message).await?;
    }
}

fn until_nul<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    let end = rest.iter().position(|byte| *byte == 0).unwrap();
    let text = &rest[..end];
    *rest = &rest[end + 1..];
    text
}

/// Behind the names of a Bind: formats, then lengths and values.
fn parameters(mut rest: &[u8]) -> Sent {
    let mut number = |bytes: usize| {
        let (number, behind) = rest.split_at(bytes);
        rest = behind;
        number.to_vec()
    };
    let short = |bytes: Vec<u8>| usize::from(u16::from_be_bytes(bytes.try_into().unwrap()));
    let formats = short(number(2));
    number(2 * formats);
    let count = short(number(2));
    let mut sent = Vec::with_capacity(count);
    for _ in 0..count {
        let length = i32::from_be_bytes(number(4).try_into().unwrap());
        sent.push(usize::try_from(length).ok().map(&mut number));
    }
    sent
}
