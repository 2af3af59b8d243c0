//! Tenant files: the samples, and one that a test writes out.

pub const ACME: &str = include_str!("../../../tenants.d/acme.yaml");
pub const GLOBEX: &str = include_str!("../../../tenants.d/globex.yaml");
pub const INITECH: &str = include_str!("../../../tenants.d/initech.yaml");

/// A tenant of one token client `api` at the emulator's tenant of that name; any user of it.
pub fn plain_tenant(name: &str, host: &str) -> String {
    format!(
        "auth0: {{ base_url: BASE/{name} }}\nhosts: [\"{host}\"]\ndefault_client: api\nclients:\n  api:\n    client_id: any\n    client_secret: any-secret\n    \
         scopes: [openid, email, offline_access]\n    audience: https://api.example\n    grants: [password, refresh_token, client_credentials]\n"
    )
}
