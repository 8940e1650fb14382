//! The newest version of types, as this isolate knows them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tidelog_core::TypeSchema;
use tidelog_log::{Kind, Result};

use crate::js;
use crate::messages::RegistryAsk;
use crate::peers::Peers;

/// Types kept.
const TYPES_MAX: usize = 256;

thread_local! {
    /// Shared by the actors of an isolate: a type, and when the registry gave it.
    static NEWEST: RefCell<BTreeMap<String, (Arc<TypeSchema>, i64)>> = RefCell::default();
}

/// The newest version of a type, at most `trusted_millis` old.
///
/// # Errors
/// `unknown_type`; those of the registry.
pub(crate) async fn newest(
    peers: &Peers,
    name: &str,
    trusted_millis: i64,
) -> Result<Arc<TypeSchema>> {
    let now = js::now();
    let known = NEWEST.with_borrow(|types| types.get(name).cloned());
    if let Some((schema, read)) = &known
        && now - read < trusted_millis
    {
        return Ok(Arc::clone(schema));
    }
    let ask = RegistryAsk::Type {
        name: name.to_owned(),
        version: None,
    };
    match peers.registry(0, &ask).await {
        Ok(schema) => Ok(remember(schema)),
        // An older version serves better than none, where one is trusted at all.
        Err(error) if error.kind() == Kind::Unavailable && trusted_millis > 0 => {
            known.map(|(schema, _)| schema).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// Takes note of what the registry just gave.
pub(crate) fn remember(schema: TypeSchema) -> Arc<TypeSchema> {
    let schema = Arc::new(schema);
    NEWEST.with_borrow_mut(|types| {
        if types.len() >= TYPES_MAX {
            types.clear();
        }
        types.insert(schema.name.clone(), (Arc::clone(&schema), js::now()));
    });
    schema
}
