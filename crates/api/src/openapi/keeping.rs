//! Schemas of how snapshots are kept, and of forks.

use serde_json::{Value as Json, json};

use super::bodies::{object, reference};

/// What their routes take and answer.
pub(super) fn schemas() -> Json {
    let (text, whole, flag) = (
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": "boolean"}),
    );
    let measure = json!({"type": ["string", "integer"]});
    let rules = object(
        &[],
        &json!({
            "hotAge": measure, "hotCount": whole, "coldAge": measure, "coldCount": whole,
            "chain": whole, "promoteAge": measure, "promoteSize": measure,
        }),
    );
    json!({
        "NewFork": object(&["to"], &json!({
            "to": text, "snapshot": text, "sequence": whole, "expires": measure,
            "time": {"description": "RFC 3339, or milliseconds since 1970", "type": ["string", "integer"]},
        })),
        "Fork": object(&["id", "status", "to", "sequence", "created", "bytes"], &json!({
            "id": text, "to": text, "sequence": whole, "bytes": whole, "offset": text,
            "expires": {"type": "string", "format": "date-time"},
            "status": {"type": "string", "enum": ["running", "complete", "cancelled", "failed"]},
            "created": {"type": "string", "format": "date-time"}, "failure": reference("Failure"),
        })),
        "KeepSnapshot": object(&["keep"], &json!({"keep": flag})),
        "RetentionRules": rules,
        "Retention": object(&["own"], &json!({
            "own": reference("RetentionRules"),
            "schedule": object(&["sequence"], &json!({
                "last": text, "sequence": whole, "failure": reference("Failure"),
            })),
        })),
    })
}
