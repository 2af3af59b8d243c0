"""Whether a server's answers are right. Nothing that answers wrongly is measured."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from load import Load
from places import KEYS
from processes import Failed
from servers import Server


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Check:
    """A request beside the load's, and what must come."""

    what: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    """Over the load's own; an empty value takes a header out."""
    is_right: Callable[[Answer], bool] = lambda answer: True


def ask(server: Server, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
    url = urlsplit(server.url)
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl._create_unverified_context()  # noqa: SLF001
        connection = http.client.HTTPSConnection(url.netloc, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()


def hold(server: Server, load: Load, checks: tuple[Check, ...]) -> None:
    """Fails where one answer is not what it must be."""
    form = next((argument.removeprefix("post=") for argument in load.arguments if argument.startswith("post=")), None)
    body = None
    if form is not None:
        with open(form, "rb") as file:
            body = file.read()
    for check in checks:
        headers = {"Host": load.host}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        for header in load.headers:
            name, _, value = header.partition(": ")
            headers[name] = value
        headers = {name: value for name, value in (headers | check.headers).items() if value}
        answer = ask(server, "GET" if body is None else "POST", load.path, headers, body)
        if answer.status != check.status or not check.is_right(answer):
            raise Failed(f"{server.name}: {check.what}: expected {check.status}, "
                         f"got {answer.status} {answer.headers} {answer.body[:300]!r}\n{server.process.said()}")


def holds(*names: str) -> Callable[[Answer], bool]:
    """A JSON object with these members."""
    def is_right(answer: Answer) -> bool:
        found = json.loads(answer.body)
        return all(found.get(name) for name in names)
    return is_right


def bearer(file: str) -> str:
    return "Bearer " + (KEYS / file).read_text().split()[0]


def of_bearers(judges: bool = True) -> tuple[Check, ...]:
    """A good token, and those that must not count."""
    good = Check("a good token", 200, {"Authorization": bearer("bearers.txt")}, holds("sub"))
    bad = [
        Check("a forged signature", 401, {"Authorization": bearer("forged.txt")}),
        Check("an expired token", 401, {"Authorization": bearer("expired.txt")}),
        Check("no token", 401, {"Authorization": ""}),
    ]
    return (good, *bad) if judges else (good,)


def of_tokens(*names: str) -> tuple[Check, ...]:
    """An answer of the token endpoint with these members."""
    return (Check("a grant", 200, {}, holds(*names)),)


def of_redirects() -> tuple[Check, ...]:
    """To Auth0's page, with the caller's query."""
    def is_right(answer: Answer) -> bool:
        location = answer.headers.get("location", "")
        return "/authorize?" in location and "client_id=Bench" in location and "state=" in location
    return (Check("a redirect", 302, {}, is_right),)


TOGETHER = 64


def one_call(server: Server) -> str:
    """Many callers with one token that nobody has seen: the upstream, which takes its time, hears of it once."""
    headers = {"Host": "slow.example.com", "client-type": "api", "Authorization": "Bearer opaque-together"}
    before = calls(server)
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(lambda _: ask(server, "GET", "/userinfo", headers).status, range(TOGETHER)))
    made = calls(server) - before
    if made != 1 or set(answers) != {200}:
        raise Failed(f"{server.name}: {TOGETHER} callers with one token made {made} calls and got {Counter(answers)}")
    return f"{TOGETHER} callers at once with one unknown token: {made} call"


def calls(server: Server) -> int:
    """What the upstream counts."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.upstream}/plain/calls", timeout=5) as answer:
        return int(answer.read())
