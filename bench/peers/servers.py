"""Every server that can be measured: how it is configured and started."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import tenants
from places import BENCH, ENVOY, GATEWAY, HERE, KEYS, LOAD_CPU, NODE_PACKAGES, SERVER_CPU, free_port, needed
from processes import Process

MODULES = "/usr/lib/apache2/modules"


@dataclass(frozen=True)
class Setting:
    """What a row tells its servers."""

    folder: Path
    upstream: int = 0
    whose: str = "plain"
    """Which of the upstream's tenants a peer passes on to."""
    tls: bool = False
    under: tuple[str, ...] = ()
    """What the gateway runs under: a profiler."""
    tenants: Callable[[Setting, Path], None] = field(default=lambda setting, folder: tenants.usual(setting.upstream, folder))


@dataclass
class Server:
    """One that runs."""

    name: str
    process: Process
    url: str
    ops: str | None = None
    upstream: int = 0
    took: float = 0.0
    """Seconds from its start to its first answer."""

    def stop(self) -> None:
        self.process.stop()


def start(name: str, setting: Setting, pause: float = 0.005) -> Server:
    """Starts a server and waits until it answers, asking with pauses between."""
    setting.folder.mkdir(parents=True, exist_ok=True)
    kind, _, variant = name.partition("/")
    server = STARTERS[kind](name, variant, setting)
    server.upstream = setting.upstream
    try:
        server.took = server.process.wait_until(lambda: answers(server.url + READY[kind]), pause)
    except BaseException:
        server.stop()
        raise
    return server


