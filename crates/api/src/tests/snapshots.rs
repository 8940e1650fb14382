//! What administrators ask, as the host is asked.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value as Json, json};
use tidelog_core::{
    Discovery, Moving, Restore, RestoreStatus, RestoreTarget, RetentionState, Snapshot,
    SnapshotCommand, SnapshotKind, SnapshotReply, SnapshotRetention, SnapshotStatus, SnapshotTier,
};
use tidelog_log::{Epoch, Sequence};

use super::fake::{Answer, Fake};
use crate::{ApiSettings, Look, SnapshotFilter};

const ADMIN: (&str, &str) = ("authorization", "Bearer admin");

fn fake() -> Fake {
    Fake {
        settings: ApiSettings {
            admin_token: Some("admin".to_owned()),
            ..ApiSettings::default()
        },
        ..Fake::default()
    }
}

fn answering(answer: SnapshotReply) -> Fake {
    Fake {
        answer: Mutex::new(Some(answer)),
        ..fake()
    }
}

fn snapshot(status: SnapshotStatus) -> SnapshotReply {
    SnapshotReply::Snapshot(Box::new(Snapshot {
        id: "s1".to_owned(),
        kind: SnapshotKind::Full,
        status,
        parent: None,
        note: "before the release".to_owned(),
        imported: false,
        keep: false,
        epoch: Epoch(3),
        sequence: Sequence(7),
        from: Sequence(7),
        hash: "00".to_owned(),
        timestamp: 1_000,
        schema_version: 1,
        created: 2_000,
        documents: BTreeMap::from([("flights".to_owned(), 5)]),
        bytes: 10,
        own_bytes: 4,
        tier: SnapshotTier::Hot,
        cold: None,
        moving: None,
        failure: None,
    }))
}

fn restore(status: RestoreStatus, target: RestoreTarget) -> SnapshotReply {
    SnapshotReply::Restore(Box::new(Restore {
        id: "r1".to_owned(),
        status,
        target,
        sequence: Sequence(7),
        collections: Vec::new(),
        dry_run: false,
        created: 2_000,
        differences: BTreeMap::new(),
        undo: None,
        offset: None,
        lake: None,
        failure: None,
    }))
}

