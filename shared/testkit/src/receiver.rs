//! A webhook's other end, for tests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct Call {
    /// The request line and the headers.
    pub head: String,
    /// To be verified byte by byte.
    pub body: String,
}

impl Call {
    /// A header's value; names are written small.
    ///
    /// # Panics
    /// There is none.
    pub fn header(&self, name: &str) -> String {
        let mut lines = self
            .head
            .split("\r\n")
            .filter_map(|line| line.split_once(": "));
        let found = lines.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| panic!("no {name}")).1.to_owned()
    }
}

#[derive(Default)]
struct Desk {
    calls: Vec<Call>,
    answers: VecDeque<u16>,
}

/// It takes calls until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// On a port of its own; the first calls get these answers, all others 204.
    ///
    /// # Panics
    /// There is no port.
    pub async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Mutex::new(Desk {
            calls: Vec::new(),
            answers: answers.iter().copied().collect(),
        }));
        let behind = Arc::clone(&desk);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&behind)));
            }
        });
        Self {
            address,
            desk,
            task,
        }
    }

    /// `http://127.0.0.1:PORT/news`
    pub fn url(&self) -> String {
        format!("http://{}/news", self.address)
    }

    /// In the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        self.desk.lock().unwrap().calls.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(mut stream: TcpStream, desk: Arc<Mutex<Desk>>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let call = Call {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        if body.len() < call.header("content-length").parse().unwrap() {
            continue;
        }
        let answer = {
            let mut desk = desk.lock().unwrap();
            desk.calls.push(call);
            desk.answers.pop_front().unwrap_or(204)
        };
        let line = format!("HTTP/1.1 {answer} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        return stream.write_all(line.as_bytes()).await.ok();
    }
}