def answers(url: str) -> bool:
    """Whether anything but an error of the server comes back. Redirects are not followed."""
    target = urlsplit(url)
    connection = (http.client.HTTPSConnection(target.netloc, timeout=1, context=ssl._create_unverified_context())  # noqa: SLF001
                  if target.scheme == "https" else http.client.HTTPConnection(target.netloc, timeout=1))
    try:
        connection.request("GET", target.path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def process(name: str, command: list[str], setting: Setting, *, cpu: int = SERVER_CPU, is_read: bool = False,
            environment: dict[str, str] | None = None) -> Process:
    return Process(name.replace("/", "-"), command, cpu, setting.folder, is_read=is_read, environment=environment)


def configured(name: str, file: str, setting: Setting, port: int, further: dict[str, str]) -> Path:
    """A file of `config/` with its capitals filled in, below a folder of the server's own."""
    folder = setting.folder / name.replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    filled = {"FOLDER": str(folder), "PORT": str(port), "UPSTREAM": str(setting.upstream), "WHOSE": setting.whose,
              **further}
    text = (HERE / "config" / file).read_text()
    for word, value in filled.items():
        text = text.replace(word, value)
    path = folder / file
    path.write_text(text)
    return path


def limit(name: str, variant: str, setting: Setting) -> Server:
    needed(BENCH)
    port = free_port()
    command = [str(BENCH), "limit", variant, "--listen", f"127.0.0.1:{port}", "--folder", str(KEYS)]
    if variant == "proxy":
        command += ["--upstream", f"http://127.0.0.1:{setting.upstream}/{setting.whose}"]
    cpu = LOAD_CPU if variant == "upstream" else SERVER_CPU
    return Server(name, process(name, command, setting, cpu=cpu), f"http://127.0.0.1:{port}")


def gateway(name: str, variant: str, setting: Setting) -> Server:
    needed(GATEWAY)
    port, ops = free_port(), free_port()
    folder = setting.folder / name.replace("/", "-") / "tenants.d"
    folder.mkdir(parents=True, exist_ok=True)
    setting.tenants(setting, folder)
    command = [*setting.under, str(GATEWAY), "serve", "--listen", f"127.0.0.1:{port}", "--ops-listen", f"127.0.0.1:{ops}",
               "--tenants", str(folder), "--allow-upstream", "127.0.0.0/8", "--strict", "--shutdown-delay", "0s",
               "--sessions", "memory:",
               "--access-log", "all" if variant == "log" else "off"]
    is_tls = setting.tls and variant != "plain"
    if is_tls:
        certificate, key = tls_files()
        command += ["--tls-cert", str(certificate), "--tls-key", str(key)]
    started = process(name, command, setting, is_read=variant == "log", environment=tenants.SAMPLE_SECRETS)
    return Server(name, started, f"{'https' if is_tls else 'http'}://127.0.0.1:{port}", f"http://127.0.0.1:{ops}")


def user(line: str) -> str:
    return line if os.geteuid() == 0 else ""


def nginx(name: str, _: str, setting: Setting) -> Server:
    port = free_port()
    tls = ""
    if setting.tls:
        certificate, key = tls_files()
        tls = f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
    path = configured(name, "nginx.conf", setting, port, {
        "LISTEN": "ssl" if setting.tls else "", "TLS": tls, "USER": user("user root;"),
        "PROFILE": (KEYS / "userinfo.json").read_text(),
    })
    command = ["/usr/sbin/nginx", "-p", str(path.parent), "-c", str(path), "-e", "stderr"]
    return Server(name, process(name, command, setting), f"{'https' if setting.tls else 'http'}://127.0.0.1:{port}")


def haproxy(name: str, variant: str, setting: Setting) -> Server:
    port = free_port()
    rules = (HERE / "config" / "haproxy-jwt.cfg").read_text() if variant == "jwt" else ""
    rules = rules.replace("KEY", str(KEYS / "public.pem")).replace("PROFILE", str(KEYS / "userinfo.json"))
    path = configured(name, "haproxy.cfg", setting, port, {"RULES\n": rules})
    return Server(name, process(name, ["/usr/sbin/haproxy", "-db", "-f", str(path)], setting), f"http://127.0.0.1:{port}")


def envoy(name: str, variant: str, setting: Setting) -> Server:
    import envoy_config

    needed(ENVOY)
    port = free_port()
    folder = setting.folder / name.replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "envoy.json"
    path.write_text(json.dumps(envoy_config.build(port, setting.upstream, setting.whose, variant), indent=1))
    command = [str(ENVOY), "--config-path", str(path), "--concurrency", "1", "--disable-hot-restart",
               "--log-level", "error"]
    return Server(name, process(name, command, setting), f"http://127.0.0.1:{port}")


def apache(name: str, _: str, setting: Setting) -> Server:
    port = free_port()
    path = configured(name, "apache.conf", setting, port, {
        "MODULES": MODULES, "KEY": str(KEYS / "public.pem"), "USER": user("User www-data\nGroup www-data"),
    })
    pages = path.parent / "www"
    pages.mkdir(exist_ok=True)
    (pages / "userinfo").write_text((KEYS / "userinfo.json").read_text())
    (pages / "ready").write_text("")
    command = ["/usr/sbin/apache2", "-f", str(path), "-D", "FOREGROUND"]
    return Server(name, process(name, command, setting), f"http://127.0.0.1:{port}")


def node(name: str, variant: str, setting: Setting) -> Server:
    needed(NODE_PACKAGES)
    port = free_port()
    # Node looks for packages beside the script.
    for script in (HERE / "node").glob("*.mjs"):
        (NODE_PACKAGES / script.name).write_text(script.read_text())
    if variant == "token":
        arguments = [f"http://127.0.0.1:{setting.upstream}", setting.whose]
    else:
        arguments = [str(KEYS / "public.pem"), variant.removeprefix("userinfo-")]
    script = NODE_PACKAGES / ("token.mjs" if variant == "token" else "userinfo.mjs")
    command = ["node", str(script), str(port), *arguments]
    environment = {"NODE_ENV": "production"}
    return Server(name, process(name, command, setting, environment=environment), f"http://127.0.0.1:{port}")


def tls_files() -> tuple[Path, Path]:
    """A P-256 certificate of one's own, made once."""
    certificate, key = KEYS / "tls.crt", KEYS / "tls.key"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
             "-subj", "/CN=bench.example.com", "-addext", "subjectAltName=DNS:bench.example.com,DNS:*.example.com",
             "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


def keys() -> None:
    """Tokens and answers, made once."""
    needed(BENCH)
    if not (KEYS / "complete").exists():
        subprocess.run([str(BENCH), "limit", "keys", str(KEYS)], check=True, capture_output=True)


STARTERS: dict[str, Callable[[str, str, Setting], Server]] = {
    "limit": limit, "gateway": gateway, "nginx": nginx, "haproxy": haproxy, "envoy": envoy, "apache": apache, "node": node,
}

READY = {"limit": "/ready", "gateway": "/-/ready", "nginx": "/ready", "haproxy": "/ready", "envoy": "/ready",
         "apache": "/ready", "node": "/ready"}
