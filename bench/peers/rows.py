"""The rows: what is asked of whom, and what must come out. In the order of the targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import checks
import tenants
from checks import Check
from load import Load
from places import KEYS
from processes import Failed
from servers import Server, Setting
from targets import Target, added, cpu, cpu_beside, cpu_over, full, most, rates, steady


@dataclass(frozen=True)
class Row:
    """One load, sent to several servers in turn."""

    name: str
    title: str
    servers: tuple[str, ...]
    load: Callable[[], Load]
    checks: Callable[[], tuple[Check, ...]]
    targets: tuple[Target, ...] = ()
    setting: Callable[[Setting], Setting] = lambda setting: setting
    further: Callable[[int, int], tuple[str, ...]] = lambda round, seconds: ()
    """Arguments of load.lua that change from one run to the next; round 0 is the warm-up."""
    spin: int = 0
    """Microseconds that the load works on each answer where it is the same for all: more than any server takes whose
    CPU time is compared. 0: there is no such load."""
    verifies_alone: bool = False
    """Whether a lone RS256 verification is measured in each round."""
    paths: dict[str, str] = field(default_factory=dict)
    """Where a server has the same thing at another path."""
    blind: tuple[str, ...] = ()
    """Servers that look at no token: only a good one is tried."""

    proof: Callable[[Server], str] | None = None
    """What the gateway must show besides, in words; it fails where it does not hold."""

    def load_of(self, server: str) -> Load:
        return replace(self.load(), path=self.paths.get(server, self.load().path))


def bearer_load() -> Load:
    return Load("/userinfo", headers=("client-type: api", f"Authorization: {checks.bearer('bearers.txt')}"))


HIT = Row(
    "userinfo-hit", "userinfo, cached hit",
    ("limit/userinfo", "gateway", "gateway/log", "envoy/jwt-cache", "node/userinfo-cache", "apache"),
    bearer_load, checks.of_bearers,
    (
        rates("rate / limit", "gateway", "limit/userinfo", 0.80, 0.88),
        rates("rate / Envoy with cache", "gateway", "envoy/jwt-cache", 4.0),
        steady("cpu / limit", cpu("gateway", "limit/userinfo"), 1.25),
        full("cpu / limit", cpu, ("gateway", "limit/userinfo"), 1.25),
        steady("access log, us more", cpu_beside("gateway/log", "gateway"), 1.5),
        full("access log, us more", cpu_beside, ("gateway/log", "gateway"), 1.5),
    ),
    spin=40, blind=("limit/userinfo",),
)


PER_SECOND = 45_000
"""More requests than anything here verifies in a second."""


def hosts_of_round(round: int, seconds: int) -> tuple[str, ...]:
    """Each run begins with a tenant that nobody was asked for yet."""
    each = -(-PER_SECOND * seconds // 3_000)
    if (round + 1) * each > tenants.VERIFIED_HOSTS:
        raise Failed("userinfo-verify: so many rounds and seconds would send a token twice; take fewer")
    return (f"first={round * each}",)


def with_many_hosts(setting: Setting) -> Setting:
    return replace(setting, tenants=lambda setting, folder: tenants.many_hosts(setting.upstream, folder))


VERIFY = Row(
    "userinfo-verify", "userinfo, verify RS256",
    ("limit/userinfo", "gateway", "haproxy/jwt", "envoy/jwt", "node/userinfo-verify"),
    lambda: Load("/userinfo", host="t000.example.com", headers=("client-type: api",), arguments=(
        f"tokens={KEYS / 'bearers.txt'}", f"hosts={tenants.VERIFIED_HOSTS}")),
    checks.of_bearers,
    (
        rates("rate / HAProxy jwt_verify", "gateway", "haproxy/jwt", 1.25, 1.4),
        steady("cpu / (limit + a verification alone)", cpu_over("gateway", "limit/userinfo", "verify"), 1.6),
    ),
    setting=with_many_hosts, further=hosts_of_round, verifies_alone=True, spin=80,
    blind=("limit/userinfo",),
)

MISS = Row(
    "userinfo-miss", "userinfo, opaque miss to upstream, about 1,000 requests a second",
    ("limit/upstream", "nginx", "haproxy", "limit/proxy", "gateway"),
    lambda: Load("/userinfo", host="opaque.example.com", headers=("client-type: api",), arguments=("pause=15",),
                 connections=16),
    lambda: (Check("an opaque token", 200, {"Authorization": "Bearer opaque-check"}, checks.holds("sub")),),
    (most("added p50 / nginx's added", added("gateway", "nginx", "limit/upstream", lambda it: it.p50), 1.25, 1.12),),
    further=lambda round, seconds: (f"opaque=opaque-{round}-",),
    paths={"limit/upstream": "/plain/userinfo"}, proof=checks.one_call,
)


def form(name: str, text: str) -> str:
    """A form as a file, since wrk's script reads it from there."""
    path = KEYS / f"{name}.form"
    path.write_text(text)
    return str(path)


