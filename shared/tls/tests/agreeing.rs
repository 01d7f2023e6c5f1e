//! Both sides over a real connection.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_certs::{Authority, Holder, Lifetime, files};
use weir_tls::{
    Acceptor, Check, ClientStream, File, HTTP1, Kind, Shown, Side, Text, Trust, authorities,
    cause_of, client_config, connect_with, identity,
};

const GOOD: Lifetime = Lifetime {
    from: -1,
    until: 100,
};
const PAST: Lifetime = Lifetime {
    from: -10,
    until: -1,
};

/// An authority in a folder of its own.
struct World {
    folder: TempDir,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (authority, _) = Authority::open(folder.path()).unwrap();
        Self { folder, authority }
    }

    fn make(&self, name: &str, names: &[&str], lifetime: Lifetime) {
        let holder = Holder::new(name, names);
        self.authority.make(&holder, lifetime).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, kind: Kind) -> File {
        let path = self.path().join(name);
        File::given("WEIR_TLS_TEST", Some(&path), kind).unwrap()
    }

    /// What trusts this authority, and shows this certificate.
    fn client(&self, own: Option<(&Self, &str)>) -> Arc<ClientConfig> {
        let trusted = self.file("ca.pem", Kind::Authorities);
        let bytes = std::fs::read(&trusted.path).unwrap();
        let trusted = authorities(Text {
            file: &trusted,
            bytes: &bytes,
        });
        let own = own.map(|(world, name)| {
            let certificate = world.file(&format!("{name}.pem"), Kind::Certificate);
            let key = world.file(&format!("{name}.key"), Kind::Key);
            let (text, secret) = (
                std::fs::read(&certificate.path).unwrap(),
                std::fs::read(&key.path).unwrap(),
            );
            let text = Text {
                file: &certificate,
                bytes: &text,
            };
            let secret = Text {
                file: &key,
                bytes: &secret,
            };
            identity(text, secret).unwrap()
        });
        let trust = Trust::Authorities(trusted.unwrap());
        Arc::new(client_config(&trust, Check::Full, own))
    }

    /// Accepts by the certificate `server`, callers of this authority too; `edge` is a service.
    fn acceptor(&self) -> Acceptor {
        Acceptor::load(
            self.file("server.pem", Kind::Certificate),
            self.file("server.key", Kind::Key),
            Some(self.file("ca.pem", Kind::Authorities)),
            vec!["edge".to_owned(), "spiffe://weir.test/quota".to_owned()],
            &[HTTP1],
        )
        .unwrap()
    }
}

/// Echoes what it is sent, and tells what each caller showed.
async fn serve(acceptor: Acceptor) -> (String, tokio::sync::mpsc::UnboundedReceiver<Shown>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, shown) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                if let Some((stream, shown)) = acceptor.accept(stream).await {
                    let _ = sender.send(shown);
                    let (mut read, mut write) = tokio::io::split(stream);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                }
            });
        }
    });
    (address, shown)
}

/// A server by a certificate that no acceptor would begin with.
async fn serve_as(world: &World, name: &str) -> String {
    let (certificate, key) = files(world.path(), name);
    let chain = CertificateDer::pem_file_iter(certificate).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder_with_provider(weir_tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    address
}

async fn call(
    address: &str,
    config: &Arc<ClientConfig>,
    host: &str,
) -> Result<ClientStream<TcpStream>, &'static str> {
    let stream = TcpStream::connect(address).await.unwrap();
    let called = connect_with(Arc::clone(config), host, HTTP1, stream).await;
    called.map_err(|cause| cause.code)
}

/// Says something and hears it; else the word for why not.
async fn echo(stream: &mut ClientStream<TcpStream>) -> Result<(), &'static str> {
    let said = async {
        stream.write_all(b"hello").await?;
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await?;
        assert_eq!(&heard, b"hello");
        Ok(())
    };
    let said: std::io::Result<()> = said.await;
    said.map_err(|error| cause_of(&error, Side::Client).map_or("other", |cause| cause.code))
}

// Semantics 9.3.
#[tokio::test]
async fn a_callers_certificate_says_whether_it_is_a_service() {
    let world = World::new();
    world.make("server", &["localhost"], GOOD);
    world.make("edge", &["edge"], GOOD);
    world.make("quota", &["spiffe://weir.test/quota"], GOOD);
    world.make("team", &["team", "spiffe://weir.test/quotas"], GOOD);
    let (address, mut shown) = serve(world.acceptor()).await;
    for (own, expected) in [
        (None, Shown::Nothing),
        (Some("edge"), Shown::Service),
        (Some("quota"), Shown::Service),
        (Some("team"), Shown::Stranger),
    ] {
        let config = world.client(own.map(|name| (&world, name)));
        let mut stream = call(&address, &config, "localhost").await.unwrap();
        echo(&mut stream).await.unwrap();
        assert_eq!(shown.recv().await, Some(expected), "{own:?}");
    }
}

