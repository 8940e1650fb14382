"""The Cloudflare host on workerd, and an S3 endpoint over a copy of its bucket.

Wrangler's own local S3 endpoint needs Node 22, so the blobs are copied through Miniflare's API into
the blob folder of an embedded server, whose S3 endpoint readers then use.
"""

import json
import pathlib
import re

from server import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
S3 = re.compile(r"s3 endpoint +(http://\S+)")


class WorkerServer(Server):
    """`tests/worker/serve.mjs`; the catalog is the Worker's, the data files an embedded server's."""

    def __init__(self, binary, data):
        super().__init__(binary, str(pathlib.Path(data) / "worker"))
        self.store = Server(binary, str(pathlib.Path(data) / "store"))

    def command(self):
        return ["node", str(ROOT / "tests/worker/serve.mjs"), self.data]

    def start(self):
        if self.store.process is None:
            self.store.start()
            self.store.wait_for(S3)
        return super().start()

    def s3_properties(self):
        key = json.loads((pathlib.Path(self.store.data) / "credentials.json").read_text())
        return {
            "s3.endpoint": self.store.wait_for(S3),
            "s3.region": "us-east-1",
            "s3.path-style-access": "true",
            "s3.access-key-id": key["access_key_id"],
            "s3.secret-access-key": key["secret_access_key"],
        }

    def sync(self, object_path):
        super().sync(object_path)
        self.process.stdin.write(f"export {self.store.data}/lake\n")
        self.process.stdin.flush()
        self.wait_for(re.compile(rf"(exported {self.exports + 1})\n"))
        self.exports += 1

    def kill(self):
        super().kill()
        self.store.kill()

    exports = 0
