"""Stands before the server and spoils some of its answers: a fault that scripts/fuzz-api has to find.

    planted.py --list             the faults, each with its operation and what the fuzzer says of it
    planted.py FAULT URL          serves on a free port, which it prints, and asks URL
"""

import http.client
import http.server
import json
import os
import sys
import urllib.parse

FAULTS = {}


def fault(path, said):
    """Registers a fault of the operation `path`: it may change a request before it is sent, and the answer afterwards."""

    def register(function):
        FAULTS[function.__name__] = (function, path, said)
        return function

    return register


@fault("/v1/insights/hotspots", "Server error")
def fails_at_a_bound(request, answer):
    if answer and "limit=100" in request.path:
        answer.status = 500


@fault("/v1/events/{id}", "Undocumented status code")
def says_gone_for_not_found(request, answer):
    if answer and answer.status == 404:
        answer.status = 410


@fault("/v1/ledger", "Undocumented Content-Type")
def calls_its_json_text(request, answer):
    if answer and answer.status == 200:
        answer.headers["content-type"] = "text/plain"


@fault("/v1/incidents", "Response violates schema")
def leaves_a_member_out(request, answer):
    if answer and answer.status == 200:
        body = json.loads(answer.body)
        for incident in body["incidents"]:
            del incident["thresholds"]
        answer.body = json.dumps(body).encode()


@fault("/v1/sessions/{id}", "Response violates schema")
def scores_a_text(request, answer):
    if answer and answer.status == 200:
        body = json.loads(answer.body)
        body["frustration"]["score"] = str(body["frustration"]["score"])
        answer.body = json.dumps(body).encode()


@fault("/v1/flows/graph", "API accepts requests without authentication")
def needs_no_key(request, answer):
    if not answer:
        request.headers = {"authorization": "Bearer " + os.environ["FUZZ_KEY"]}


@fault("/v1/insights/trace", "Unsupported method")
def takes_any_method(request, answer):
    if not answer:
        request.method = "GET"


@fault("/v1/flows/top", "Schema-violating request accepted")
def overlooks_a_bound(request, answer):
    parts = urllib.parse.urlsplit(request.path)
    if not answer:
        query = [(name, value) for name, value in urllib.parse.parse_qsl(parts.query) if name != "limit"]
        request.path = parts._replace(query=urllib.parse.urlencode(query)).geturl()


@fault("/v1/sessions", "Schema-valid request rejected")
def refuses_what_it_describes(request, answer):
    if answer and "state=open" in request.path:
        problem = {"type": "urn:tribometer:problem:invalid_parameter", "title": "No.", "status": 400}
        answer.status = 400
        answer.headers["content-type"] = "application/problem+json"
        answer.body = json.dumps(
            problem | {"code": "invalid_parameter", "requestId": answer.headers["x-request-id"]}
        ).encode()


@fault("/v1/insights/hotspots", "tells of another organisation")
def tells_of_others(request, answer):
    if answer and answer.status == 200:
        own, foreign = b"/own/", ("/" + os.environ["FUZZ_FOREIGN"] + "/").encode()
        answer.body = answer.body.replace(own, foreign)


@fault("/api/sessions/{id}/context", "it may be cached")
def may_be_cached(request, answer):
    if answer:
        answer.headers.pop("cache-control", None)


@fault("/v1/insights/overview", "never granted")
def shuts_an_endpoint(request, answer):
    if not answer:
        request.headers = {}


@fault("/v1/sessions", "never turned a page")
def ends_after_a_page(request, answer):
    if answer and answer.status == 200:
        answer.body = json.dumps(json.loads(answer.body) | {"nextCursor": None}).encode()


class Parts:
    def __init__(self, **parts):
        self.__dict__.update(parts)


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is written at once: in two parts, the second would wait for the first to be acknowledged.
    wbufsize = -1
    spoil, upstream = None, None

    def handle_one_request(self):
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Parts(method=self.command, path=self.path, headers=headers)
        spoil = Proxy.spoil if self.path != "/openapi.json" else lambda request, answer: None
        spoil(request, None)
        connection = http.client.HTTPConnection(Proxy.upstream, timeout=10)
        connection.putrequest(request.method, request.path, skip_accept_encoding=True, skip_host=True)
        for name, value in ({"host": Proxy.upstream} | request.headers | {"connection": "close"}).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        given = connection.getresponse()
        answer = Parts(
            status=given.status,
            headers={name.lower(): value for name, value in given.getheaders()},
            body=given.read(),
        )
        connection.close()
        spoil(request, answer)
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()


def main():
    if sys.argv[1:] == ["--list"]:
        for name, (_, path, said) in FAULTS.items():
            print(name, path, said)
        return
    name, url = sys.argv[1:]
    Proxy.spoil, Proxy.upstream = staticmethod(FAULTS[name][0]), urllib.parse.urlsplit(url).netloc
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
