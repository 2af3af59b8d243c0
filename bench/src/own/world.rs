//! An emulated Auth0 for tenant files: every connection they name, a user in each, any client.

use std::path::Path;

use anyhow::ensure;
use auth0_gateway::base::secret::Secret;
use auth0_gateway::emulator::{
    ActionClaim, ClaimValue, RotationMode, Strangers, World, WorldClient, WorldTenant, WorldUser,
};
use auth0_gateway::oauth::grant::GrantType;
use auth0_gateway::tenant::apply::{self, RemovalGuard, State};
use auth0_gateway::tenant::load::{Sources, load};
use auth0_gateway::tenant::model::{Client, Tenant};
use auth0_gateway::tenant::registry::Registry;

use crate::callers::{PASSWORD, user};
use crate::{clock, population};

/// What the files of a directory give, read as `dev` reads them: no secret need be set.
///
/// # Errors
/// Where a file is bad, with what is wrong.
pub fn registry_of(directory: &Path) -> anyhow::Result<Registry> {
    let reader = population::reader();
    let sources = Sources { directories: vec![directory.to_owned()], defaults: None };
    let loaded = load(&sources, &reader, &State::default());
    ensure!(loaded.unreadable.is_none(), "{}: {}", directory.display(), loaded.unreadable.unwrap_or_default());
    let guard = RemovalGuard { at_most: 100, at_least: 0, accepted: true };
    let (state, diff) = apply::apply(&State::default(), loaded.listing, guard, clock::wall());
    ensure!(
        diff.rejected.is_empty(),
        "{} of the tenant files in {} are bad; `auth0-gateway check {}` says what is wrong",
        diff.rejected.len(),
        directory.display(),
        directory.display()
    );
    let registry = state.registry();
    ensure!(!registry.tenants().is_empty(), "{}: no tenant file", directory.display());
    Ok(registry)
}

/// The world that these tenants log in to.
pub(super) fn world_of(registry: &Registry) -> World {
    World { tenants: registry.tenants().iter().map(|tenant| world_tenant(tenant)).collect() }
}

fn world_tenant(tenant: &Tenant) -> WorldTenant {
    let name = tenant.name.as_str();
    let unknown = WorldTenant::unknown(name);
    let claims = tenant
        .claims
        .connection
        .iter()
        .map(|claim| ActionClaim { name: claim.to_string(), value: ClaimValue::ConnectionName });
    let clients = tenant.clients.iter().filter(|client| !client.grants.contains(&GrantType::ClientCredentials));
    let mut world =
        WorldTenant { claims: claims.collect(), clients: clients.map(|one| world_client(one)).collect(), ..unknown };
    world.users.iter_mut().for_each(|user| user.password = Secret::new(PASSWORD));
    for connection in tenant.connections.iter().map(|connection| connection.name.as_str()) {
        if !world.connections.iter().any(|known| known == connection) {
            world.connections.push(connection.to_owned());
            world.users.push(WorldUser::new(name, connection, &user(name), PASSWORD));
        }
    }
    debug_assert_eq!(world.strangers, Strangers::Welcome);
    world
}

/// Refresh tokens rotate, as Auth0 advises: the dearer way for a gateway.
fn world_client(client: &Client) -> WorldClient {
    let rotation = RotationMode::Rotating { leeway: std::time::Duration::ZERO };
    WorldClient { rotation, ..WorldClient::stranger(&client.client_id) }
}
