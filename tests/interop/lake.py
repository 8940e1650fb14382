"""PyIceberg and DuckDB read what the log says, through the Iceberg REST catalog.

Flights of two airports are inserted, updated and deleted over HTTP and synced to the cold tier.
Each engine must then find, in `airport.flights_changes`, exactly the events of the two logs: once
after the first writes, once after more writes, once more after a restart of the server, and once after the table was lost
and made again. `lake.py worker` does the same with the Cloudflare host on workerd, which loses none. The last line is `N passed, N failed`.
"""

import collections
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
import traceback

import pyarrow
import pyarrow.csv

from engines import DuckDb, PyIceberg
from server import Server
from worker import WorkerServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
AIRPORTS = ["EWR", "JFK"]
COLLECTION = "flights"
# Every 50th flight of an airport: some 2,200 to 2,400 rows over all twelve months.
STEP = 50
JUNE = (
    datetime.datetime(2013, 6, 1, tzinfo=datetime.UTC),
    datetime.datetime(2013, 7, 1, tzinfo=datetime.UTC),
)
IMAGE = {"INSERT": "after", "UPDATE": "after", "DELETE": "before"}


class Checks:
    """Counts comparisons and prints those that fail."""

    def __init__(self):
        self.passed = self.failed = 0

    def equal(self, what, found, wanted):
        if found == wanted:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED: {what}: found {shown(found)}, the log says {shown(wanted)}")

    def runs(self, what, action):
        """Runs `action`; an exception is one failure and does not end the other checks."""
        try:
            action()
        except Exception:
            self.failed += 1
            print(f"FAILED: {what}")
            traceback.print_exc(file=sys.stdout)


def shown(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]}... ({len(value)} items)"


def flights():
    """Rows of the fixture as documents, by airport, in the file's order."""
    schema = tomllib.loads((ROOT / "schemas/airport.toml").read_text())
    fields = schema["collections"][COLLECTION]["fields"]
    arrow = {name: pyarrow.string() for name in fields}
    options = pyarrow.csv.ConvertOptions(column_types=arrow, strings_can_be_null=True)
    path = ROOT / "fixtures/nycflights13/flights.csv.zst"
    with pyarrow.input_stream(str(path), compression="zstd") as source:
        rows = pyarrow.csv.read_csv(source, convert_options=options).to_pylist()
    whole = {name for name, field in fields.items() if field["type"] == "int"}
    by_airport = collections.defaultdict(list)
    for row in rows:
        if row["origin"] in AIRPORTS:
            document = {k: int(v) if k in whole else v for k, v in row.items() if v is not None}
            by_airport[row["origin"]].append(document)
    return {airport: rows[::STEP] for airport, rows in by_airport.items()}


def key_of(flight):
    return f"{flight['time_hour']}~{flight['carrier']}~{flight['flight']}"


def write_half(server, documents, half):
    """Writes one half of the rows of each airport, changes every 20th and deletes every 30th.

    Returns how many events of each operation that makes.
    """
    counts = collections.Counter()
    for airport, rows in documents.items():
        path = f"airport/{airport}"
        rows = rows[half::2]
        for start in range(0, len(rows), 500):
            server.insert(path, COLLECTION, rows[start : start + 500])
        for number, flight in enumerate(rows[::20]):
            server.patch(path, COLLECTION, key_of(flight), {"arr_delay": 2000 + number})
        for flight in rows[7::30]:
            server.delete(path, COLLECTION, key_of(flight))
        counts += {"INSERT": len(rows), "UPDATE": len(rows[::20]), "DELETE": len(rows[7::30])}
    return counts


def log_events(server):
    """The events of both logs as (object, event)."""
    return [
        (airport, event)
        for airport in AIRPORTS
        for event in server.changes(f"airport/{airport}")
        if event["collection"] == COLLECTION
    ]


def in_june(event):
    image = event[IMAGE[event["operation"]]]
    at = datetime.datetime.fromisoformat(image["time_hour"])
    return JUNE[0] <= at < JUNE[1]


def wanted_of(events):
    """What an engine must find: the same figures as `engines.Figures`, made from the log."""
    live = [event for _, event in events if event["operation"] != "DELETE"]
    june = [e for e in live if in_june(e)]
    return {
        "rows": len(events),
        "operations": dict(collections.Counter(event["operation"] for _, event in events)),
        "distance": sum(event["after"]["distance"] for event in live),
        "arrival delays": sum(event["after"].get("arr_delay", 0) for event in live),
        "places": sorted((o, e["sequence"], e["documentId"]) for o, e in events),
        "rows of june": len(june),
        "distance of june": sum(event["after"]["distance"] for event in june),
    }


def compare(checks, server, when):
    events = log_events(server)
    wanted = wanted_of(events)
    for engine in (PyIceberg, DuckDb):
        name = f"{engine.__name__} {when}"

        def read():
            found = engine(server).figures(*JUNE)
            for what, value in wanted.items():
                checks.equal(f"{name}: {what}", found[what], value)
            if "files" in found:
                whole, june = found["files"]
                checks.equal(f"{name}: a month reads fewer files", june < whole, True)

        checks.runs(name, read)
    return wanted


def rounds(checks, server):
    documents = flights()
    server.start()
    server.register("airport", (ROOT / "schemas/airport.toml").read_bytes())
    asked = collections.Counter()
    for half, when in ((0, "after the first writes"), (1, "after more writes")):
        asked += write_half(server, documents, half)
        for airport in AIRPORTS:
            server.sync(f"airport/{airport}")
        wanted = compare(checks, server, when)
        checks.equal(f"the log {when}", wanted["operations"], dict(asked))
    server.stop()
    server.start()
    again = compare(checks, server, "after a restart")
    checks.equal("the log after a restart", again, wanted)
    if isinstance(server, WorkerServer):
        return  # its tables have no files in a folder
    server.stop()
    rebuild(checks, server, len(again["places"]))
    server.start()
    again = compare(checks, server, "after a rebuild")
    checks.equal("the log after a rebuild", again, wanted)


def rebuild(checks, server, rows):
    """Loses all metadata, the table's database and one data file, and makes the table again."""
    data = pathlib.Path(server.data)
    changes = data / f"lake/default/table/airport/{COLLECTION}/0/changes"
    for folder in (data / "tables", changes / "metadata"):
        shutil.rmtree(folder)
    sorted((changes / "data").iterdir())[0].unlink()
    command = [server.binary, "lake", "rebuild", "--data", server.data, "--type", "airport", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    checks.equal(f"the rebuild ends well: {done.stderr}", done.returncode, 0)
    tables = json.loads(done.stdout)["tables"]
    made = next(table for table in tables if table["collection"] == COLLECTION)
    checks.equal("rows of the rebuild", made["rows"], rows)
    checks.equal("some came out of logs", made["refilled"] > 0, True)


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as data:
        host = WorkerServer if sys.argv[1:] == ["worker"] else Server
        server = host(os.environ["TIDELOG_BIN"], data)
        try:
            checks.runs("the rounds", lambda: rounds(checks, server))
        finally:
            server.kill()
            if checks.failed:
                print("the server said:\n" + "".join(server.output[-40:]))
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
