//! A PostgreSQL that is too old is told so before it is asked for what it does not know of. None
//! is installed where this runs, so a few lines stand for one.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use weir_servers::Theirs;

const WANTS_TLS: u32 = 80_877_103;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn error(code: &str, text: &str) -> Vec<u8> {
    let fields = format!("SERROR\0VERROR\0C{code}\0M{text}\0\0");
    message(b'E', fields.as_bytes())
}

fn body(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// Of a question after the version: one row of two columns.
fn version() -> Vec<u8> {
    let columns = [("version", "140023"), ("called", "14.23")];
    let (mut names, mut values) = (vec![0, 2], vec![0, 2]);
    for (name, value) in columns {
        names.extend(
            [
                name.as_bytes(),
                &[0; 7],
                &25_u32.to_be_bytes(),
                &[255; 6],
                &[0; 2],
            ]
            .concat(),
        );
        let length = u32::try_from(value.len()).unwrap();
        values.extend([&length.to_be_bytes()[..], value.as_bytes()].concat());
    }
    [
        message(b'T', &names),
        message(b'D', &values),
        message(b'C', b"SELECT 1\0"),
    ]
    .concat()
}

/// One connection: there is no database but `postgres`.
fn serve(mut stream: TcpStream) -> Option<()> {
    let mut begins = body(&mut stream)?;
    if begins[..4] == WANTS_TLS.to_be_bytes() {
        stream.write_all(b"N").ok()?;
        begins = body(&mut stream)?;
    }
    let words = String::from_utf8_lossy(&begins[4..]).into_owned();
    if !words.contains("database\0postgres\0") {
        let absent = error("3D000", "database \"new\" does not exist");
        return stream.write_all(&absent).ok();
    }
    let ready = message(b'Z', b"I");
    let let_in = [message(b'R', &[0; 4]), ready.clone()].concat();
    stream.write_all(&let_in).ok()?;
    loop {
        stream.read_exact(&mut [0]).ok()?;
        let asked = String::from_utf8_lossy(&body(&mut stream)?).into_owned();
        let answer = match asked.contains("server_version_num") {
            true => version(),
            false => error("42601", "option \"locale_provider\" not recognized"),
        };
        stream.write_all(&[answer, ready.clone()].concat()).ok()?;
    }
}

#[tokio::test]
async fn the_version_is_looked_at_before_a_database_is_made() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(|| serve(stream));
        }
    });
    let theirs = Theirs::read(&format!("postgres://boss@{address}/new")).unwrap();
    let passwords = BTreeMap::new();
    let refused = theirs.set_up(&passwords, 1).await.unwrap_err();
    assert_eq!(
        format!("{refused:#}"),
        format!(
            "PostgreSQL at {address}/new can't be used: it is PostgreSQL 14.23; Weir needs 15 or newer"
        )
    );
}
