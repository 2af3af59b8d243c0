//! One request over and over, to any server: what a peer, a proxy or the upstream itself takes for it.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use rand::rngs::SmallRng;

use super::options::{LoadOptions, OutputOptions};
use super::run::{self, cpu, notes, publish};
use crate::load::{self, Answer, Call, Endpoint, Job, Progress, Watcher, Work};
use crate::own::{Usage, usage};
use crate::report::{self, Latency, Report};

/// What is sent and where.
#[derive(Debug, Args)]
pub struct Request {
    /// Scheme (`http`), address, path and query.
    url: url::Url,
    /// The method; with `--data` POST by default.
    #[arg(long, value_name = "METHOD")]
    method: Option<Method>,
    /// A header, `name: value`; a `host` is the request's host whatever the socket.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = a_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// The server's process on this machine, for its time on a core.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    #[command(flatten)]
    load: LoadOptions,
    #[command(flatten)]
    output: OutputOptions,
}

fn a_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| "`name: value`".to_owned())?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no header"))?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "no header's value".to_owned())?;
    Ok((name, value))
}

struct Same(Call);

impl Work for Same {
    fn operations(&self) -> Vec<String> {
        vec!["request".to_owned()]
    }

    fn next(&self, _: &mut SmallRng) -> Option<Job> {
        let is_right = |answer: &Answer| answer.status < StatusCode::BAD_REQUEST;
        Some(Job { operation: 0, call: self.0.clone(), is_right, keeps_body: false, then: None })
    }
}

struct Usages(Option<u32>, Vec<Option<Usage>>);

impl Watcher for Usages {
    fn round(&mut self, _: Option<usize>, _: &Progress) {
        self.1.push(self.0.and_then(usage));
    }

    fn tick(&mut self, _: &Progress) {}
}

impl Request {
    /// Sends it to its report.
    ///
    /// # Errors
    /// What kept it from being measured.
    pub fn run(self) -> anyhow::Result<bool> {
        ensure!(self.url.scheme() == "http", "a plain http URL");
        let host = self.url.host_str().context("a host")?;
        let port = self.url.port_or_known_default().context("a port")?;
        let address = (host.trim_matches(['[', ']']), port).to_socket_addrs()?.next().context("an address")?;
        let endpoint = Endpoint { address, tls: None, http2: self.load.h2.is_some() };
        let plan = run::plan(endpoint, &self.load);
        let work: Arc<dyn Work> = Arc::new(Same(self.call(address)));
        let mut usages = Usages(self.pid, Vec::new());
        let recorder = load::run(&plan, &work, &mut usages)?;
        let options = BTreeMap::from([
            ("pace".to_owned(), run::pace(&plan)),
            ("connections".to_owned(), plan.connections.to_string()),
            ("tenants".to_owned(), self.url.path().to_owned()),
        ]);
        let mut report = Report::new("request", options);
        report.operations = report::operations(&recorder, plan.round.as_secs_f64());
        report.lag = Latency::of(&recorder.lag_over_all());
        report.gateway_cpu_us = cpu(&usages.1, &recorder);
        notes(&mut report, &self.load);
        publish(&report, &self.output)
    }

    fn call(&self, address: std::net::SocketAddr) -> Call {
        let mut headers: HeaderMap = self.headers.iter().cloned().collect();
        let host = headers.remove(header::HOST);
        let host = host.as_ref().and_then(|host| host.to_str().ok()).map_or_else(|| address.to_string(), str::to_owned);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let data = self.data.clone().unwrap_or_default();
        if self.data.is_some() && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, form);
        }
        let default = if self.data.is_some() { Method::POST } else { Method::GET };
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let target = Bytes::from(format!("{}{query}", self.url.path()));
        let method = self.method.clone().unwrap_or(default);
        Call { method, target, host: host.into(), headers, body: data.into() }
    }
}
