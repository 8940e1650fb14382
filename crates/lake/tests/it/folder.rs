//! A table on disk for other engines: `TIDELOG_LAKE_FOLDER=/tmp/x cargo test -p tidelog-lake folder
//! -- --ignored` writes one, whose warehouse is the folder.

use std::path::Path;

use tidelog_lake::{BlobStore as _, MemoryBlobs};

use crate::support::{ALL_TYPES, Source, Table, collection, now};

#[test]
#[ignore = "writes a folder for a person to open with another engine"]
fn a_table_is_written_to_a_folder() {
    let folder = option_env!("TIDELOG_LAKE_FOLDER").unwrap_or("/tmp/tidelog-lake");
    let parts = [("_object", "bucket[4]"), ("departed", "month")];
    let mut table = Table::new(MemoryBlobs::new(), &collection(&ALL_TYPES, &parts));
    let (mut one, mut two) = (Source::new("JFK"), Source::new("Zürich ✈"));
    for _ in 0..40 {
        for source in [&mut one, &mut two] {
            source.write(25);
            table.accept(&source.next());
        }
        table.flush();
    }
    for key in table.blobs.keys() {
        let path = Path::new(folder).join("tidelog").join(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, now(table.blobs.get(&key, None)).unwrap()).unwrap();
    }
    println!("{}", table.actor.metadata(&table.sql).unwrap().unwrap().0);
}
