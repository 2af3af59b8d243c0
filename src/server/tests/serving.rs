//! What is answered, and what becomes of requests that go wrong.

use super::*;

#[tokio::test]
async fn http1_is_kept_alive_and_knows_its_peer() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    assert_eq!(get(&mut stream, "/").await.1, "hello");
    let local = stream.local_addr().expect("is connected");
    assert_eq!(get(&mut stream, "/peer").await.1, format!("{:?}", Peer::Inet(local)));
    assert_eq!(server.open_connections(), "1");
    drop(stream);
    until("the gauge at 0", || server.open_connections() == "0").await;
}

#[tokio::test]
async fn http2_is_spoken_with_prior_knowledge() {
    let server = Server::start(Setup::default()).await;
    let (mut sender, _driver) = server.connect_http2().await;
    assert_eq!(get_http2(&mut sender, "/").await.expect("answers"), (StatusCode::OK, "hello".to_owned()));
}

#[tokio::test]
async fn a_socket_in_the_file_system_serves_and_is_removed() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("gateway.sock");
    let address = format!("unix:{}", path.display()).parse().expect("is an address");
    // What a crash leaves: a socket that nobody answers.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("binds"));
    let listener = Listener::bind(&address).await.expect("takes a dead socket's place");
    assert!(matches!(Listener::bind(&address).await, Err(BindError::InUse { .. })));
    let server = Server::start(Setup::default()).await;
    let context = ServerContext {
        tls: None,
        connection: ConnectionOptions::default(),
        max_connections: 1,
        metrics: server.metrics.clone(),
        shutdown: server.shutdown.clone(),
    };
    let service = service_fn(|request| answer(request, Arc::default(), Arc::default(), Arc::default()));
    server.shutdown.tracker().spawn(serve(listener, service, context));
    let mut stream = UnixStream::connect(&path).await.expect("connects");
    assert_eq!(get(&mut stream, "/peer").await.1, "Unix");
    server.shutdown.stop();
    until("the file to go", || !path.exists()).await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().join("precious");
    std::fs::write(&path, "text").expect("writes");
    let address = format!("unix:{}", path.display()).parse().expect("is an address");
    assert!(matches!(Listener::bind(&address).await, Err(BindError::Refused { .. })));
    assert_eq!(std::fs::read_to_string(&path).expect("is there"), "text");
    let inherited = Listener::bind(&"fd:3".parse().expect("is an address")).await;
    assert!(matches!(inherited, Err(BindError::NotSupported { .. })));
}

#[tokio::test]
async fn a_panic_is_one_answer_and_neither_the_connection_nor_its_siblings() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    let (head, body) = get(&mut stream, "/panic").await;
    assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    assert!(body.contains(r#""error":"server_error""#) && !body.contains("as asked for"), "{body}");
    assert_eq!(get(&mut stream, "/").await.1, "hello");
    let (sender, _driver) = server.connect_http2().await;
    let (mut waiting, mut panicking) = (sender.clone(), sender);
    let sibling = async {
        within("the sibling", server.arrived.notified()).await;
        let panicked = get_http2(&mut panicking, "/panic").await.expect("answers");
        server.gate.notify_one();
        panicked
    };
    let (waited, panicked) = tokio::join!(get_http2(&mut waiting, "/wait"), sibling);
    assert_eq!(panicked.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(waited.expect("answers").1, "waited");
}

#[tokio::test]
async fn an_error_of_the_service_cuts_the_connection() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "/cut").await;
    is_closed(&mut stream).await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_is_worked_for_no_longer() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "/wait").await;
    within("the request", server.arrived.notified()).await;
    drop(stream);
    until("the request to be given up", || server.given_up.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_caller_that_closes_its_side_is_still_answered_where_the_answer_is_at_hand() {
    let server = Server::start(Setup::default()).await;
    let mut stream = server.connect().await;
    send(&mut stream, "/").await;
    stream.shutdown().await.expect("closes one side");
    assert_eq!(receive(&mut stream).await.1, "hello");
}
