//! TLS at the public listener, and towards Auth0.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use auth0_gateway::base::clock::SystemClock;
use auth0_gateway::emulator::{Emulator, EmulatorOptions, World as Auth0World};
use auth0_gateway::server::tls::{CertificateFiles, Certificates};
use auth0_gateway::telemetry::metrics::Metrics;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::{World, WorldOptions, eventually, plain_tenant};

/// A certificate of its own, for these names.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key: String,
    der: CertificateDer<'static>,
}

pub(crate) fn certificate(names: &[&str]) -> Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    signed(&rcgen::CertificateParams::new(names).unwrap(), &key)
}

/// A certificate whose time ends with the year before.
pub(crate) fn ending(name: &str, year: i32) -> Certificate {
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
    signed(&parameters, &rcgen::KeyPair::generate().unwrap())
}

fn signed(parameters: &rcgen::CertificateParams, key: &rcgen::KeyPair) -> Certificate {
    let made = parameters.self_signed(key).unwrap();
    Certificate { pem: made.pem(), key: key.serialize_pem(), der: made.der().clone() }
}

/// Writes a pair as an operator's tool does: beside it, then over it.
pub(crate) fn put(folder: &Path, name: &str, certificate: &Certificate) {
    for (ending, text) in [("key", &certificate.key), ("crt", &certificate.pem)] {
        std::fs::write(folder.join(".tmp"), text).unwrap();
        std::fs::rename(folder.join(".tmp"), folder.join(format!("{name}.{ending}"))).unwrap();
    }
}

