"""The gateway's tenant files."""

from __future__ import annotations

from pathlib import Path

ISSUER = "https://bench.eu.auth0.com/"
AUDIENCE = "https://api.bench.example"
SECRET = "bench-secret-that-is-as-long-as-those-of-auth0-are-which-is-64-ch"

VERIFIED_HOSTS = 1_000
"""Tenants of the row of many tokens: with 3,000 tokens, more pairs than are sent."""

SAMPLE_SECRETS = {
    name: "sample-secret" for name in (
        "ACME_WEB_SECRET", "ACME_API_SECRET", "ACME_MGMT_SECRET", "GLOBEX_PORTAL_SECRET", "INITECH_CMS_SECRET",
        "INITECH_MGMT_SECRET")
}
"""What the three sample tenants read from the environment."""

LIMITS = "limits: { concurrency: 10000, queue: 10000 }\n"
"""A thousand connections may each have a call under way: nothing waits, as at the peers."""


def at(base: str, hosts: str) -> str:
    """The head of a file: where its Auth0 is. `base_url` is where calls go, `issuer` whose tokens count."""
    return f"auth0: {{ base_url: \"{base}\", issuer: \"{ISSUER}\" }}\nhosts: [{hosts}]\n{LIMITS}"


def api(audience: bool = True) -> str:
    line = f"    audience: {AUDIENCE}\n" if audience else ""
    return (f"  api:\n    client_id: BenchApi\n    client_secret: {SECRET}\n    scopes: [openid, profile, email]\n{line}"
            "    grants: [client_credentials, password]\n")


def web() -> str:
    return (f"  web:\n    client_id: BenchWeb\n    client_secret: {SECRET}\n"
            "    scopes: [openid, profile, email, website]\n    grants: [password, authorization_code]\n"
            "    redirect_urls: [\"http://{host}/callback\"]\n    login_urls: [\"http://{host}/\"]\n")


def spa() -> str:
    return ("  spa:\n    client_id: BenchSpa\n    scopes: [openid, profile, email]\n    grants: [authorization_code]\n"
            "    app_redirect_urls: [\"https://spa.example.com/callback\"]\n")


def usual(upstream: int, folder: Path) -> None:
    """One tenant per way that the upstream answers."""
    base = f"http://127.0.0.1:{upstream}"
    files = {
        "bench": at(f"{base}/plain", "bench.example.com") + "clients:\n" + api(),
        "openid": at(f"{base}/openid", "openid.example.com") + "clients:\n" + api(),
        "web": at(f"{base}/web", "web.example.com") + "clients:\n" + web() + spa(),
        "opaque": at(f"{base}/opaque", "opaque.example.com") + "clients:\n" + api(audience=False),
        "slow": at(f"{base}/slow", "slow.example.com") + "clients:\n" + api(audience=False),
    }
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def many_hosts(upstream: int, folder: Path) -> None:
    """Tenants that differ in their address alone: what is remembered of a token is remembered for one of them."""
    for number in range(VERIFIED_HOSTS):
        name = f"t{number:03d}"
        text = at(f"http://127.0.0.1:{upstream}/{name}", f"{name}.example.com") + "clients:\n" + api()
        (folder / f"{name}.yaml").write_text(text)


def ten_thousand(folder: Path, edition: int) -> None:
    """Two hosts and two clients a tenant, none of whose Auth0 is ever called. Each edition differs in every file."""
    for number in range(10_000):
        name = f"tenant-{number:05d}"
        text = (f"auth0: {{ domain: {name}.eu.auth0.com }}\nhosts: [app.{name}.example.com, test.{name}.example.com]\n"
                f"labels: {{ team: checkout-{edition} }}\ndefault_client: web\nconnections:\n"
                f"  Production: {{ hosts: [app.{name}.example.com] }}\n  Testing: {{ hosts: [test.{name}.example.com] }}\n"
                "claims: { connection: https://bench.example/connection }\nclients:\n" + web() + api())
        (folder / f"{name}.yaml").write_text(text)
