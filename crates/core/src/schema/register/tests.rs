use super::*;

const FIRST: &str = r#"
type = "airport"
[collections.flights]
key = ["carrier", "flight"]
indexes = [{ fields = ["tail"], unique = true, where = { cancelled = false } }]
[collections.flights.fields]
carrier = { type = "string", required = true, pattern = "[A-Z0-9]{2}" }
flight = { type = "int", required = true, min = 1 }
tail = { type = "string" }
cancelled = { type = "bool", default = false }
at = { type = "timestamp" }
[collections.flights.cold]
partition_by = [{ field = "at", transform = "month" }, { field = "_object", transform = "identity" }]
"#;

fn first() -> TypeSchema {
    TypeSchema::register(None, &TypeSpec::from_toml(FIRST).unwrap()).unwrap()
}

fn change(from: &str, to: &str) -> Result<TypeSchema> {
    assert!(FIRST.contains(from));
    TypeSchema::register(
        Some(&first()),
        &TypeSpec::from_toml(&FIRST.replace(from, to))?,
    )
}

#[test]
fn registering_twice_keeps_the_version() {
    assert_eq!(change("tail", "tail").unwrap(), first());
}

#[test]
fn a_rename_keeps_the_field_id() {
    let old = first();
    let renamed = FIRST
        .replace(
            "tail = { type = \"string\" }",
            "tailnum = { type = \"string\", renamed_from = \"tail\" }",
        )
        .replace("[\"tail\"]", "[\"tailnum\"]");
    let new = TypeSchema::register(Some(&old), &TypeSpec::from_toml(&renamed).unwrap()).unwrap();
    assert_eq!(new.version, 2);
    let id = |schema: &TypeSchema, name| schema.collections[0].field(name).map(|f| f.id);
    assert_eq!(id(&new, "tailnum"), id(&old, "tail"));
    assert_eq!(id(&new, "tail"), None);
}

#[test]
fn changes_that_lose_data_are_refused() {
    for (from, to) in [
        ("at = { type = \"timestamp\" }", "at = { type = \"date\" }"),
        (
            "tail = { type = \"string\" }",
            "tail = { type = \"string\", required = true }",
        ),
        (
            "cancelled = { type",
            "added = { type = \"int\", required = true }\ncancelled = { type",
        ),
        ("key = [\"carrier\", \"flight\"]", "key = [\"carrier\"]"),
        (
            "[collections.flights]",
            "[collections.other]\n[collections.x.fields]\n[collections.flights_2]",
        ),
    ] {
        let result = change(from, to);
        let code = result.as_ref().map_err(Error::code).map(|_| ());
        assert!(
            matches!(code, Err("schema_would_lose_data" | "invalid_schema")),
            "{to}: {code:?}"
        );
    }
    let dropped = change(
        "tail = { type = \"string\" }",
        "tial = { type = \"string\" }",
    );
    assert!(dropped.is_err());
}

#[test]
fn wrong_declarations_name_the_place() {
    for (from, to, code, place) in [
        ("type = \"int\"", "type = \"integer\"", "invalid_schema", ""),
        (
            "min = 1",
            "min = \"x\"",
            "wrong_type",
            "collections.flights.fields.flight",
        ),
        (
            "[A-Z0-9]{2}",
            "[",
            "invalid_schema",
            "collections.flights.fields.carrier",
        ),
        (
            "fields = [\"tail\"]",
            "fields = [\"tale\"]",
            "unknown_field",
            "collections.flights.indexes[0]",
        ),
        (
            "field = \"at\", transform = \"month\"",
            "field = \"tail\", transform = \"month\"",
            "invalid_schema",
            "collections.flights.cold.partition_by[0]",
        ),
        (
            "{ field = \"_object\", transform = \"identity\" }",
            "{ field = \"at\", transform = \"year\" }",
            "invalid_schema",
            "collections.flights.cold.partition_by[1]",
        ),
    ] {
        let error = TypeSpec::from_toml(&FIRST.replace(from, to))
            .and_then(|spec| TypeSchema::register(None, &spec))
            .unwrap_err();
        assert_eq!(
            (error.code(), error.field().unwrap_or("")),
            (code, place),
            "{to}"
        );
    }
}
