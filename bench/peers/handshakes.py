"""A client that makes one connection after the other: TCP, a full TLS 1.3 handshake, one GET, and the end. Nothing is
resumed. `handshakes.py HOST PORT PATH SECONDS THREADS` prints what it found as one line of JSON."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time


def client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Counts:
    """Of one thread."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.refused = 0
        self.broken = 0


def connect(context: ssl.SSLContext, address: tuple[str, int], request: bytes, counts: Counts, until: float) -> None:
    while (started := time.perf_counter()) < until:
        try:
            with socket.create_connection(address, timeout=10) as plain, context.wrap_socket(plain) as secure:
                secure.sendall(request)
                answer = b""
                while chunk := secure.recv(16_384):
                    answer += chunk
        except OSError:
            counts.broken += 1
            continue
        if answer[9:12] < b"400":
            counts.took.append(time.perf_counter() - started)
        else:
            counts.refused += 1


def main() -> None:
    host, port, path, seconds, threads = sys.argv[1:6]
    request = f"GET {path} HTTP/1.1\r\nHost: bench.example.com\r\nConnection: close\r\n\r\n".encode()
    context, all_counts = client(), [Counts() for _ in range(int(threads))]
    started = time.perf_counter()
    runners = [threading.Thread(target=connect, args=(context, (host, int(port)), request, counts, started + float(seconds)))
               for counts in all_counts]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    took = sorted(each * 1e6 for counts in all_counts for each in counts.took)

    def at(share: float) -> float:
        return took[min(len(took) - 1, int(len(took) * share))] if took else 0.0

    print(json.dumps({
        "requests": len(took), "seconds": time.perf_counter() - started, "p50": at(0.50), "p99": at(0.99),
        "refused": sum(counts.refused for counts in all_counts), "broken": sum(counts.broken for counts in all_counts),
    }))


if __name__ == "__main__":
    main()
