//! Schemas of checks and of healing.

use serde_json::{Value as Json, json};

use super::bodies::{list, object, reference};

/// What their routes answer.
pub(super) fn schemas() -> Json {
    let (text, whole) = (json!({"type": "string"}), json!({"type": "integer"}));
    let time = json!({"type": "string", "format": "date-time"});
    json!({
        "Damage": object(&["what"], &json!({
            "collection": text, "snapshot": text, "blob": whole, "page": whole, "sequence": whole,
            "what": text,
        })),
        "Check": object(&["checked", "damaged"], &json!({
            "checked": {"type": "object", "additionalProperties": whole},
            "damaged": list(&reference("Damage")), "next": text,
        })),
        "Heal": object(
            &["id", "status", "created", "blobs", "healed", "lost", "snapshots"],
            &json!({
                "id": text, "created": time, "blobs": whole, "failure": reference("Failure"),
                "status": {"type": "string", "enum": ["running", "complete", "failed"]},
                "healed": list(&object(
                    &["collection", "blob", "from", "documents"],
                    &json!({"collection": text, "blob": whole, "documents": whole,
                            "from": {"type": "string", "enum": ["copy", "events"]}}),
                )),
                "lost": list(&reference("Damage")), "snapshots": list(&text),
            }),
        )
    })
}
