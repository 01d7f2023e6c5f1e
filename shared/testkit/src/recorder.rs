//! What a service says to PostgreSQL: its statements, and what they were asked with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Parameters of one execution, as they were sent.
pub type Sent = Vec<Option<Vec<u8>>>;

/// Executions that are kept of a statement: the last ones.
const KEPT: usize = 30;

/// A way to PostgreSQL that listens in. Nothing that passes is changed.
pub struct Recorder {
    /// Of the server, by this way.
    pub url: String,
    said: Arc<Mutex<BTreeMap<String, Vec<Sent>>>>,
}

impl Recorder {
    /// A way to the server of `scheme://user:password@host:port/path`.
    ///
    /// # Panics
    /// That is no such URL, or there is no port.
    pub async fn to(url: &str) -> Self {
        let (front, back) = url.rsplit_once('@').unwrap();
        let (server, path) = back.split_once('/').unwrap();
        let (server, path) = (server.to_owned(), path.to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let said = Arc::default();
        let listening = Arc::clone(&said);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let Ok(far) = TcpStream::connect(&server).await else {
                    continue;
                };
                let (mut from_client, mut to_client) = near.into_split();
                let (mut from_server, mut to_server) = far.into_split();
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
                });
                let said = Arc::clone(&listening);
                tokio::spawn(async move {
                    let _ = listen(&mut from_client, &mut to_server, &said).await;
                });
            }
        });
        Self {
            url: format!("{front}@{address}/{path}"),
            said,
        }
    }

    /// Each statement with parameters, and the last ones that it was asked with.
    pub fn said(&self) -> BTreeMap<String, Vec<Sent>> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }
}

/// Passes messages on, whole ones, and notes the statements (Parse) and their parameters (Bind).
async fn listen(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    said: &Mutex<BTreeMap<String, Vec<Sent>>>,
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
                    let executions = said.entry(sql.clone()).or_default();
                    if !executions.contains(&sent) {
                        executions.push(sent);
                    }
                    if executions.len() > KEPT {
                        executions.remove(0);
                    }
                }
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
