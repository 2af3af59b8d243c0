//! `healthcheck`: whether a running gateway is ready, for containers without curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::{Exit, complain, say};

/// A gateway that does not answer a probe within this is not well.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ask whether the gateway is ready.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The operations listener.
    #[arg(long, env = "AUTH0_GATEWAY_OPS_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    ops_listen: String,
}

/// Asks.
pub fn run(command: &Healthcheck) -> Exit {
    match ask(&command.ops_listen) {
        Ok(status) if status.contains(" 200 ") => say("ready\n", Exit::Good),
        Ok(_) => complain("not ready", Exit::Findings),
        Err(error) => complain(&format!("{}: {error}", command.ops_listen), Exit::Findings),
    }
}

/// The status line of `GET /readyz`.
fn ask(listen: &str) -> std::io::Result<String> {
    // What listens everywhere is asked on this machine.
    let address = listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
    let address: SocketAddr = address.parse().map_err(|_| std::io::Error::other("not an address"))?;
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    socket.take(4096).read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
