//! Who speaks plainly where TLS is spoken, and what is answered.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// With which every connection of TLS begins.
pub(crate) const HANDSHAKE: u8 = 0x16;

const SAYING: &str = "this port speaks TLS: call it by https://";
/// Until its head is there, so that nobody is answered before having asked.
const PATIENCE: Duration = Duration::from_millis(500);

/// Says it in the language that was spoken, and closes.
pub(crate) async fn answer(mut stream: TcpStream) {
    let mut head = vec![0; 4 * 1024];
    let mut length = 0;
    let reading = async {
        while length < head.len() && !ends(&head[..length]) {
            match stream.read(&mut head[length..]).await {
                Ok(0) | Err(_) => return,
                Ok(more) => length += more,
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await;
    let head = &head[..length];
    let said = if head.starts_with(b"PRI * HTTP/2.0") {
        go_away()
    } else if head.first().is_some_and(u8::is_ascii_uppercase) {
        let length = SAYING.len() + 1;
        format!(
            "HTTP/1.1 400 This port speaks TLS\r\ncontent-type: text/plain\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{SAYING}\n"
        )
        .into_bytes()
    } else {
        return;
    };
    let saying = async {
        if stream.write_all(&said).await.is_ok() {
            let _ = stream.shutdown().await;
            // Closed with something unread, it would be reset, and the words lost.
            let mut rest = [0; 4 * 1024];
            while matches!(stream.read(&mut rest).await, Ok(more) if more > 0) {}
        }
    };
    let _ = tokio::time::timeout(PATIENCE, saying).await;
}

fn ends(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n")
}

/// Of HTTP/2: settings, which come first, and GOAWAY with INADEQUATE_SECURITY and the words.
fn go_away() -> Vec<u8> {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const INADEQUATE_SECURITY: u32 = 0xc;
    let length = u8::try_from(8 + SAYING.len()).expect("the words are few");
    let mut frames = SETTINGS.to_vec();
    frames.extend([0, 0, length, 7, 0, 0, 0, 0, 0]);
    frames.extend(0_u32.to_be_bytes());
    frames.extend(INADEQUATE_SECURITY.to_be_bytes());
    frames.extend(SAYING.as_bytes());
    frames
}
