"""Envoy's configuration. It has no short form."""

from __future__ import annotations

from typing import Any

from places import KEYS
from tenants import AUDIENCE, ISSUER

TYPES = "type.googleapis.com/envoy.extensions.filters"


def build(port: int, upstream: int, whose: str, variant: str) -> dict[str, Any]:
    """`proxy` passes on; `jwt` verifies bearers at /userinfo; `jwt-cache` also remembers what it verified."""
    filters = [] if variant == "proxy" else [jwt(is_cached=variant == "jwt-cache")]
    filters.append({"name": "router", "typed_config": {"@type": f"{TYPES}.http.router.v3.Router"}})
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front", "http_filters": filters, "generate_request_id": False,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes(whose, variant)}]},
    }
    listener = {
        "name": "front", "address": address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    cluster = {
        "name": "tenant", "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [
            {"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000}]},
        "load_assignment": {"cluster_name": "tenant",
                            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream)}}]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def routes(whose: str, variant: str) -> list[dict[str, Any]]:
    ready = {"match": {"path": "/ready"}, "direct_response": {"status": 200}}
    if variant == "proxy":
        return [ready, {"match": {"prefix": "/"},
                        "route": {"cluster": "tenant", "prefix_rewrite": f"/{whose}/"}}]
    profile = (KEYS / "userinfo.json").read_text()
    return [ready, {"match": {"path": "/userinfo"},
                    "direct_response": {"status": 200, "body": {"inline_string": profile}}}]


def jwt(*, is_cached: bool) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "issuer": ISSUER, "audiences": [AUDIENCE],
        "local_jwks": {"inline_string": (KEYS / "jwks.json").read_text()},
    }
    if is_cached:
        # Its own default is 100 tokens; the gateway remembers 100,000.
        provider["jwt_cache_config"] = {"jwt_cache_size": 100_000}
    return {
        "name": "jwt",
        "typed_config": {
            "@type": f"{TYPES}.http.jwt_authn.v3.JwtAuthentication", "providers": {"bench": provider},
            "rules": [{"match": {"path": "/userinfo"}, "requires": {"provider_name": "bench"}}],
        },
    }
