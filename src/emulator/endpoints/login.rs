//! `/u/login`: the page where a visitor shows who they are.

use http::{Method, StatusCode};

use super::super::answer::{Answer, Refusal};
use super::super::arrival::Arrival;
use super::super::logins::{Factors, Proven, UnderWay};
use super::super::page::{self, LoginPage, Step};
use super::super::tenant::TenantState;
use super::authorize::{connections, logged_in, wants_two_factors};

/// The one-time password of everybody: the page says so.
const ONE_TIME_PASSWORD: &str = "000000";

/// Shows the page, or takes what was typed.
pub(super) fn answer(tenant: &TenantState, arrival: &Arrival) -> Result<Answer, Refusal> {
    let id = arrival.query_value("state").unwrap_or_default();
    let Some(login) = tenant.logins.under_way(&id, tenant.clock.now()) else {
        let text = "This login is over. Go back to the application and start again.";
        return Ok(page::message(StatusCode::BAD_REQUEST, &tenant.name, "Something went wrong", text));
    };
    if arrival.method != Method::POST {
        return Ok(show(tenant, &login, "", None));
    }
    let proven = match &login.proven {
        None => match by_password(tenant, arrival, &login) {
            Ok(proven) => proven,
            Err(error) => {
                return Ok(show(tenant, &login, arrival.form.get("username").unwrap_or_default(), Some(error)));
            }
        },
        Some(_) if arrival.form.get("code") != Some(ONE_TIME_PASSWORD) => {
            return Ok(show(tenant, &login, "", Some("Wrong one-time password.")));
        }
        Some(proven) => Proven { factors: Factors::Two, ..proven.clone() },
    };
    let is_mfa_user = tenant.settings().users.by_subject(&proven.subject).is_some_and(|user| user.mfa);
    if proven.factors == Factors::One && (is_mfa_user || wants_two_factors(&login.asked)) {
        let login = UnderWay { proven: Some(proven), ..login };
        tenant.logins.begin(id, login.clone(), tenant.clock.now());
        return Ok(show(tenant, &login, "", None));
    }
    tenant.logins.finish(&id);
    logged_in(tenant, &login.asked, proven)
}

fn by_password(tenant: &TenantState, arrival: &Arrival, login: &UnderWay) -> Result<Proven, &'static str> {
    let value = |name: &str| arrival.form.get(name).unwrap_or_default();
    let choice = choice(tenant, login);
    let connection = choice.iter().find(|name| **name == value("connection")).or_else(|| choice.first());
    let connection = connection.ok_or("There is no connection to log in with.")?;
    let user = tenant.settings().users.by_login(connection, value("username"));
    match user.filter(|user| user.password.matches(value("password"))) {
        Some(user) if user.blocked => Err("This user is blocked."),
        Some(user) => {
            Ok(Proven { subject: user.subject.clone(), connection: connection.clone(), factors: Factors::One })
        }
        None => Err("Wrong email or password."),
    }
}

/// The connection that was asked for, or all of the client's.
fn choice(tenant: &TenantState, login: &UnderWay) -> Vec<String> {
    match (&login.asked.connection, tenant.client(&login.asked.client_id)) {
        (Some(name), _) => vec![name.clone()],
        (None, Some(client)) => connections(tenant, &client),
        (None, None) => Vec::new(),
    }
}

fn show(tenant: &TenantState, login: &UnderWay, username: &str, error: Option<&str>) -> Answer {
    let step = match login.proven {
        None => Step::Password { connections: choice(tenant, login) },
        Some(_) => Step::OneTimePassword,
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = LoginPage { tenant: &tenant.name, client: &login.asked.client_id, username, step, error };
    page::html(status, &page)
}
