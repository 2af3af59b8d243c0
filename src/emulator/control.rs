//! The controls over HTTP: for another process, and for a person with curl.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::arrival::Arrival;
use super::calls::EndpointName;
use super::faults::{Cut, Fault, FaultResponse};
use super::handle::TenantHandle;
use super::tenant::TenantState;

/// A fault as JSON says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultBody {
    endpoint: EndpointName,
    #[serde(default)]
    latency_ms: u64,
    #[serde(default)]
    answer_delay_ms: u64,
    status: Option<u16>,
    #[serde(default)]
    body: String,
    cut: Option<Cut>,
    #[serde(default)]
    hang: bool,
    times: Option<u32>,
}

/// Does what a control asks for.
pub(super) async fn answer(tenant: &Arc<TenantState>, control: &str, arrival: &Arrival) -> Answer {
    let handle = TenantHandle::new(Arc::clone(tenant));
    match (&arrival.method, control) {
        (&Method::GET, "calls") => Answer::json(StatusCode::OK, &calls(&handle)),
        (&Method::DELETE, "fault") => {
            handle.clear_faults();
            Answer::empty(StatusCode::NO_CONTENT)
        }
        (&Method::POST, "fault") => match serde_json::from_slice::<FaultBody>(&arrival.body) {
            Ok(body) => {
                let endpoint = body.endpoint;
                handle.set_fault(endpoint, body.into());
                Answer::empty(StatusCode::NO_CONTENT)
            }
            Err(error) => Answer::json(StatusCode::BAD_REQUEST, &json!({ "error": error.to_string() })),
        },
        (&Method::POST, "backchannel" | "end-session") => match arrival.form.get("client_id") {
            Some(client_id) if control == "backchannel" => {
                handle.set_backchannel_logout(client_id, arrival.form.get("url").map(str::to_owned));
                Answer::empty(StatusCode::NO_CONTENT)
            }
            Some(client_id) => {
                let told = handle.last_sid(client_id).map_or(0, |sid| handle.end_session(&sid));
                Answer::json(StatusCode::OK, &json!({ "told": told }))
            }
            None => Answer::json(StatusCode::BAD_REQUEST, &json!({ "error": "client_id is missing" })),
        },
        (&Method::POST, "rotate") => {
            // Makes a key: not on a thread that others wait for.
            let rotated = tokio::task::spawn_blocking(move || handle.rotate_keys()).await;
            Answer::empty(if rotated.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR })
        }
        _ => super::endpoints::not_found(),
    }
}

fn calls(handle: &TenantHandle) -> Value {
    let counts: Map<String, Value> =
        EndpointName::ALL.iter().map(|endpoint| (endpoint.name().to_owned(), json!(handle.calls(*endpoint)))).collect();
    let refreshes = handle.grant_calls("refresh_token");
    let told = handle.logout_deliveries();
    let told: Vec<Value> = told.iter().map(|it| json!({ "client_id": it.client_id, "status": it.status })).collect();
    let violations = handle.refresh_violations();
    json!({ "calls": counts, "refreshes": refreshes, "refresh_violations": violations, "logout_deliveries": told })
}

impl From<FaultBody> for Fault {
    fn from(body: FaultBody) -> Self {
        let respond = body.status.map(|status| FaultResponse { status, headers: Vec::new(), body: body.body });
        Self {
            latency: Duration::from_millis(body.latency_ms),
            answer_delay: Duration::from_millis(body.answer_delay_ms),
            respond,
            cut: body.cut,
            hang: body.hang,
            times: body.times,
        }
    }
}
