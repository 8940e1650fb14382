"""A `tidelog serve` process over one data folder, and its HTTP contract."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")
START_SECONDS = 60


class Refused(Exception):
    """The server answered with a problem; `status` is the HTTP status."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body.decode(errors='replace')[:2000]}")
        self.status = status


class Server:
    """Starts on a free port; `stop` and `start` again keep the data folder."""

    def __init__(self, binary, data):
        self.binary, self.data = binary, data
        self.url, self.process, self.output = None, None, []

    def command(self):
        return [self.binary, "serve", "--data", self.data, "--listen", "127.0.0.1:0"]

    def start(self):
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ,
        )
        # A server that never says where it listens must not hang the test.
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        self.url = self._read_url()
        timer.cancel()
        if self.url is None:
            raise RuntimeError("the server did not start:\n" + "".join(self.output[-50:]))
        threading.Thread(target=self._drain, daemon=True).start()
        return self

    def _read_url(self):
        for line in self.process.stdout:
            self.output.append(line)
            found = LISTENING.search(line)
            if found:
                return found.group(1)
        return None

    def _drain(self):
        for line in self.process.stdout:
            self.output = [*self.output[-200:], line]

    def wait_for(self, pattern):
        """The first group of `pattern` in what the process has printed, once it is there."""
        for _ in range(START_SECONDS * 20):
            for line in self.output:
                if found := pattern.search(line):
                    return found.group(1)
            time.sleep(0.05)
        raise RuntimeError(f"no {pattern.pattern!r} in:\n" + "".join(self.output[-50:]))

    def s3_properties(self):
        """What a reader brings to open the data files; nothing: the catalog tells it."""
        return {}

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(timeout=60)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def request(self, method, path, body=None, content_type="application/json"):
        """Returns (headers, bytes) of a success; raises `Refused` otherwise."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"content-type": content_type} if body is not None else {}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read()) from None

    def register(self, type_name, toml):
        self.request("PUT", f"/v1/types/{type_name}", toml, "application/toml")

    def insert(self, object_path, collection, rows):
        self.request("POST", f"/v1/objects/{object_path}/{collection}", rows)

    def patch(self, object_path, collection, key, patch):
        path = f"/v1/objects/{object_path}/{collection}/{quoted(key)}"
        self.request("PATCH", path, patch, "application/merge-patch+json")

    def delete(self, object_path, collection, key):
        self.request("DELETE", f"/v1/objects/{object_path}/{collection}/{quoted(key)}")

    def sync(self, object_path):
        self.request("POST", f"/v1/objects/{object_path}/sync", {"tier": "cold"})

    def changes(self, object_path):
        """Every event of an object's log, page by page from the start."""
        events, offset = [], "-1"
        while True:
            path = f"/v1/objects/{object_path}/changes?offset={offset}&images=full"
            headers, body = self.request("GET", path)
            events += json.loads(body)
            if headers.get("Stream-Up-To-Date") == "true":
                return events
            following = headers["Stream-Next-Offset"]
            if following == offset:
                raise RuntimeError(f"the log stands still at {offset} without being up to date")
            offset = following


def quoted(key):
    return urllib.parse.quote(key, safe="")
