//! What a connection may take: time, header lines, bytes, a place.

use super::*;
use crate::base::clock::SystemClock;

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let connection = ConnectionOptions { header_timeout: SOON, idle_timeout: NEVER };
    let server = Server::start(Setup { connection, ..Setup::default() }).await;
    let mut silent = server.connect().await;
    is_closed(&mut silent).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("writes");
    is_closed(&mut slow).await;
    let mut preface = server.connect().await;
    preface.write_all(b"PRI * HTTP/2.0\r\n").await.expect("writes");
    is_closed(&mut preface).await;
    let mut second = server.connect().await;
    assert_eq!(get(&mut second, "/").await.1, "hello");
    second.write_all(b"GET /").await.expect("writes");
    is_closed(&mut second).await;
}

#[tokio::test]
async fn a_tls_handshake_that_does_not_end_closes_the_connection() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let files = CertificateFiles { certificates: folder.path().join("crt"), key: folder.path().join("key") };
    let key = rcgen::KeyPair::generate().expect("makes a key");
    let parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("is a name");
    let pem = parameters.self_signed(&key).expect("signs").pem();
    std::fs::write(&files.certificates, pem).expect("writes");
    std::fs::write(&files.key, key.serialize_pem()).expect("writes");
    let (metrics, clock) = (Arc::new(Metrics::new(0).expect("registers")), Arc::new(SystemClock));
    let tls = Certificates::load(vec![files], metrics, clock).expect("loads");
    let connection = ConnectionOptions { header_timeout: SOON, idle_timeout: NEVER };
    let server = Server::start(Setup { connection, tls: Some(Arc::new(tls)), ..Setup::default() }).await;
    let mut silent = server.connect().await;
    is_closed(&mut silent).await;
    let mut slow = server.connect().await;
    // A handshake record that says it is 256 bytes long, and its first byte.
    slow.write_all(&[0x16, 0x03, 0x01, 0x01, 0x00, 0x01]).await.expect("writes");
    is_closed(&mut slow).await;
}

#[tokio::test]
async fn an_idle_connection_closes_and_one_with_a_request_under_way_does_not() {
    let connection = ConnectionOptions { header_timeout: NEVER, idle_timeout: SOON };
    let server = Server::start(Setup { connection, ..Setup::default() }).await;
    let mut waiting = server.connect().await;
    send(&mut waiting, "/wait").await;
    within("the request", server.arrived.notified()).await;
    // Each of these takes an idle time to close, one after the other.
    for _ in 0..3 {
        let mut idle = server.connect().await;
        assert_eq!(get(&mut idle, "/").await.1, "hello");
        is_closed(&mut idle).await;
    }
    let (mut sender, mut driver) = server.connect_http2().await;
    assert_eq!(get_http2(&mut sender, "/").await.expect("answers").1, "hello");
    within("the end of the idle HTTP/2 connection", driver.join_next()).await;
    server.gate.notify_one();
    assert_eq!(receive(&mut waiting).await.1, "waited");
}

#[tokio::test]
async fn beyond_the_cap_a_connection_waits_until_one_closes() {
    let server = Server::start(Setup { max_connections: 1, ..Setup::default() }).await;
    let mut first = server.connect().await;
    assert_eq!(get(&mut first, "/").await.1, "hello");
    let mut second = server.connect().await;
    send(&mut second, "/").await;
    for _ in 0..10 {
        assert_eq!(get(&mut first, "/").await.1, "hello");
    }
    assert_eq!(server.open_connections(), "1");
    assert!(second.try_read(&mut [0]).is_err(), "the second was served beside the first");
    drop(first);
    assert_eq!(receive(&mut second).await.1, "hello");
}

#[tokio::test]
async fn more_than_a_hundred_header_lines_are_431() {
    let server = Server::start(Setup::default()).await;
    for (lines, status) in [(99, "HTTP/1.1 200 "), (100, "HTTP/1.1 431 ")] {
        let mut stream = server.connect().await;
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(lines));
        stream.write_all(request.as_bytes()).await.expect("writes");
        let (head, _) = receive(&mut stream).await;
        assert!(head.starts_with(status), "{head}");
    }
    for (lines, status) in [(100, StatusCode::OK), (101, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)] {
        let (mut sender, _driver) = server.connect_http2().await;
        let mut request =
            Request::get("http://a/").version(Version::HTTP_2).body(Empty::<Bytes>::new()).expect("builds");
        for _ in 0..lines {
            request.headers_mut().append("x", "y".parse().expect("is a value"));
        }
        let response = within("an answer", sender.send_request(request)).await.expect("answers");
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn a_head_of_more_than_32_kib_is_431_and_the_answer_arrives() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    let (mut reading, mut writing) = stream.split();
    // Far more than is read: without the draining, a reset would end the write and, on other systems
    // than this, take the answer away.
    let write = async {
        writing.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ").await.expect("is taken");
        writing.write_all(&vec![b'y'; 200 * 1024]).await.expect("is taken");
    };
    let ((head, _), ()) = tokio::join!(receive(&mut reading), write);
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    assert_eq!(within("the end", stream.read(&mut [0])).await.expect("no reset"), 0);
}

#[tokio::test]
async fn an_answer_before_the_body_was_read_arrives() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    let (mut reading, mut writing) = stream.split();
    let write = async {
        writing.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 204800\r\n\r\n").await.expect("is taken");
        writing.write_all(&vec![b'y'; 200 * 1024]).await.expect("is taken");
    };
    let ((head, body), ()) = tokio::join!(receive(&mut reading), write);
    assert!(head.starts_with("HTTP/1.1 200 ") && body == "hello", "{head}{body}");
    assert_eq!(within("the end", stream.read(&mut [0])).await.expect("no reset"), 0);
}
