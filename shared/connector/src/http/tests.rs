//! What a hostile or broken connector can do to the endpoint: nothing but fail.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{Source, Transport, address::Reach};

const NAME: &str = "connector.example.com";

fn secrets() -> Secrets {
    Secrets::new(Source::parse("key-1"), Source::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
}

fn request() -> DeliveryRequest {
    DeliveryRequest {
        org: OrgId::parse("acme").unwrap(),
        path: "/v1/ingest".into(),
        headers: vec![("Authorization".into(), "Bearer key-1".into())],
        body: b"{}".to_vec(),
    }
}

fn policy() -> DeliveryPolicy {
    DeliveryPolicy { request_timeout_ms: 400, connect_timeout_ms: 400, ..DeliveryPolicy::default() }
}

/// Answers each question with the next of its lists, the last for ever.
#[derive(Clone)]
struct Answers(Arc<(AtomicUsize, Mutex<VecDeque<Vec<IpAddr>>>)>);

impl Answers {
    fn of(lists: &[&[&str]]) -> Self {
        let parsed = lists.iter().map(|list| list.iter().map(|ip| ip.parse().unwrap()).collect());
        Self(Arc::new((AtomicUsize::new(0), Mutex::new(parsed.collect()))))
    }

    fn asked(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }
}

impl Lookup for Answers {
    async fn lookup(&self, _: String) -> io::Result<Vec<SocketAddr>> {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let mut lists = self.0.1.lock().unwrap();
        let list = if lists.len() > 1 { lists.pop_front() } else { lists.front().cloned() };
        Ok(list.unwrap().into_iter().map(|ip| SocketAddr::new(ip, 0)).collect())
    }
}

fn plain(port: u16) -> HttpEndpoint {
    let base =
        BaseUrl::parse(&format!("http://127.0.0.1:{port}"), Transport::LoopbackHttp).unwrap();
    HttpEndpoint::new(base, secrets(), &policy()).unwrap()
}

/// Serves every connection with `serve`, after the request's head was read.
async fn server<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = accepted.clone();
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let serve = serve.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                serve(stream).await;
            });
        }
    });
    (port, accepted)
}

