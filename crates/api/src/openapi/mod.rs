//! The OpenAPI 3.1 description, made from the table of routes.

mod bodies;
mod damage;
mod keeping;
mod snapshots;

use serde_json::{Map, Value as Json, json};

use crate::handle::is_admins;
use crate::{CODES, ROUTES, Route};

/// The description of every route.
pub fn openapi() -> Json {
    let mut paths: Map<String, Json> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidelog",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Digital objects with a change log and Iceberg tables in step.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "security": [{}, {"token": []}],
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "adminToken": {"type": "http", "scheme": "bearer"},
            },
            "schemas": bodies::schemas(CODES.iter().map(|known| known.code).collect()),
        },
    })
}

fn operation(route: &Route) -> Json {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [tag(route)],
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if !route.body.is_empty() {
        let content: Map<String, Json> = route
            .body
            .iter()
            .map(|(media, schema)| ((*media).to_owned(), content(schema)))
            .collect();
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    if is_admins(route.operation) {
        operation["security"] = json!([{"adminToken": []}]);
    }
    if route.path == "/healthz" {
        operation["security"] = json!([]);
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let name = format!("{:?}", route.operation);
    let mut letters = name.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

fn tag(route: &Route) -> &'static str {
    let path = route.path;
    let starts = |prefix| path.starts_with(prefix);
    match () {
        () if route.is_iceberg() => "iceberg",
        () if starts("/v1/types") => "types",
        () if path.contains("/changes") => "changes",
        () if path.contains("{collection}") || path.ends_with("/batch") => "documents",
        () if path.contains("/messages/") => "messages",
        () if is_admins(route.operation) => "snapshots",
        () if starts("/v1/objects") => "objects",
        () => "host",
    }
}

fn parameters(route: &Route) -> Vec<Json> {
    let in_path = route.parameters().map(|name| {
        json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"},
               "description": bodies::path_parameter(name)})
    });
    let in_query = route.query.iter().map(|name| {
        let (schema, description) = bodies::query_parameter(name);
        json!({"name": name, "in": "query", "required": false, "schema": schema,
               "description": description})
    });
    let in_headers = route.headers.iter().map(|name| {
        json!({"name": name, "in": "header", "required": false,
               "schema": {"type": "string", "maxLength": 256},
               "description": bodies::header(name)})
    });
    in_path.chain(in_query).chain(in_headers).collect()
}

fn responses(route: &Route) -> Json {
    let mut responses: Map<String, Json> = Map::new();
    for (status, media, schema) in route.answers {
        let response = responses.entry(status.to_string()).or_insert_with(|| {
            let reason = http::StatusCode::from_u16(*status).ok();
            let reason = reason.and_then(|status| status.canonical_reason());
            json!({"description": reason.unwrap_or("Success")})
        });
        if !media.is_empty() {
            response["content"][*media] = content(schema);
        }
    }
    let (media, schema) = if route.is_iceberg() {
        ("application/json", "IcebergError")
    } else {
        ("application/problem+json", "Problem")
    };
    responses.insert(
        "default".to_owned(),
        json!({"description": "An error", "content": {media: content(schema)}}),
    );
    Json::Object(responses)
}

fn content(schema: &str) -> Json {
    json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}})
}