#[tokio::test]
async fn a_servers_certificate_is_looked_at() {
    let (world, other) = (World::new(), World::new());
    world.make("server", &["localhost", "127.0.0.1"], GOOD);
    world.make("past", &["localhost"], PAST);
    let (address, _shown) = serve(world.acceptor()).await;
    let config = world.client(None);
    for host in ["localhost", "127.0.0.1"] {
        call(&address, &config, host).await.unwrap();
    }
    let refused = call(&address, &config, "elsewhere").await;
    assert_eq!(refused.err(), Some("other_name"));
    let refused = call(&address, &other.client(None), "localhost").await;
    assert_eq!(refused.err(), Some("unknown_authority"));
    let past = serve_as(&world, "past").await;
    let refused = call(&past, &config, "localhost").await;
    assert_eq!(refused.err(), Some("expired"));
}

#[tokio::test]
async fn how_far_it_is_looked_at_can_be_said() {
    let (world, other) = (World::new(), World::new());
    world.make("server", &["localhost"], GOOD);
    let (address, _shown) = serve(world.acceptor()).await;
    let trusting = |world: &World| {
        let file = world.file("ca.pem", Kind::Authorities);
        let bytes = std::fs::read(&file.path).unwrap();
        let (file, bytes) = (&file, &*bytes);
        Trust::Authorities(authorities(Text { file, bytes }).unwrap())
    };
    for (trust, check, host, refused) in [
        (trusting(&world), Check::Authority, "elsewhere", None),
        (
            trusting(&other),
            Check::Authority,
            "localhost",
            Some("unknown_authority"),
        ),
        (trusting(&other), Check::Nothing, "elsewhere", None),
        (
            Trust::Machine,
            Check::Full,
            "localhost",
            Some("unknown_authority"),
        ),
    ] {
        let config = Arc::new(client_config(&trust, check, None));
        let called = call(&address, &config, host).await;
        assert_eq!(called.err(), refused, "{check:?} {host}");
    }
}

#[tokio::test]
async fn a_callers_bad_certificate_is_refused_and_it_is_told() {
    let (world, other) = (World::new(), World::new());
    world.make("server", &["localhost"], GOOD);
    other.make("edge", &["edge"], GOOD);
    let (address, mut shown) = serve(world.acceptor()).await;
    let config = world.client(Some((&other, "edge")));
    let mut stream = call(&address, &config, "localhost").await.unwrap();
    assert_eq!(echo(&mut stream).await, Err("refused_authority"));
    assert!(shown.try_recv().is_err());
}

#[tokio::test]
async fn who_speaks_plainly_is_told_so() {
    let world = World::new();
    world.make("server", &["localhost"], GOOD);
    let (address, _shown) = serve(world.acceptor()).await;
    for (said, answered) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", "call it by https://"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "call it by https://"),
        ("\u{1}\u{2}\u{3}", ""),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.contains(answered), "{said:?}: {text:?}");
        assert_eq!(text.is_empty(), answered.is_empty());
    }
}

#[tokio::test]
async fn who_speaks_tls_to_whoever_does_not_is_told_so() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut some = [0; 16];
            let _ = stream.read(&mut some).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    for _ in 0..2 {
        let called = call(&address, &world.client(None), "localhost").await;
        assert_eq!(called.err(), Some("not_tls"));
    }
}

/// By which authority the server is known now.
async fn known_by(address: &str, first: &Arc<ClientConfig>, second: &Arc<ClientConfig>) -> u8 {
    match call(address, first, "localhost").await {
        Ok(_) => 1,
        Err("unknown_authority") => {
            call(address, second, "localhost").await.unwrap();
            2
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn files_that_change_are_taken_and_those_that_are_broken_are_not() {
    let (world, other) = (World::new(), World::new());
    for world in [&world, &other] {
        world.make("server", &["localhost"], GOOD);
    }
    let (address, _shown) = serve(world.acceptor()).await;
    // One that is open stays so, whatever happens to the files.
    let (first, second) = (world.client(None), other.client(None));
    let mut open = call(&address, &first, "localhost").await.unwrap();
    let put = |from: &World, name: &str| {
        let beside = world.path().join("beside");
        std::fs::copy(from.path().join(name), &beside).unwrap();
        std::fs::rename(&beside, world.path().join(name)).unwrap();
    };
    // Another certificate with the old key; no certificate; none at all.
    let old = std::fs::read(world.path().join("server.pem")).unwrap();
    put(&other, "server.pem");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(known_by(&address, &first, &second).await, 1);
    std::fs::write(world.path().join("server.pem"), "nonsense").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(known_by(&address, &first, &second).await, 1);
    std::fs::write(world.path().join("server.pem"), old).unwrap();
    put(&other, "server.pem");
    put(&other, "server.key");
    let changed = async {
        while known_by(&address, &first, &second).await == 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let changed = tokio::time::timeout(Duration::from_secs(30), changed).await;
    changed.unwrap();
    echo(&mut open).await.unwrap();
}
