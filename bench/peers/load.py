#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The Greenroom authors
"""HTTP peers under the load of bench/runtime/http_bench.c: wrk, one thread, 64 connections.

    load.py PEER WORKLOAD WORKERS full|smoke

Starts the server on a free port, warms it up, lets wrk ask for five seconds and prints one line of JSON: how many requests, and
the processor time that the server's processes took for them. With smoke some requests come from here instead of wrk.
Law: every answer is a success; where an actor gets what is posted, it has got as many messages as were answered, and at most one
more for each connection, which wrk cuts at its end, and did at the end of the warm-up.
"""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 64
BODY = '{"op":"add","n":7}'
# Method, path, body, status.
WORKLOADS = {
    "http_get": ("GET", "/account", "", 200),
    "http_post_cast": ("POST", "/account", BODY, 202),
    "http_post_call": ("POST", "/account/-/call/add", BODY, 200),
}


def law(held, what):
    if not held:
        sys.exit(f"load.py: {what}")


def start_go(workers, _):
    """The program, built by bench/peers/run, in the current directory."""
    server = subprocess.Popen(["./program", "serve", str(workers)], stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline().split()[0].rsplit(":", 1)[1])
    version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout.strip()
    return server, port, version


def start_nginx(workers, folder):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    text = (HERE / "nginx/nginx.conf.in").read_text().replace("@WORKERS@", str(workers)).replace("@PORT@", str(port))
    pathlib.Path(folder, "nginx.conf").write_text(text)
    server = subprocess.Popen(["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr"])
    version = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip().rsplit("/", 1)[1]
    return server, port, version


SERVERS = {"go": (start_go, WORKLOADS), "nginx": (start_nginx, ("http_get",))}


def fetch(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def wait_until_it_answers(port):
    for _ in range(1000):
        try:
            fetch(port, "/got")
            return
        except OSError:
            time.sleep(0.01)
    law(False, "the server does not answer")


def cpu_seconds(pid):
    """Of the process and its children, all of their threads."""
    pids = [pid] + [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    ticks = 0
    for each in pids:
        fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def visit(port, request, count):
    """Some requests from here; how many were answered."""
    method, path, body, status = request
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(count):
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        law(answer.status == status, f"status {answer.status}, expected {status}")
    return count, {}


def wrk(port, request, seconds, folder):
    method, path, body, _ = request
    script = pathlib.Path(folder, "request.lua")
    script.write_text(f'wrk.method = "{method}"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = \'{body}\'\n')
    said = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--latency", "-s", str(script),
                           f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True).stdout
    law("Non-2xx" not in said and "Socket errors" not in said, "wrk says: " + said)
    answered = re.search(r"(\d+) requests in", said)
    law(answered and int(answered[1]) > 0, "wrk failed: " + said)
    times = {}
    for percent, value, unit in re.findall(r"^ +(50|90|99)%\s+([\d.]+)(us|ms|s)", said, re.M):
        times["p" + percent] = float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    return int(answered[1]), times


def measure(peer, name, workers, smoke, folder):
    start, _ = SERVERS[peer]
    server, port, version = start(workers, folder)
    request = WORKLOADS[name]
    counted = peer == "go" and request[0] == "POST"
    try:
        wait_until_it_answers(port)
        visit(port, request, 10) if smoke else wrk(port, request, 1, folder)
        before = int(fetch(port, "/got")) if counted else 0
        cpu, began = cpu_seconds(server.pid), time.monotonic()
        answered, times = visit(port, request, 200) if smoke else wrk(port, request, 5, folder)
        seconds, cpu = time.monotonic() - began, cpu_seconds(server.pid) - cpu
        if counted:
            got = int(fetch(port, "/got")) - before
            law(answered <= got <= answered + 2 * CONNECTIONS, f"the actor has got {got} messages, {answered} were answered")
    finally:
        server.send_signal(signal.SIGKILL if peer == "go" else signal.SIGTERM)
        server.wait()
    line = {"peer": peer, "version": version, "workload": name, "workers": workers, "operations": answered,
            "seconds": seconds, "cpu_seconds": cpu, "unit": "M/s", "law": "held"}
    print(json.dumps(line | ({"latency_us": times} if times else {})))


def main():
    peer, name, workers, size = sys.argv[1:]
    if name not in SERVERS[peer][1]:
        print(f"{peer}: no such workload here: {name}", file=sys.stderr)
        sys.exit(3)
    with tempfile.TemporaryDirectory() as folder:
        measure(peer, name, int(workers), size == "smoke", folder)


if __name__ == "__main__":
    main()