/// A gateway with the pairs of these names, which stand in the folder.
async fn world(folder: &Path, names: &[&str]) -> World {
    let paths: Vec<(String, String)> = names
        .iter()
        .map(|name| (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key"))))
        .map(|(one, other)| (one.to_str().unwrap().to_owned(), other.to_str().unwrap().to_owned()))
        .collect();
    let flags = paths.iter().flat_map(|(certificate, key)| ["--tls-cert", certificate, "--tls-key", key]).collect();
    let files = vec![("shop.yaml", plain_tenant("shop", "shop.example"))];
    World::with(WorldOptions { files, flags, as_dev: false }).await
}

/// A handshake with whoever is there; the certificate is looked at by the test.
async fn connect(world: &World, name: &str, protocols: &[&str]) -> TlsStream<TcpStream> {
    try_connect(world, name, protocols).await.unwrap()
}

async fn try_connect(world: &World, name: &str, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    connect_by(world, name, (rustls::ALL_VERSIONS, protocols)).await
}

async fn connect_by(
    world: &World,
    name: &str,
    (versions, protocols): (&[&'static rustls::SupportedProtocolVersion], &[&str]),
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(Anyone(Arc::clone(&provider)));
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(world.gateway.public.unwrap()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

/// Takes every certificate: which one it is, the tests compare byte by byte.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn h2(stream: TlsStream<TcpStream>) -> http2::SendRequest<Empty<Bytes>> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut http2::SendRequest<Empty<Bytes>>, url: &str) -> hyper::Result<Response<Incoming>> {
    sender.send_request(Request::get(url).body(Empty::new()).unwrap()).await
}

/// One request on a connection of its own.
async fn get_once(world: &World, name: &str) -> Result<StatusCode, String> {
    let stream = try_connect(world, name, &["http/1.1"]).await.map_err(|error| format!("handshake: {error}"))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|it| it.to_string())?;
    tokio::spawn(connection);
    let request = Request::get("/userinfo").header("host", name).body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.map_err(|it| it.to_string())?;
    let status = answer.status();
    answer.into_body().collect().await.map_err(|it| it.to_string())?;
    Ok(status)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_asked_for_chooses_the_certificate_and_alpn_the_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let (first, wild, exact) =
        (certificate(&["first.example"]), certificate(&["*.shop.example"]), certificate(&["pay.shop.example"]));
    for (name, certificate) in [("first", &first), ("wild", &wild), ("exact", &exact)] {
        put(folder.path(), name, certificate);
    }
    let world = world(folder.path(), &["first", "wild", "exact"]).await;
    for (name, expected) in [
        ("first.example", &first),
        ("www.shop.example", &wild),
        ("pay.shop.example", &exact),
        ("a.b.shop.example", &first),
        ("unknown.example", &first),
        ("127.0.0.1", &first),
    ] {
        let stream = connect(&world, name, &["h2", "http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        assert_eq!(shown(&stream), expected.der, "{name}");
    }
    let old = connect(&world, "first.example", &["http/1.1"]).await;
    assert_eq!(old.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    // Who speaks plain HTTP to it gets no answer and holds no place.
    assert!(world.bare("GET", "/-/healthz").try_send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_connection_serves_what_its_certificate_covers_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "shop", &certificate(&["shop.example", "*.shop.example"]));
    let world = world(folder.path(), &["shop"]).await;
    let mut sender = h2(connect(&world, "shop.example", &["h2"]).await).await;
    for (host, expected) in
        [("shop.example", 401), ("www.shop.example", 401), ("other.example", 421), ("127.0.0.1", 421)]
    {
        let answer = get(&mut sender, &format!("https://{host}/userinfo")).await.unwrap();
        assert_eq!(answer.status(), expected, "{host}");
        assert!(answer.headers().contains_key("x-request-id"));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"] == "invalid_request", expected == 421, "{host}: {body}");
    }
    let probe = get(&mut sender, "https://10.0.0.1/-/healthz").await.unwrap();
    assert_eq!(probe.status(), 200, "a probe asks the machine and not a host");
    let document = get(&mut sender, "https://shop.example/.well-known/openid-configuration").await.unwrap();
    let document = document.into_body().collect().await.unwrap().to_bytes();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(document["token_endpoint"], "https://shop.example/oauth/token");
}

/// Callers at work while something changes: new connections, and requests on old ones.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    callers: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(world: &Arc<World>) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let callers = (0..4).map(|caller| {
            let (world, stop, done) = (Arc::clone(world), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                let mut failures = Vec::new();
                let mut sender = h2(connect(&world, "shop.example", &["h2"]).await).await;
                while !stop.load(Ordering::SeqCst) {
                    let result = if caller % 2 == 0 {
                        let answer = get(&mut sender, "https://shop.example/userinfo").await;
                        answer.map(|answer| answer.status()).map_err(|error| error.to_string())
                    } else {
                        get_once(&world, "shop.example").await
                    };
                    if result != Ok(StatusCode::UNAUTHORIZED) {
                        failures.push(format!("{result:?}"));
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
                failures
            })
        });
        Self { callers: callers.collect(), stop, done }
    }

    async fn goes_on(&self) {
        let seen = self.done.load(Ordering::SeqCst);
        eventually("callers go on", async || self.done.load(Ordering::SeqCst) > seen + 40).await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut failures = Vec::new();
        for caller in self.callers {
            failures.extend(caller.await.unwrap());
        }
        failures
    }
}

async fn is_shown(world: &World, certificate: &Certificate) -> bool {
    shown(&connect(world, "shop.example", &["h2"]).await) == certificate.der
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_swapped_under_load_and_no_request_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, three) =
        (certificate(&["shop.example"]), certificate(&["shop.example"]), certificate(&["shop.example"]));
    // As Kubernetes mounts a Secret: links into `..data`, which is swapped.
    let version = |name: &str, certificate: &Certificate| -> PathBuf {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        put(&folder.path().join(name), "shop", certificate);
        name.into()
    };
    std::os::unix::fs::symlink(version("..v1", &one), folder.path().join("..data")).unwrap();
    for ending in ["crt", "key"] {
        let (target, link) = (format!("..data/shop.{ending}"), folder.path().join(format!("shop.{ending}")));
        std::os::unix::fs::symlink(target, link).unwrap();
    }
    let world = Arc::new(world(folder.path(), &["shop"]).await);
    assert!(is_shown(&world, &one).await);
    let load = Load::start(&world);
    load.goes_on().await;
    std::os::unix::fs::symlink(version("..v2", &two), folder.path().join("..new")).unwrap();
    std::fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
    eventually("the swapped folder's is shown", async || is_shown(&world, &two).await).await;
    load.goes_on().await;
    // Over the links, by renames: the pair is no pair for a moment.
    put(folder.path(), "shop", &three);
    eventually("the renamed files' is shown", async || is_shown(&world, &three).await).await;
    load.goes_on().await;
    assert_eq!(load.end().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_is_bad_leaves_the_one_before_and_others_change() {
    let folder = tempfile::tempdir().unwrap();
    let (good, other) = (certificate(&["shop.example"]), certificate(&["shop.example"]));
    put(folder.path(), "shop", &good);
    put(folder.path(), "beside", &certificate(&["beside.example"]));
    let world = world(folder.path(), &["shop", "beside"]).await;
    for (ending, text) in [
        ("key", other.key.clone()),
        ("key", good.key[..60].to_owned()),
        ("crt", String::new()),
        ("crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
    ] {
        std::fs::write(folder.path().join(format!("shop.{ending}")), &text).unwrap();
        let changed = certificate(&["beside.example"]);
        put(folder.path(), "beside", &changed);
        eventually("the files were looked at", async || {
            shown(&connect(&world, "beside.example", &["h2"]).await) == changed.der
        })
        .await;
        assert!(is_shown(&world, &good).await, "{ending} {text}");
        put(folder.path(), "shop", &good);
    }
    put(folder.path(), "shop", &other);
    eventually("the mended pair is shown", async || is_shown(&world, &other).await).await;
}

/// The key inside PKCS#8 (RFC 5208 §5: version, algorithm, then the key in an OCTET STRING), in its older form.
fn unwrapped(pkcs8: &[u8], label: &str) -> String {
    let mut rest = contents(pkcs8).0;
    for _ in 0..2 {
        rest = contents(rest).1;
    }
    pem(label, contents(rest).0)
}

/// A DER value's contents, and what follows it.
fn contents(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match usize::from(der[1]) {
        long @ 0x80.. => {
            let end = 2 + (long - 0x80);
            (end, der[2..end].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
        short => (2, short),
    };
    der[start..].split_at(length)
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
    let lines: Vec<&str> = lines.collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn old_forms_of_keys_serve_tls_1_2_and_1_3() {
    let folder = tempfile::tempdir().unwrap();
    for (algorithm, label, name) in
        [(&rcgen::PKCS_RSA_SHA256, "RSA PRIVATE KEY", "rsa"), (&rcgen::PKCS_ECDSA_P256_SHA256, "EC PRIVATE KEY", "ec")]
    {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        let old = unwrapped(&key.serialize_der(), label);
        put(folder.path(), name, &Certificate { key: old, ..signed(&parameters, &key) });
    }
    let world = world(folder.path(), &["rsa", "ec"]).await;
    for name in ["rsa.example", "ec.example"] {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let stream = connect_by(&world, name, (&[version], &["h2"])).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version), "{name}");
            let answer = get(&mut h2(stream).await, &format!("https://{name}/-/healthz")).await.unwrap();
            assert_eq!(answer.status(), 200, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_first_certificate_to_end_is_a_metric() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "late", &ending("late.example", 2090));
    put(folder.path(), "early", &ending("early.example", 2080));
    let world = world(folder.path(), &["late", "early"]).await;
    // 2080-01-01T00:00:00Z.
    assert_eq!(world.metric("auth0_gateway_tls_certificate_not_after_seconds").await, 3_471_292_800);
    put(folder.path(), "early", &ending("early.example", 2091));
    eventually("the other one ends first", async || {
        world.metric("auth0_gateway_tls_certificate_not_after_seconds").await == 3_786_912_000
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn auth0_is_reached_over_tls_by_the_authorities_that_were_given() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "auth0", &certificate(&["127.0.0.1"]));
    let files =
        CertificateFiles { certificates: folder.path().join("auth0.crt"), key: folder.path().join("auth0.key") };
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let metrics = Arc::new(Metrics::new(0).unwrap());
    let certificates = Certificates::load(vec![files], metrics, Arc::new(SystemClock)).unwrap();
    let emulator = EmulatorOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        clock: Arc::new(SystemClock),
        random: Arc::new(auth0_gateway::base::random::SystemRandom),
        certificates: Some(Arc::new(certificates)),
        world: Auth0World::default(),
    };
    let emulator = Emulator::start(emulator, &tasks, stop.clone()).await.unwrap();
    assert!(emulator.base().starts_with("https://"));
    let tenant = plain_tenant("shop", "shop.example").replace("BASE", &emulator.base());
    let ca = folder.path().join("auth0.crt");
    for (flags, expected) in [(vec!["--ca-file", ca.to_str().unwrap()], 200), (Vec::new(), 503)] {
        let world =
            World::with(WorldOptions { files: vec![("shop.yaml", tenant.clone())], flags, as_dev: false }).await;
        let login = world.login("api", "shop.example", "user@shop.example", "Passw0rd-1").send().await;
        assert_eq!(login.status, expected, "{login:?}");
    }
    stop.cancel();
}
