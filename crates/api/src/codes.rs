//! Every stable error code, with what it means. `docs/http.md` shows this table.

use tidelog_log::Kind;

/// One stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code in `code`; it never changes its meaning.
    pub code: &'static str,
    /// What the caller should do next; gives the status, see [`status_of`](crate::status_of).
    pub kind: Kind,
    /// What it means, for the documentation.
    pub meaning: &'static str,
}

const fn code(kind: Kind, code: &'static str, meaning: &'static str) -> Code {
    Code {
        code,
        kind,
        meaning,
    }
}

use Kind::{Conflict, Fenced, Gone, Invalid, NotFound, TooLarge, Unavailable, Unsupported};

/// Every stable code, by kind and then code.
#[rustfmt::skip] // a table: one line each
pub const CODES: &[Code] = &[
    // Invalid: never retry as it is.
    code(Invalid, "ambiguous_time_field", "A time range names no field and the collection has several time fields."),
    code(Invalid, "blob_key", "The name of a stored blob is none that every store can hold."),
    code(Invalid, "blob_range", "A byte range of a stored blob is not inside it."),
    code(Invalid, "blob_settings", "At start: the settings of the lake's S3 store are wrong."),
    code(Invalid, "body_interrupted", "The request's body ended before it was complete."),
    code(Invalid, "check_failed", "A value breaks a check of its field (`min`, `max`, `enum`, `pattern`, `references`)."),
    code(Invalid, "cold_disabled", "The collection has no table in the lake: its `[cold]` is not enabled."),
    code(Invalid, "conflicting_parameters", "Two parameters or headers say different things."),
    code(Invalid, "duplicate_name", "Two outputs of a query, or at start two actors or messages, have the same name."),
    code(Invalid, "empty_turn", "A write holds no document or mutation."),
    code(Invalid, "incomplete_partition", "A partition is not named by all its columns."),
    code(Invalid, "invalid_body", "The body is JSON, but not of the shape this route takes."),
    code(Invalid, "invalid_bucket", "A time bucket is none that exists."),
    code(Invalid, "invalid_cache_key", "A cache key ends with `*`, or a prefix does not end with `:` or `/`."),
    code(Invalid, "invalid_cursor", "A paging cursor is none that this query returned."),
    code(Invalid, "invalid_header", "A header's value is not what the header takes."),
    code(Invalid, "invalid_json", "The body is not JSON, or an object names a member twice; `line` and `column` say where."),
    code(Invalid, "invalid_key", "A document key is empty, too long or not what the key fields take."),
    code(Invalid, "invalid_message", "A message's body is not of the shape that the actor takes; `field` says where."),
    code(Invalid, "invalid_name", "The name of a type, collection, field, message or alarm is misspelt."),
    code(Invalid, "invalid_ndjson_line", "A line of an NDJSON body is not a JSON object; `line` says which. Earlier turns stand."),
    code(Invalid, "invalid_object_id", "An object id is empty, too long, `.`, `..`, or holds `/` or a control character."),
    code(Invalid, "invalid_parameter", "A query parameter's value is wrong, missing, or given twice; `field` names it."),
    code(Invalid, "invalid_partition", "A partition's value does not fit its column."),
    code(Invalid, "invalid_path", "The path's percent-encoding is broken or not UTF-8."),
    code(Invalid, "invalid_pattern", "A regular expression or `like` pattern is wrong."),
    code(Invalid, "invalid_schema", "A type's declaration is wrong; `field` or the message says where."),
    code(Invalid, "invalid_settings", "At start: a setting is wrong."),
    code(Invalid, "json_too_deep", "The JSON nests deeper than the limit."),
    code(Invalid, "key_mismatch", "The document's key fields differ from the key it is addressed by."),
    code(Invalid, "limit_out_of_range", "A `limit` is outside its range."),
    code(Invalid, "malformed_batch", "A batch between actors is not contiguous."),
    code(Invalid, "malformed_offset", "An offset is neither `-1`, `now` nor one that a stream returned."),
    code(Invalid, "method_not_allowed", "The path exists, the method does not; `Allow` lists those that do."),
    code(Invalid, "missing_field", "A required field has no value."),
    code(Invalid, "not_numeric", "An aggregate needs a numeric field."),
    code(Invalid, "not_ordered", "A comparison needs a field whose type has an order."),
    code(Invalid, "operator_not_applicable", "A filter operator does not apply to its field's type."),
    code(Invalid, "reserved_member", "A document uses a member name that the engine keeps for itself."),
    code(Invalid, "reserved_name", "A collection may not have this name: a route uses it."),
    code(Invalid, "sum_overflow", "A sum of whole numbers leaves 64 bits."),
    code(Invalid, "type_name_mismatch", "The declaration's `type` differs from the one in the path."),
    code(Invalid, "unknown_field", "A name is not a declared field."),
    code(Invalid, "unknown_function", "An aggregate function is none that exists."),
    code(Invalid, "unknown_operation", "An operation is none of those that exist."),
    code(Invalid, "unknown_operator", "A filter operator is none that exists."),
    code(Invalid, "unknown_parameter", "A parameter is none that this route takes; `field` names it."),
    code(Invalid, "unknown_partition", "A partition column is none that the collection has."),
    code(Invalid, "unsupported_media_type", "The body's `Content-Type` is none that this route reads."),
    code(Invalid, "value_out_of_range", "A value does not fit its field's type."),
    code(Invalid, "warm_disabled", "The type keeps no cache entries: its `[warm]` is not enabled."),
    code(Invalid, "wrong_type", "A value is of another type than its field."),
    // Too large: the message names the limit.
    code(TooLarge, "blob_too_large", "Stored columns are over a limit of the blob format."),
    code(TooLarge, "batch_too_large", "A batch between actors is over its limit."),
    code(TooLarge, "body_too_large", "The body is over 16 MB (2 MB for a schema or a query, 1 MB for a cache entry); send NDJSON or several turns."),
    code(TooLarge, "cache_key_too_long", "The key of a cache entry is over 512 bytes."),
    code(TooLarge, "cold_read_too_large", "More than 256 data files (or 128 manifests) of the lake may hold the document; read it with a query engine."),
    code(TooLarge, "document_too_large", "A document is over 1.5 MB as compact JSON."),
    code(TooLarge, "field_id_too_large", "A collection has had more fields than field ids."),
    code(TooLarge, "filter_too_deep", "A filter nests deeper than 32 levels."),
    code(TooLarge, "filter_too_large", "A filter has more than 1,000 conditions."),
    code(TooLarge, "idempotent_reply_too_large", "The reply is too large to be remembered under an idempotency key."),
    code(TooLarge, "label_too_long", "A source, correlation id, trace parent or idempotency key is over 256 bytes."),
    code(TooLarge, "list_too_long", "An `in` list has more than 10,000 values."),
    code(TooLarge, "message_too_large", "A message to an actor is over 256,000 bytes as compact JSON."),
    code(TooLarge, "pattern_too_long", "A pattern is over its limit."),
    code(TooLarge, "record_too_large", "A turn's log record is over its limit; send less in one turn."),
    code(TooLarge, "reply_too_large", "An actor's reply is over 1.5 MB as compact JSON."),
    code(TooLarge, "row_too_large", "A document is over 1.95 MB as it is stored (numbers take up to 9 bytes)."),
    code(TooLarge, "schema_too_large", "A type has more collections or fields than allowed."),
    code(TooLarge, "too_many_alarms", "An actor sets more than 1,000 alarms of one object."),
    code(TooLarge, "too_many_fields", "A document has more undeclared fields than allowed."),
    code(TooLarge, "too_many_groups", "An aggregation forms more than 100,000 groups."),
    code(TooLarge, "too_many_messages", "An actor sends more than 100 messages in one turn."),
    code(TooLarge, "too_many_rows", "A turn changes more than 10,000 rows."),
    code(TooLarge, "vector_too_long", "A vector is longer than allowed."),
    // Unauthorized.
    code(Kind::Unauthorized, "token_required", "At start: an address open to others needs a token."),
    code(Kind::Unauthorized, "unauthorized", "The bearer token is missing or wrong."),
    // Not found.
    code(NotFound, "blob_not_found", "A stored blob is not there."),
    code(NotFound, "object_deleted", "The object was deleted; its `/changes` can still be read to the end."),
    code(NotFound, "unknown_cache_entry", "The cache holds no such entry, or has forgotten it."),
    code(NotFound, "unknown_collection", "The type has no such collection."),
    code(NotFound, "unknown_document", "The collection holds no document with this key."),
    code(NotFound, "unknown_message", "The type's actor takes no message of this name, or the type has no actor here."),
    code(NotFound, "unknown_object", "No object has this type and id."),
    code(NotFound, "unknown_route", "No route has this path."),
    code(NotFound, "unknown_table", "There is no such Iceberg table or namespace."),
    code(NotFound, "unknown_type", "No type, or no version of it, has this name."),
    // Conflict: read again, then decide.
    code(Conflict, "blob_exists", "A stored blob is there already."),
    code(Conflict, "constraint", "A database constraint does not hold."),
    code(Conflict, "data_folder_in_use", "At start: another process has the data folder."),
    code(Conflict, "document_referenced", "Another document refers to the one to be removed."),
    code(Conflict, "duplicate_key", "An insert's key is taken."),
    code(Conflict, "idempotency_key_reused", "The idempotency key came before with another body."),
    code(Conflict, "location_change_unsupported", "The bucket and prefix of a registered collection's tables cannot change."),
    code(Conflict, "not_a_turn_boundary", "A range between actors does not end with a turn."),
    code(Conflict, "object_deleting", "The object is being deleted and takes no writes."),
    code(Conflict, "partition_change_unsupported", "The partitions of a registered collection cannot change."),
    code(Conflict, "schema_behind", "An actor has an older schema version than a message needs."),
    code(Conflict, "schema_missing", "An actor has no schema yet."),
    code(Conflict, "schema_upgrade_failed", "The object's rows do not satisfy the new schema version."),
    code(Conflict, "schema_would_lose_data", "The new schema would lose or break data that is there."),
    code(Conflict, "stale_attempt", "A lake commit was overtaken by a newer attempt."),
    code(Conflict, "unique_violation", "A unique index holds these values already."),
    code(Conflict, "version_mismatch", "The document is not at the version the request names."),
    code(Conflict, "wrong_address", "A database belongs to another actor."),
    // Fenced.
    code(Fenced, "fenced", "Another instance owns the object now."),
    // Gone: start again from `earliestOffset`.
    code(Gone, "offset_outside_lineage", "The offset is of a life of the object that its log did not pass through; start again at `earliestOffset`."),
    code(Gone, "offset_trimmed", "The offset is no longer in the log; start again at `earliestOffset`."),
    // Unavailable: retry after `Retry-After`.
    code(Unavailable, "address_in_use", "At start: another process listens there."),
    code(Unavailable, "actor_reset", "The object was reset during the request; repeat a write with its `Idempotency-Key`."),
    code(Unavailable, "actor_unavailable", "Another actor did not answer."),
    code(Unavailable, "blob_store", "The object store of the lake does not answer."),
    code(Unavailable, "busy", "The object's queue is full."),
    code(Unavailable, "inbox_full", "A table's inbox is full until the next commit."),
    code(Unavailable, "log_full", "The object's log is at its size limit until the lake has caught up."),
    code(Unavailable, "no_actor", "A timer of an actor is due, and the object's type has no actor here."),
    code(Unavailable, "not_caught_up", "The object, or the lake under `tier=cold`, has not reached the offset `atLeast` names."),
    code(Unavailable, "not_ready", "The host is starting or stopping."),
    code(Unavailable, "outbox_full", "10,000 messages (or 64 MB) of the object wait for their receivers; `state` shows why."),
    code(Unavailable, "storage_busy", "The database is locked by another process."),
    code(Unavailable, "storage_failed", "The disk or the operating system failed."),
    code(Unavailable, "object_full", "The object is at `hot.max_size` and takes deletes only."),
    code(Unavailable, "storage_full", "The disk is full."),
    // Unsupported: understood, but not by this version.
    code(Unsupported, "as_of_unsupported", "A query reads the present only."),
    code(Unsupported, "bucket_unreachable", "`cold.bucket` names a bucket that this host has no way to."),
    code(Unsupported, "consistency_unsupported", "A read knows the consistencies `strong` and `warm`."),
    code(Unsupported, "log_exhausted", "The log has no sequence left."),
    code(Unsupported, "sqlite_too_old", "At start: this SQLite can corrupt databases."),
    code(Unsupported, "tier_unsupported", "`sync` knows the tiers `warm` and `cold`, a read by key `hot` and `cold`, a query `hot`."),
    code(Unsupported, "unsupported_format", "Stored bytes are of a newer format."),
    code(Unsupported, "unsupported_partition", "A partition transform is not supported here."),
    code(Unsupported, "unsupported_record", "A log record is of a newer format."),
    // Ours.
    code(Kind::Internal, "actor_failed", "The actor's own code panicked; nothing of the turn stays."),
    code(Kind::Corrupt, "corrupt", "Stored bytes do not check out. Run `tidelog verify`."),
    code(Kind::Internal, "internal", "A bug or an operating-system failure."),
];
/// The code of this name, if there is one.
pub fn known_code(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code == name)
}