async fn says(text: String) -> u16 {
    let serve = move |mut stream: TcpStream| {
        let text = text.clone();
        async move { drop(stream.write_all(text.as_bytes()).await) }
    };
    server(serve).await.0
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, reached) = server(|_| async {}).await;
    for status in [301, 302, 303, 307, 308] {
        let port = says(format!(
            "HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
        let answer = plain(port).post(request()).await;
        assert!(matches!(answer, DeliveryAnswer::Http { status: s, .. } if s == status));
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_slow_answer_a_dripping_answer_and_none_at_all_time_out() {
    async fn drip(mut stream: TcpStream) {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        let mut alive = stream.write_all(head).await.is_ok();
        while alive {
            alive = stream.write_all(b"x").await.is_ok();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    async fn nothing(stream: TcpStream) {
        std::future::pending::<()>().await;
        drop(stream);
    }
    for port in [server(drip).await.0, server(nothing).await.0] {
        let answer = plain(port).post(request()).await;
        assert_eq!(answer, DeliveryAnswer::Failed(DeliveryFailure::Timeout));
    }
}

#[tokio::test]
async fn no_more_than_64_kib_of_an_answer_is_read() {
    async fn endless(mut stream: TcpStream) {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        let mut alive = stream.write_all(head).await.is_ok();
        while alive {
            alive = stream.write_all(&[b'x'; 16 * 1024]).await.is_ok();
        }
    }
    let (port, _) = server(endless).await;
    let DeliveryAnswer::Http { status: 200, body, .. } = plain(port).post(request()).await else {
        panic!("no answer")
    };
    assert_eq!(body.len(), 64 * 1024);
}

#[tokio::test]
async fn what_is_not_http_and_what_breaks_off_is_broken() {
    for text in ["", "SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"] {
        let port = says(text.into()).await;
        let answer = plain(port).post(request()).await;
        assert_eq!(answer, DeliveryAnswer::Failed(DeliveryFailure::Broken), "{text:?}");
    }
    let (port, _) = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        (listener.local_addr().unwrap().port(), ())
    };
    let answer = plain(port).post(request()).await;
    assert_eq!(answer, DeliveryAnswer::Failed(DeliveryFailure::Connect), "nobody listens");
}

#[tokio::test]
async fn a_request_that_could_smuggle_is_not_sent() {
    let (port, reached) = server(|_| async {}).await;
    let injected = ("X-Athena-Org-Id".to_owned(), "acme\r\nX-Injected: 1".to_owned());
    for request in [
        DeliveryRequest { headers: vec![injected], ..request() },
        DeliveryRequest { path: "@evil.example/".into(), ..request() },
    ] {
        let answer = plain(port).post(request).await;
        assert_eq!(answer, DeliveryAnswer::Failed(DeliveryFailure::Refused));
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_with_an_address_out_of_reach_is_refused_at_send_time() {
    let roots = || webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    for list in [
        &["10.0.0.1"][..],
        &["169.254.169.254"],
        &["127.0.0.1"],
        &["::ffff:10.0.0.1"],
        &["1.1.1.1", "192.168.0.1"],
        &["2606:4700::1111", "fd00::1"],
    ] {
        let base = BaseUrl::parse(&format!("https://{NAME}"), Transport::Https).unwrap();
        let resolver = Guarded { reach: Reach::Global, lookup: Answers::of(&[list]) };
        let endpoint = HttpEndpoint::with(base, secrets(), &policy(), resolver, roots()).unwrap();
        let answer = endpoint.post(request()).await;
        assert_eq!(answer, DeliveryAnswer::Failed(DeliveryFailure::Refused), "{list:?}");
    }
}

/// An authority of its own, a server with a certificate made from `params`, and an endpoint that trusts the authority.
async fn secured(params: CertificateParams, answers: Answers, trust: bool) -> HttpEndpoint {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let certificate = params.signed_by(&key, &issuer).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(certificate)],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    let mut roots = RootCertStore::empty();
    if trust {
        roots.add(CertificateDer::from(root)).unwrap();
    }
    secured_on(port, answers, roots)
}

fn secured_on(port: u16, lookup: Answers, roots: RootCertStore) -> HttpEndpoint {
    let base = BaseUrl::parse(&format!("https://{NAME}:{port}"), Transport::HttpsOn(port)).unwrap();
    let resolver = Guarded { reach: Reach::Loopback, lookup };
    HttpEndpoint::with(base, secrets(), &DeliveryPolicy::default(), resolver, roots).unwrap()
}

fn certificate_for(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

#[tokio::test]
async fn only_a_valid_certificate_for_this_host_from_a_trusted_root_is_taken() {
    let tls = DeliveryAnswer::Failed(DeliveryFailure::Tls);
    let here = || Answers::of(&[&["127.0.0.1"]]);
    let valid = secured(certificate_for(NAME), here(), true).await.post(request()).await;
    assert!(matches!(valid, DeliveryAnswer::Http { status: 200, .. }), "{valid:?}");

    let stranger = secured(certificate_for(NAME), here(), false).await;
    assert_eq!(stranger.post(request()).await, tls, "an unknown root");
    let wrong = secured(certificate_for("other.example.com"), here(), true).await;
    assert_eq!(wrong.post(request()).await, tls, "another host's certificate");
    let mut expired = certificate_for(NAME);
    expired.not_before = rcgen::date_time_ymd(2000, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    assert_eq!(secured(expired, here(), true).await.post(request()).await, tls, "expired");
}

#[tokio::test]
async fn an_old_protocol_and_plain_text_are_tls_errors() {
    // A fatal `protocol_version` alert; a ServerHello of TLS 1.0; an answer in the clear.
    let mut hello = vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    for bytes in [vec![21, 3, 1, 0, 2, 2, 70], hello, b"HTTP/1.1 200 OK\r\n\r\n".to_vec()] {
        let serve = move |mut stream: TcpStream| {
            let bytes = bytes.clone();
            async move {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.read(&mut [0; 64]).await;
            }
        };
        let (port, _) = server(serve).await;
        let here = Answers::of(&[&["127.0.0.1"]]);
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let answer = secured_on(port, here, roots).post(request()).await;
        assert_eq!(answer, DeliveryAnswer::Failed(DeliveryFailure::Tls));
    }
}

#[tokio::test]
async fn a_name_is_asked_for_once_per_connection_and_rebinding_is_refused() {
    let answers = Answers::of(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let endpoint = secured(certificate_for(NAME), answers.clone(), true).await;
    let first = endpoint.post(request()).await;
    assert!(matches!(first, DeliveryAnswer::Http { status: 200, .. }), "{first:?}");
    assert_eq!(answers.asked(), 1, "the address that was judged is the one connected to");
    let rebound = endpoint.post(request()).await;
    assert_eq!(rebound, DeliveryAnswer::Failed(DeliveryFailure::Refused));
    assert_eq!(answers.asked(), 2);
}

#[test]
fn no_secret_is_printed() {
    let shown = format!("{:?} {:?}", plain(1), request());
    assert!(!shown.contains("key-1") && !shown.contains("whsec"), "{shown}");
}
