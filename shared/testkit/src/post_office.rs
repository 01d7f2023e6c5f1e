//! A mail server that a test reads from.
//!
//! It speaks RFC 5321 over TCP as a server must: greeting, EHLO and HELO, MAIL, RCPT, DATA with
//! its dots, RSET, NOOP, QUIT; it refuses commands that are out of turn, and lines that are too
//! long.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// RFC 5321 4.5.3.1.6, of a line of text.
const LONGEST_LINE: usize = 1_000;

/// A mail that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    /// Headers and body, lines ended by CR LF.
    pub data: String,
}

impl Mail {
    /// A header's value as it stands.
    ///
    /// # Panics
    /// There is none.
    pub fn header(&self, name: &str) -> String {
        let (head, _) = self.data.split_once("\r\n\r\n").unwrap();
        let head = head.replace("\r\n ", " ");
        let mut lines = head.split("\r\n");
        let found = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")));
        found
            .unwrap_or_else(|| panic!("no {name} in {head}"))
            .to_owned()
    }

    /// All of it with quoted-printable taken back, for looking at what the parts say.
    pub fn readable(&self) -> String {
        let joined = self.data.replace("=\r\n", "");
        let (mut bytes, mut rest) = (Vec::new(), joined.as_bytes());
        while let Some((first, behind)) = rest.split_first() {
            let hex = behind.get(..2).filter(|_| *first == b'=');
            let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
            match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &behind[2..];
                }
                None => {
                    bytes.push(*first);
                    rest = behind;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[derive(Default)]
struct Office {
    mails: Vec<Mail>,
    /// The answer to RCPT instead of 250.
    refusal: Option<String>,
}

/// It takes mail until it is dropped.
pub struct PostOffice {
    address: SocketAddr,
    office: Arc<Mutex<Office>>,
    task: JoinHandle<()>,
}

impl PostOffice {
    /// On a port of its own.
    pub async fn open() -> Self {
        Self::open_at("127.0.0.1:0".parse().unwrap()).await
    }

    /// Where one was before.
    ///
    /// # Panics
    /// Somebody else is there.
    pub async fn open_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let office: Arc<Mutex<Office>> = Arc::default();
        let behind = Arc::clone(&office);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&behind)));
            }
        });
        Self {
            address,
            office,
            task,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `smtp://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Those that were taken, in order.
    pub fn mails(&self) -> Vec<Mail> {
        self.office.lock().unwrap().mails.clone()
    }

    /// Answers every receiver with this line (`550 5.1.1 no such user`); none takes them again.
    pub fn refuse(&self, line: Option<&str>) {
        self.office.lock().unwrap().refusal = line.map(str::to_owned);
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection; it ends with QUIT, or with the other side.
async fn talk(stream: TcpStream, office: Arc<Mutex<Office>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut answer = "220 post.example ESMTP".to_owned();
    let (mut greeted, mut from, mut to) = (false, None, Vec::new());
    loop {
        stream
            .write_all(format!("{answer}\r\n").as_bytes())
            .await
            .ok()?;
        let line = read_line(&mut stream).await?;
        let upper = line.to_ascii_uppercase();
        answer = if upper.starts_with("EHLO ") {
            greeted = true;
            "250-post.example\r\n250-8BITMIME\r\n250 SIZE 1000000".to_owned()
        } else if upper.starts_with("HELO ") {
            greeted = true;
            "250 post.example".to_owned()
        } else if upper.starts_with("MAIL FROM:") && greeted && from.is_none() {
            from = path(&line);
            said(from.is_some())
        } else if upper.starts_with("RCPT TO:") && from.is_some() {
            let refusal = office.lock().unwrap().refusal.clone();
            match (refusal, path(&line)) {
                (Some(refusal), _) => refusal,
                (None, Some(receiver)) => {
                    to.push(receiver);
                    said(true)
                }
                (None, None) => said(false),
            }
        } else if upper == "DATA" && !to.is_empty() {
            stream.write_all(b"354 go on\r\n").await.ok()?;
            let data = read_data(&mut stream).await?;
            office.lock().unwrap().mails.push(Mail {
                from: from.take()?,
                to: std::mem::take(&mut to),
                data,
            });
            "250 taken".to_owned()
        } else if upper == "RSET" || upper == "NOOP" {
            if upper == "RSET" {
                (from, to) = (None, Vec::new());
            }
            said(true)
        } else if upper == "QUIT" {
            stream.write_all(b"221 bye\r\n").await.ok()?;
            return Some(());
        } else {
            "503 not now".to_owned()
        };
    }
}

fn said(good: bool) -> String {
    let line = if good { "250 fine" } else { "501 no address" };
    line.to_owned()
}

/// What stands between `<` and `>`.
fn path(line: &str) -> Option<String> {
    let (_, behind) = line.split_once('<')?;
    Some(behind.split_once('>')?.0.to_owned())
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await.ok()?;
    let line = line.strip_suffix(b"\r\n")?;
    (line.len() <= LONGEST_LINE - 2).then(|| String::from_utf8_lossy(line).into_owned())
}

/// Up to the line with a dot alone; a further dot at the start of a line is taken away.
async fn read_data(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut data = String::new();
    loop {
        let line = read_line(stream).await?;
        if line == "." {
            return Some(data);
        }
        data += line.strip_prefix('.').unwrap_or(&line);
        data += "\r\n";
    }
}
