"""Appends the rows of Parquet files to a new Iceberg table with PyIceberg, and says how long it took.

    pyiceberg_append.py WAREHOUSE FILE...

The table is in a SqlCatalog over SQLite, its files in the folder WAREHOUSE: zstd Parquet, partitioned
by the month of `time_hour`, as the changes table is whose data files are given. Only `append` is
timed: reading the files, making the table and starting Python are not. The last line is JSON,
`{"rows": N, "seconds": S}`.
"""

import json
import pathlib
import sys
import time

import pyarrow
import pyarrow.parquet
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.transforms import MonthTransform


def rows_of(files):
    """The rows as one Arrow table without field ids: the new table gives its own."""
    table = pyarrow.concat_tables([pyarrow.parquet.ParquetFile(file).read() for file in files])
    fields = [pyarrow.field(f.name, f.type, f.nullable) for f in table.schema]
    return table.cast(pyarrow.schema(fields)).combine_chunks()


def main():
    warehouse, files = pathlib.Path(sys.argv[1]).absolute(), sys.argv[2:]
    warehouse.mkdir(parents=True)
    rows = rows_of(files)
    catalog = SqlCatalog("peer", uri=f"sqlite:///{warehouse}/catalog.db", warehouse=f"file://{warehouse}")
    catalog.create_namespace("airport")
    table = catalog.create_table(
        "airport.flights_changes",
        schema=rows.schema,
        properties={"write.parquet.compression-codec": "zstd"},
    )
    with table.update_spec() as update:
        update.add_field("time_hour", MonthTransform(), "time_hour_month")
    started = time.perf_counter()
    table.append(rows)
    seconds = time.perf_counter() - started
    found = catalog.load_table("airport.flights_changes").scan().count()
    if found != rows.num_rows:
        sys.exit(f"{rows.num_rows} rows were appended, {found} are there")
    print(json.dumps({"rows": rows.num_rows, "seconds": seconds}))


main()