fn ask(fake: &Fake, line: &str, more: &[(&'static str, &str)], body: &str) -> Answer {
    let headers: Vec<_> = std::iter::once(ADMIN).chain(more.iter().copied()).collect();
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    fake.send(
        &line.replace("OBJECT", "/v1/objects/airport/JFK"),
        &headers,
        [Ok(body)],
    )
}

#[test]
fn a_snapshot_is_201_when_it_is_complete_and_202_before() {
    for (status, code) in [
        (SnapshotStatus::Complete, 201),
        (SnapshotStatus::Running, 202),
    ] {
        let fake = answering(snapshot(status));
        let body = r#"{"note": "before the release"}"#;
        let answer = ask(
            &fake,
            "POST OBJECT/snapshots",
            &[("x-source", "deploy")],
            body,
        );
        assert_eq!(answer.status, code);
        let json = answer.json();
        assert_eq!(json["created"], "1970-01-01T00:00:02Z");
        assert_eq!(json["timestamp"], "1970-01-01T00:00:01Z");
        assert_eq!((&json["id"], &json["ownBytes"]), (&json!("s1"), &json!(4)));
        let asked = fake.asked.lock().unwrap();
        let [asked] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        let said = (asked.actor.as_str(), asked.reason.as_str());
        assert_eq!(said, ("deploy", "before the release"));
        let SnapshotCommand::Create { kind, parent, .. } = &asked.command else {
            panic!("{asked:?}");
        };
        assert_eq!((*kind, parent), (SnapshotKind::Full, &None));
    }
}

#[test]
fn who_and_why_come_from_their_headers_first() {
    let fake = answering(snapshot(SnapshotStatus::Complete));
    let headers = [
        ("tidelog-actor", "ada"),
        ("tidelog-reason", "drill"),
        ("x-source", "cron"),
    ];
    let body = r#"{"kind": "incremental", "parent": "s0", "note": "nightly"}"#;
    assert_eq!(
        ask(&fake, "POST OBJECT/snapshots", &headers, body).status,
        201
    );
    assert_eq!(
        ask(&fake, "DELETE OBJECT/snapshots/s1", &headers, "").status,
        200
    );
    for asked in fake.asked.lock().unwrap().iter() {
        assert_eq!(
            (asked.actor.as_str(), asked.reason.as_str()),
            ("ada", "drill")
        );
    }
    let long = "x".repeat(257);
    let refused = ask(
        &fake,
        "DELETE OBJECT/snapshots/s1",
        &[("tidelog-reason", &long)],
        "",
    );
    let wanted = (
        413,
        "label_too_long".to_owned(),
        "Tidelog-Reason".to_owned(),
    );
    assert_eq!(refused.problem(), wanted);
}

#[test]
fn a_restore_names_one_target() {
    let at = 1_764_403_200_000;
    for (member, target) in [
        (
            r#""snapshot": "s1""#,
            RestoreTarget::Snapshot("s1".to_owned()),
        ),
        (r#""sequence": 0"#, RestoreTarget::Sequence(Sequence(0))),
        (r#""time": 1764403200000"#, RestoreTarget::Time(at)),
        (r#""time": "2025-11-29T08:00:00Z""#, RestoreTarget::Time(at)),
        (
            r#""time": "2025-11-29T09:00:00.000999+01:00""#,
            RestoreTarget::Time(at),
        ),
    ] {
        let fake = answering(restore(RestoreStatus::Complete, target.clone()));
        let body = format!(r#"{{{member}, "collections": ["b", "a", "b"], "dryRun": true}}"#);
        let answer = ask(&fake, "POST OBJECT/restore", &[], &body);
        assert_eq!(answer.status, 200, "{body}");
        if matches!(target, RestoreTarget::Time(_)) {
            assert_eq!(
                answer.json()["target"],
                json!({"time": "2025-11-29T08:00:00Z"})
            );
        }
        let asked = fake.asked.lock().unwrap();
        let SnapshotCommand::Restore {
            target: found,
            collections,
            dry_run,
            schema,
            ..
        } = &asked[0].command
        else {
            panic!("{asked:?}");
        };
        assert_eq!((found, dry_run), (&target, &true));
        assert_eq!(
            (collections.join(","), schema.name.as_str()),
            ("a,b".to_owned(), "airport")
        );
    }
}

#[test]
fn a_restore_under_way_is_202() {
    let target = RestoreTarget::Sequence(Sequence(7));
    let fake = answering(restore(RestoreStatus::Running, target));
    let answer = ask(&fake, "POST OBJECT/restore", &[], r#"{"sequence": 7}"#);
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (202, &json!("running"))
    );
}

/// Route, body, code and field of bodies that say something else.
const REFUSED: [(&str, &str, &str, &str); 17] = [
    ("snapshots", r#"{"kind": "half"}"#, "invalid_body", "kind"),
    ("snapshots", r#"{"kind": 1}"#, "invalid_body", "kind"),
    (
        "snapshots",
        r#"{"parent": "s0"}"#,
        "conflicting_parameters",
        "parent",
    ),
    ("snapshots", r#"{"why": "x"}"#, "invalid_body", "why"),
    ("snapshots", "[]", "invalid_body", ""),
    ("restore", "{}", "invalid_target", "snapshot"),
    ("restore", "", "invalid_target", "snapshot"),
    (
        "restore",
        r#"{"sequence": 1, "time": 2}"#,
        "invalid_target",
        "snapshot",
    ),
    (
        "restore",
        r#"{"sequence": -1}"#,
        "invalid_target",
        "sequence",
    ),
    (
        "restore",
        r#"{"sequence": 9007199254740992}"#,
        "invalid_target",
        "sequence",
    ),
    (
        "restore",
        r#"{"time": "yesterday"}"#,
        "invalid_target",
        "time",
    ),
    ("restore", r#"{"time": 1.5}"#, "invalid_target", "time"),
    ("restore", r#"{"snapshot": 1}"#, "invalid_body", "snapshot"),
    (
        "restore",
        r#"{"sequence": 1, "dryRun": "yes"}"#,
        "invalid_body",
        "dryRun",
    ),
    (
        "restore",
        r#"{"sequence": 1, "collections": []}"#,
        "invalid_body",
        "collections",
    ),
    (
        "restore",
        r#"{"sequence": 1, "collections": [1]}"#,
        "invalid_body",
        "collections",
    ),
    (
        "restore",
        r#"{"sequence": 1, "dryrun": true}"#,
        "invalid_body",
        "dryrun",
    ),
];

#[test]
fn bodies_that_say_something_else_are_refused_by_member() {
    let fake = fake();
    for (line, body, code, field) in REFUSED {
        let found = ask(&fake, &format!("POST OBJECT/{line}"), &[], body).problem();
        let wanted = (400, code.to_owned(), field.to_owned());
        assert_eq!(found, wanted, "{line} {body}");
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[test]
fn reads_are_asked_as_they_are_meant() {
    let fake = fake();
    let page = "GET OBJECT/snapshots?kind=incremental&tier=cold&parent=s0&minBytes=1&maxBytes=9&fromSequence=2&before=s9&limit=2";
    for line in [
        page,
        "GET OBJECT/snapshots/s1",
        "GET OBJECT/snapshots/audit?before=9",
        "GET OBJECT/restore",
        "GET OBJECT/check?after=0.1",
        "GET OBJECT/heal",
        "GET OBJECT/snapshots/discover",
    ] {
        assert_eq!(ask(&fake, line, &[], "").status, 200, "{line}");
    }
    let filter = SnapshotFilter {
        kind: Some(SnapshotKind::Incremental),
        tier: Some(SnapshotTier::Cold),
        parent: Some("s0".to_owned()),
        bytes: (Some(1), Some(9)),
        sequence: (Some(2), None),
    };
    let before = Some("s9".to_owned());
    let wanted = [
        Look::Snapshots {
            filter,
            before,
            limit: 2,
        },
        Look::Snapshot("s1".to_owned()),
        Look::Audit {
            before: Some(9),
            limit: 100,
        },
        Look::Restore,
        Look::Check(Some("0.1".to_owned())),
        Look::Heal,
        Look::Discovery,
    ];
    assert_eq!(*fake.looks.lock().unwrap(), wanted);
    let over = ask(&fake, "GET OBJECT/snapshots?limit=1001", &[], "").problem();
    assert_eq!(over.1, "limit_out_of_range");
    for (query, code, field) in [
        ("tier=warm", "invalid_body", "tier"),
        ("minBytes=x", "invalid_parameter", "minBytes"),
        ("toSequence=-1", "invalid_parameter", "toSequence"),
    ] {
        let line = format!("GET OBJECT/snapshots?{query}");
        let refused = ask(&fake, &line, &[], "").problem();
        assert_eq!(refused, (400, code.to_owned(), field.to_owned()));
    }
}

#[test]
fn what_is_on_its_way_between_the_tiers_is_answered_202() {
    let moving = |status, moving| {
        let SnapshotReply::Snapshot(mut snapshot) = snapshot(status) else {
            panic!()
        };
        snapshot.moving = moving;
        snapshot.tier = SnapshotTier::Cold;
        answering(SnapshotReply::Snapshot(snapshot))
    };
    let complete = SnapshotStatus::Complete;
    for (line, fake, status) in [
        (
            "POST OBJECT/snapshots/s1/promote",
            moving(complete, Some(Moving::Promoting)),
            202,
        ),
        (
            "POST OBJECT/snapshots/s1/promote",
            moving(complete, None),
            200,
        ),
        (
            "POST OBJECT/snapshots/s1/recall",
            moving(complete, Some(Moving::Recalling)),
            202,
        ),
        (
            "DELETE OBJECT/snapshots/s1",
            moving(SnapshotStatus::Deleting, None),
            202,
        ),
    ] {
        let answer = ask(&fake, line, &[], "");
        assert_eq!(answer.status, status, "{line}");
        let json: Json = answer.json();
        assert_eq!((&json["id"], &json["tier"]), (&json!("s1"), &json!("cold")));
        let asked = fake.asked.lock().unwrap();
        let matches = match (&asked[0].command, line.rsplit('/').next()) {
            (SnapshotCommand::Promote { id }, Some("promote"))
            | (SnapshotCommand::Recall { id }, Some("recall"))
            | (SnapshotCommand::Delete { id }, Some("s1")) => id == "s1",
            _ => false,
        };
        assert!(matches, "{line}: {asked:?}");
    }
}

#[test]
fn a_search_is_answered_202_until_it_is_done() {
    for (status, code) in [
        (RestoreStatus::Running, 202),
        (RestoreStatus::Complete, 200),
    ] {
        let fake = answering(SnapshotReply::Discovery(Box::new(Discovery {
            id: "d1".to_owned(),
            status,
            created: 2_000,
            found: 1,
            added: vec!["s1".to_owned()],
            skipped: 0,
            failure: None,
        })));
        let answer = ask(&fake, "POST OBJECT/snapshots/discover", &[], "");
        assert_eq!(answer.status, code);
        let json: Json = answer.json();
        assert_eq!(json["created"], "1970-01-01T00:00:02Z");
        assert_eq!(json["added"], json!(["s1"]));
    }
}

#[test]
fn a_retention_is_read_and_declared() {
    let fake = answering(SnapshotReply::Retention(Box::new(RetentionState {
        rules: SnapshotRetention::default().declared(),
        own: Default::default(),
        schedule: None,
    })));
    let line = "PUT OBJECT/snapshots/retention";
    let json = ("content-type", "application/json");
    let body = r#"{"hotAge": "3d", "hotCount": 0, "promoteSize": 5}"#;
    let answer = ask(&fake, line, &[json], body);
    assert_eq!(
        (answer.status, &answer.json()["hotAge"]),
        (200, &json!("7d"))
    );
    let asked = fake.asked.lock().unwrap().pop().unwrap().command;
    let SnapshotCommand::SetRetention(rules) = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(
        json!(rules),
        json!({"hotAge": "3d", "hotCount": 0, "promoteSize": 5})
    );
    for (body, field) in [
        (r#"{"hotAge": true}"#, "hotAge"),
        (r#"{"hotAge": "1s"}"#, "hotAge"),
        (r#"{"coldAge": "soon"}"#, "coldAge"),
        (r#"{"hotCount": -1}"#, "hotCount"),
        (r#"{"hotCount": 1.5}"#, "hotCount"),
        (r#"{"chain": 101}"#, "chain"),
        (r#"{"age": 1}"#, "age"),
    ] {
        let refused = ask(&fake, line, &[json], body).problem();
        let wanted = (400, "invalid_body".to_owned(), field.to_owned());
        assert_eq!(refused, wanted, "{body}");
    }
    let answer = ask(&fake, "GET OBJECT/snapshots/retention", &[], "");
    assert_eq!(answer.status, 200);
    assert_eq!(fake.looks.lock().unwrap().pop(), Some(Look::Retention));
}

#[test]
fn a_snapshot_is_kept() {
    let fake = answering(snapshot(SnapshotStatus::Complete));
    let json = ("content-type", "application/json");
    let kept = ask(
        &fake,
        "PATCH OBJECT/snapshots/s1",
        &[json],
        r#"{"keep": true}"#,
    );
    assert_eq!((kept.status, &kept.json()["id"]), (200, &json!("s1")));
    let asked = fake.asked.lock().unwrap().pop().unwrap().command;
    let is_so = matches!(&asked, SnapshotCommand::Keep { id, keep: true } if id == "s1");
    assert!(is_so, "{asked:?}");
    let wrong = ask(&fake, "PATCH OBJECT/snapshots/s1", &[json], "{}").problem();
    assert_eq!(
        (wrong.1.as_str(), wrong.2.as_str()),
        ("invalid_body", "keep")
    );
}

#[test]
fn a_refusal_of_the_object_is_answered_as_it_is() {
    let refused = ask(&fake(), "DELETE OBJECT/snapshots/s9", &[], "").problem();
    let wanted = (404, "unknown_snapshot".to_owned(), "snapshot".to_owned());
    assert_eq!(refused, wanted);
}

#[test]
fn every_admin_route_is_off_without_an_admin_token() {
    let off = Fake::default();
    let routes = [
        "POST OBJECT/snapshots",
        "GET OBJECT/snapshots",
        "GET OBJECT/snapshots/audit",
        "GET OBJECT/snapshots/s1",
        "DELETE OBJECT/snapshots/s1",
        "POST OBJECT/snapshots/s1/promote",
        "POST OBJECT/snapshots/s1/recall",
        "POST OBJECT/snapshots/discover",
        "GET OBJECT/snapshots/discover",
        "POST OBJECT/restore",
        "GET OBJECT/restore",
        "DELETE OBJECT/restore",
        "GET OBJECT/check",
        "POST OBJECT/heal",
        "GET OBJECT/heal",
    ];
    for line in routes {
        let refused = ask(&off, line, &[], "{}").problem();
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (403, "admin_disabled"),
            "{line}"
        );
        let line = line.replace("OBJECT", "/v1/objects/airport/JFK");
        let unasked: Json = fake().ask(&line).json();
        assert_eq!(unasked["code"], "unauthorized", "{line}");
    }
    let both = Fake {
        settings: ApiSettings {
            token: Some("ordinary".to_owned()),
            admin_token: Some("admin".to_owned()),
            ..ApiSettings::default()
        },
        ..Fake::default()
    };
    let ordinary = [("authorization", "Bearer ordinary")];
    let refused = both.send("GET /v1/objects/airport/JFK/restore", &ordinary, []);
    assert_eq!(refused.problem().1, "admin_required");
    assert_eq!(both.send("GET /v1/types", &[ADMIN], []).status, 200);
    assert_eq!(both.send("GET /v1/types", &ordinary, []).status, 200);
}

#[test]
fn a_file_is_answered_whole_or_from_a_byte_on() {
    let fake = answering(snapshot(SnapshotStatus::Complete));
    let line = "GET OBJECT/snapshots/s1/file";
    let mut whole = ask(&fake, line, &[], "");
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("tidelog-file-bytes"), "10");
    assert_eq!(whole.stream(&fake), "0123456789");
    let cases = [
        ("bytes=3-", "3456789", "bytes 3-9/10"),
        ("bytes=2-6", "23456", "bytes 2-6/10"),
        ("bytes=9-99", "9", "bytes 9-9/10"),
    ];
    for (range, text, said) in cases {
        let mut part = ask(&fake, line, &[("range", range)], "");
        assert_eq!((part.status, part.header("content-range")), (206, said));
        assert_eq!(part.stream(&fake), text, "{range}");
    }
    let odd = [
        "bytes=10-",
        "bytes=5-2",
        "bytes=-3",
        "bytes=0-1,3-4",
        "rows=1-2",
    ];
    for range in odd {
        let refused = ask(&fake, line, &[("range", range)], "").problem();
        let wanted = (400, "invalid_range".to_owned(), "Range".to_owned());
        assert_eq!(refused, wanted, "{range}");
    }
}

#[test]
fn what_is_no_file_is_refused_before_the_object_hears_of_it() {
    let fake = answering(snapshot(SnapshotStatus::Complete));
    let cases = [
        ("", "snapshot_truncated"),
        ("PK\u{3}\u{4}", "snapshot_damaged"),
        ("TLS\u{9}", "unsupported_format"),
        ("TLS\u{1}", "snapshot_truncated"),
    ];
    for (body, code) in cases {
        let refused = ask(&fake, "POST OBJECT/snapshots/import", &[], body);
        assert_eq!(refused.problem().1, code, "{body:?}");
    }
    assert!(fake.asked.lock().unwrap().is_empty());
}
