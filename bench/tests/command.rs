//! The command as people run it: a gateway and an emulated Auth0 of its own, in processes of their own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};

use bench::report::Report;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn saved(file: &Path) -> Report {
    Report::from_json(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// As little load as shows that everything is done and nothing is wrong.
const LITTLE: [&str; 11] =
    ["--rate", "40", "--duration", "2s", "--warm-up", "200ms", "--rounds", "2", "--pool", "12", "--quiet"];

#[test]
fn two_commands_load_ones_own_tenant_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let path = |name: &str| file(name).to_str().unwrap().to_owned();
    let tenants = concat!(env!("CARGO_MANIFEST_DIR"), "/../tenants.d");
    let callers = bench(&["callers", "--tenants-dir", tenants]);
    assert!(callers.status.success(), "{}", text(&callers));
    std::fs::write(file("callers.yaml"), &callers.stdout).unwrap();
    let every =
        "userinfo-session,userinfo-bearer,token-password,token-refresh,token-client-credentials,authorize,logout";
    let flags = ["mixed", "--tenants-dir", tenants, "--callers", &path("callers.yaml"), "--mix", every];
    let first = bench(&[&flags[..], &LITTLE, &["--json", &path("a.json"), "--svg", &path("a.svg")]].concat());
    assert!(first.status.success(), "{}", text(&first));
    let report = saved(&file("a.json"));
    assert_eq!(report.failed(), 0, "{}", text(&first));
    assert_eq!(report.operations.iter().map(|one| one.count).sum::<u64>(), 80, "{}", text(&first));
    assert!(report.gateway_cpu_us.is_some() && report.lag.is_some());
    assert!(std::fs::read_to_string(file("a.svg")).unwrap().contains("userinfo-session"));
    let listed = String::from_utf8_lossy(&callers.stdout).into_owned();
    let portal = listed.split("- host").find(|caller| caller.contains("client_type: portal")).unwrap();
    assert!(!portal.contains("authorization_code"), "it has no way back: {portal}");
    // Another rate is another run.
    let other = bench(&[&flags[..], &LITTLE[2..], &["--rate", "20", "--compare", &path("a.json")]].concat());
    assert_eq!(other.status.code(), Some(70), "{}", text(&other));
    assert!(text(&other).contains("pace was 40 a second and is 20 a second"), "{}", text(&other));
}

#[test]
fn a_storm_on_one_session_is_one_call_to_auth0() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("storm.json");
    let flags = ["--tenants", "2", "--refreshes", "20", "--storms", "3", "--json", json.to_str().unwrap()];
    let storm = bench(&[&["storm"], &flags[..]].concat());
    assert!(storm.status.success(), "{}", text(&storm));
    let report = saved(&json);
    assert_eq!((report.operations[0].count, report.failed()), (60, 0), "{}", text(&storm));
    assert_eq!((report.figures[0].values.min, report.figures[0].values.max), (1.0, 1.0), "{}", text(&storm));
}

#[test]
fn files_that_change_under_load_come_into_service() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("reload.json");
    let flags = ["--tenants", "20", "--rate", "40", "--duration", "6s", "--rounds", "3", "--pool", "5", "--quiet"];
    let reload = bench(&[&["reload"], &flags[..], &["--json", json.to_str().unwrap()]].concat());
    assert!(reload.status.success(), "{}", text(&reload));
    let report = saved(&json);
    assert_eq!(report.failed(), 0, "{}", text(&reload));
    assert_eq!(report.figures.len(), 6, "{}", text(&reload));
}

#[test]
fn tls_and_http2_are_spoken() {
    for protocol in [&["--tls"][..], &["--h2"], &["--tls", "--h2"]] {
        let loaded = bench(&[&["authorize", "--tenants", "2"], protocol, &LITTLE].concat());
        assert!(loaded.status.success(), "{protocol:?} {}", text(&loaded));
        assert!(!text(&loaded).contains("wrong or never came"), "{protocol:?} {}", text(&loaded));
    }
}

/// Half a second in which the gateway's process stands still: of the requests that were due, none is forgiven.
#[test]
fn a_halted_gateway_shows_in_the_99th_percentile() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("halt.json");
    let flags = ["--tenants", "2", "--rate", "100", "--duration", "4s", "--rounds", "1", "--pool", "5", "--quiet"];
    let halted =
        bench(&[&["userinfo-session", "--halt", "500ms"], &flags[..], &["--json", json.to_str().unwrap()]].concat());
    assert!(halted.status.success(), "{}", text(&halted));
    let p99 = saved(&json).operations[0].latency.p99;
    assert!(p99 >= 300_000.0, "{p99} µs\n{}", text(&halted));
}

/// Answers 200 where method, host and body are what was asked for.
#[expect(clippy::disallowed_methods, reason = "a server of threads is the simplest there is")]
fn echo() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let (mut seen, mut some) = (String::new(), [0u8; 1024]);
                while let Ok(read @ 1..) = socket.read(&mut some) {
                    seen += &String::from_utf8_lossy(&some[..read]);
                    if seen.ends_with("a=b") {
                        let is_asked = seen.starts_with("POST /x?y ") && seen.contains("host: app.example\r\n");
                        let status = if is_asked { "200 OK" } else { "400 Bad Request" };
                        write!(socket, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
                        seen.clear();
                    }
                }
            });
        }
    });
    address
}

#[test]
fn any_server_can_be_asked_the_same_thing_over_and_over() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("request.json");
    let url = format!("http://{}/x?y", echo());
    let flags = ["request", &url, "--header", "host: app.example", "--data", "a=b", "--json", json.to_str().unwrap()];
    let asked = bench(&[&flags[..], &LITTLE[..8], &["--quiet"]].concat());
    assert!(asked.status.success(), "{}", text(&asked));
    let report = saved(&json);
    assert_eq!((report.operations[0].count, report.failed()), (80, 0), "{}", text(&asked));
}

#[test]
fn what_cannot_be_measured_is_said() {
    let nobody = bench(&["userinfo-session", "--tenants-dir", "/nowhere", "--quiet"]);
    assert_eq!(nobody.status.code(), Some(70), "{}", text(&nobody));
    assert!(text(&nobody).contains("bench: /nowhere: "), "{}", text(&nobody));
    let foreign = bench(&["reload", "--tenants-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/../tenants.d")]);
    assert!(text(&foreign).contains("it generates them, without --tenants-dir"), "{}", text(&foreign));
}
