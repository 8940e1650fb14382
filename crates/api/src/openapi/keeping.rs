//! Schemas of how snapshots are kept.

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
