//! What to try on the server that `demo --keep` leaves.

use std::path::Path;

use crate::failure::Result;
use crate::print;

/// Prints calls that work on the demo's data.
pub(crate) fn print(url: &str, folder: &Path) -> Result<()> {
    let folder = folder.display();
    print::line(format_args!(
        "
The data stays in {folder}. Ctrl-C stops the server. Try:

  curl '{url}/v1/objects/airport/JFK/state'
  curl '{url}/v1/objects/airport/JFK/flights/2013-01-01T10:00:00Z~AA~1141'
  curl '{url}/v1/objects/airport/JFK/flights/query' -d '{{\"where\": {{\"dest\": \"SFO\"}}, \"orderBy\": [\"-dep_delay\"], \"limit\": 3}}' -H 'content-type: application/json'
  curl -N '{url}/v1/objects/airport/JFK/changes?offset=now&live=sse'
  tidelog tail airport/JFK --offset now --follow --url {url}

PyIceberg:

  from pyiceberg.catalog import load_catalog
  lake = load_catalog(\"tidelog\", uri=\"{url}/iceberg\")
  print(lake.load_table(\"airport.flights_changes\").scan(row_filter=\"_object = 'JFK'\").to_arrow())

DuckDB:

  INSTALL iceberg; LOAD iceberg; INSTALL httpfs; LOAD httpfs;
  ATTACH 'default' AS lake (TYPE iceberg, ENDPOINT '{url}/iceberg', AUTHORIZATION_TYPE 'none');
  SELECT _operation, count(*), sum(distance) FROM lake.airport.flights_changes GROUP BY ALL;
"
    ))
}
