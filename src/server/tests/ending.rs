//! The way out.

use super::*;

#[tokio::test]
async fn a_shutdown_finishes_what_is_in_flight_and_refuses_the_rest() {
    let mut server = Server::start(Setup::default()).await;
    let mut waiting = server.connect().await;
    send(&mut waiting, "/wait").await;
    within("the request", server.arrived.notified()).await;
    let mut idle = server.connect().await;
    assert_eq!(get(&mut idle, "/").await.1, "hello");
    let (mut sender, _driver) = server.connect_http2().await;
    assert_eq!(get_http2(&mut sender, "/").await.expect("answers").1, "hello");
    server.shutdown.stop();
    within("the closing", server.shutdown.closing().cancelled()).await;
    is_closed(&mut idle).await;
    within("a refused connection", async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
    assert_eq!(server.shutdown.phase(), Phase::Closing);
    server.gate.notify_one();
    let (head, body) = receive(&mut waiting).await;
    assert_eq!(body, "waited");
    assert!(head.contains("connection: close"), "{head}");
    is_closed(&mut waiting).await;
    drop(waiting);
    let outcome = within("the end", server.run.join_next()).await.expect("one runs").expect("does not panic");
    assert_eq!(outcome, Outcome::Finished);
}

#[tokio::test]
async fn while_draining_new_connections_are_served_and_a_second_stop_drops_all() {
    let times = ShutdownTimes { delay: NEVER, grace: NEVER };
    let mut server = Server::start(Setup { times, ..Setup::default() }).await;
    server.shutdown.stop();
    until("draining", || server.shutdown.phase() == Phase::Draining).await;
    let mut late = server.connect().await;
    assert_eq!(get(&mut late, "/").await.1, "hello");
    send(&mut late, "/wait").await;
    within("the request", server.arrived.notified()).await;
    server.shutdown.stop();
    is_closed(&mut late).await;
    let outcome = within("the end", server.run.join_next()).await.expect("one runs").expect("does not panic");
    assert!(matches!(outcome, Outcome::CutOff(_)), "{outcome:?}");
    until("the request to be given up", || server.given_up.load(Ordering::SeqCst)).await;
}