def client_credentials() -> Load:
    text = (f"grant_type=client_credentials&client_id=BenchApi&client_secret={tenants.SECRET}"
            f"&audience=https%3A%2F%2Fapi.bench.example")
    return Load("/oauth/token", headers=("client-type: api",), arguments=(f"post={form('client-credentials', text)}",))


def password(client_type: str, host: str) -> Load:
    text = "grant_type=password&username=user%40bench.example&password=correct-horse-battery-staple&scope=openid+profile+email"
    if client_type == "web":
        text += "+website"
    return Load("/oauth/token", host=host, headers=(f"client-type: {client_type}",),
                arguments=(f"post={form(f'password-{client_type}', text)}",))


TOKEN = Row(
    "token", "token, answer without an ID token (client_credentials)",
    ("nginx", "haproxy", "limit/proxy", "gateway", "gateway/log", "envoy/proxy", "node/token"),
    client_credentials, lambda: checks.of_tokens("access_token", "token_type"),
    (
        steady("cpu / nginx", cpu("gateway", "nginx"), 1.35),
        full("cpu / nginx", cpu, ("gateway", "nginx"), 1.35),
        rates("rate / nginx", "gateway", "nginx", 0.75, 0.85),
        rates("rate / Envoy", "gateway", "envoy/proxy", 2.8),
        rates("rate / express", "gateway", "node/token", 10.0),
        steady("access log, us more", cpu_beside("gateway/log", "gateway"), 1.5),
        full("access log, us more", cpu_beside, ("gateway/log", "gateway"), 1.5),
    ),
    spin=100,
)

TOKEN_ID_TOKEN = Row(
    "token-id-token", "token, ID token verified (`api`, password)",
    ("nginx", "gateway"),
    lambda: password("api", "openid.example.com"), lambda: checks.of_tokens("access_token", "id_token"),
    (steady("cpu / (nginx + a verification alone)", cpu_over("gateway", "nginx", "verify"), 1.35, 1.2),),
    setting=lambda setting: replace(setting, whose="openid"), verifies_alone=True, spin=100,
)

TOKEN_SESSION = Row(
    "token-session", "token, session opened (`web`, password, memory)",
    ("nginx", "gateway"),
    lambda: password("web", "web.example.com"),
    lambda: (Check("a login", 200, {}, lambda answer: bool(answer.body)),),
    (steady("cpu / (nginx + a verification alone)", cpu_over("gateway", "nginx", "verify"), None),),
    setting=lambda setting: replace(setting, whose="web"), verifies_alone=True, spin=100,
)

SDK = "https%3A%2F%2Fspa.example.com%2Fcallback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

AUTHORIZE_SDK = Row(
    "authorize-sdk", "authorize redirect, the caller's own challenge (nothing is kept)",
    ("nginx", "limit/redirect", "gateway"),
    lambda: Load(f"/authorize?redirect_uri={SDK}&state=af0ifjsldkj&code_challenge={CHALLENGE}&code_challenge_method=S256",
                 host="web.example.com", headers=("client-type: spa",)),
    checks.of_redirects,
    (
        steady("cpu / nginx 302", cpu("gateway", "nginx"), 1.20, 1.08),
        full("cpu / nginx 302", cpu, ("gateway", "nginx"), 1.20, 1.08),
    ),
    spin=40,
)

AUTHORIZE = Row(
    "authorize", "authorize redirect, a login that the gateway finishes (a sealed cookie)",
    ("nginx", "limit/redirect", "gateway"),
    lambda: Load("/authorize?redirect=http%3A%2F%2Fweb.example.com%2Faccount&login_hint=user%40bench.example&state=af0ifjsldkj",
                 host="web.example.com", headers=("client-type: web",)),
    checks.of_redirects,
    (
        steady("cpu / nginx 302", cpu("gateway", "nginx"), 1.20, 1.08),
        full("cpu / nginx 302", cpu, ("gateway", "nginx"), 1.20, 1.08),
    ),
    spin=40,
)

TLS = Row(
    "tls", "TLS 1.3 on top, keep-alive (userinfo, cached hit)",
    ("gateway/plain", "gateway", "nginx"),
    bearer_load, lambda: checks.of_bearers(judges=False),
    (
        steady("cpu / own plain", cpu("gateway", "gateway/plain"), 1.30, 1.22),
        full("cpu / own plain", cpu, ("gateway", "gateway/plain"), 1.30, 1.22),
        steady("cpu / nginx TLS, a fixed answer", cpu("gateway", "nginx"), None),
    ),
    spin=40,
    setting=lambda setting: replace(setting, tls=True), paths={"nginx": "/answer"},
)

ROWS = {row.name: row for row in (HIT, VERIFY, MISS, TOKEN, TOKEN_ID_TOKEN, TOKEN_SESSION, AUTHORIZE_SDK, AUTHORIZE, TLS)}
