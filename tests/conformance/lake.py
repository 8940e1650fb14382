"""Prints the rows of an Iceberg table whose blobs were copied into a folder.

    lake.py FOLDER METADATA_LOCATION

FOLDER holds the blobs by key; METADATA_LOCATION is `s3://<warehouse>/<key>`. A row is one line of
JSON with its members sorted; rows come by object and sequence. PyIceberg does all the reading.
"""

import base64
import datetime
import json
import pathlib
import sys
import urllib.parse
import uuid

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import StaticTable


class CopiedBlobs(PyArrowFileIO):
    """Reads `s3://<any bucket>/<key>` from the file of that key."""

    def new_input(self, location):
        return super().new_input(self.local(location))

    def local(self, location):
        url = urllib.parse.urlparse(location)
        if url.scheme != "s3":
            return location
        return str(pathlib.Path(self.properties["folder"], url.path.lstrip("/")))


def shown(value):
    match value:
        case datetime.datetime():
            return value.astimezone(datetime.UTC).isoformat()
        case datetime.date():
            return value.isoformat()
        case uuid.UUID():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            raise TypeError(f"{type(value)} in a row")


def main(folder, location):
    properties = {"folder": folder, "py-io-impl": "lake.CopiedBlobs"}
    local = CopiedBlobs(properties).local(location)
    rows = StaticTable.from_metadata(local, properties).scan().to_arrow().to_pylist()
    rows.sort(key=lambda row: (row["_object"], row["_sequence"]))
    for row in rows:
        print(json.dumps(row, default=shown, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
