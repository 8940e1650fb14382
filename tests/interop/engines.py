"""Two engines that know nothing of Tidelog: each attaches to the catalog and reads one table.

`figures(start, end)` answers the same names from both; `start` and `end` bound `time_hour` for
the read that should touch one partition only.
"""

import collections
import importlib.util
import pathlib

import duckdb
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan

TABLE = "airport.flights_changes"
COLUMNS = ("_object", "_sequence", "_key", "_operation", "distance", "arr_delay")


class PyIceberg:
    """The reference implementation in Python, reading through PyArrow."""

    def __init__(self, server):
        catalog = RestCatalog(
            "tidelog", uri=f"{server.url}/iceberg", warehouse="default", **server.s3_properties()
        )
        self.table = catalog.load_table(TABLE)

    def figures(self, start, end):
        scan = self.table.scan(selected_fields=COLUMNS)
        month = self.table.scan(
            row_filter=And(
                GreaterThanOrEqual("time_hour", start.isoformat()),
                LessThan("time_hour", end.isoformat()),
            ),
            selected_fields=COLUMNS,
        )
        rows = scan.to_arrow().to_pylist()
        live = [row for row in rows if row["_operation"] != "DELETE"]
        june = [row for row in month.to_arrow().to_pylist() if row["_operation"] != "DELETE"]
        return {
            "rows": len(rows),
            "operations": dict(collections.Counter(row["_operation"] for row in rows)),
            "distance": sum(row["distance"] for row in live),
            "arrival delays": sum(row["arr_delay"] or 0 for row in live),
            "places": sorted((r["_object"], r["_sequence"], r["_key"]) for r in rows),
            "rows of june": len(june),
            "distance of june": sum(row["distance"] for row in june),
            "files": (len(list(scan.plan_files())), len(list(month.plan_files()))),
        }


class DuckDb:
    """DuckDB with its own C++ Iceberg, Avro and S3 extensions, loaded from their packages."""

    def __init__(self, server):
        self.db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        for name in ("avro", "httpfs", "iceberg"):
            self.db.execute(f"LOAD '{extension(name)}'")
        delegation = ""
        if key := server.s3_properties():
            # The catalog vends no credentials: the reader brings its own.
            delegation = ", ACCESS_DELEGATION_MODE 'none'"
            self.db.execute(
                f"CREATE SECRET (TYPE s3, KEY_ID '{key['s3.access-key-id']}', SECRET '{key['s3.secret-access-key']}', "
                f"ENDPOINT '{key['s3.endpoint'].removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"
            )
        self.db.execute(
            f"ATTACH 'default' AS lake (TYPE iceberg, ENDPOINT '{server.url}/iceberg', "
            f"AUTHORIZATION_TYPE 'none'{delegation})"
        )

    def figures(self, start, end):
        table = f"lake.{TABLE}"
        live = "_operation <> 'DELETE'"
        month = f"time_hour >= '{start.isoformat()}'::TIMESTAMPTZ AND time_hour < '{end.isoformat()}'::TIMESTAMPTZ"
        sums = "sum(distance)::BIGINT, sum(coalesce(arr_delay, 0))::BIGINT, count(*)"
        distance, delays, _ = self.one(f"SELECT {sums} FROM {table} WHERE {live}")
        june_distance, _, june = self.one(f"SELECT {sums} FROM {table} WHERE {live} AND {month}")
        return {
            "rows": self.one(f"SELECT count(*) FROM {table}")[0],
            "operations": dict(self.all(f"SELECT _operation, count(*) FROM {table} GROUP BY ALL")),
            "distance": distance,
            "arrival delays": delays,
            "places": sorted(self.all(f"SELECT _object, _sequence, _key FROM {table}")),
            "rows of june": june,
            "distance of june": june_distance or 0,
        }

    def all(self, sql):
        return self.db.execute(sql).fetchall()

    def one(self, sql):
        return self.db.execute(sql).fetchone()


def extension(name):
    """The path of an extension inside its own Python package; nothing is downloaded."""
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    folder = pathlib.Path(next(iter(package.submodule_search_locations)))
    return folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
