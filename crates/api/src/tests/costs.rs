use std::collections::BTreeMap;

use serde_json::json;

use super::fake::Fake;
use crate::{Costs, Meter, MeterKey, PRICES, meters_text, openapi};

/// Two million events, with every counter set.
fn meter() -> Meter {
    Meter {
        rows_read: 5_000_000,
        rows_written: 2_500_000,
        requests: 1_000_000,
        alarms: 200_000,
        r2_class_a: 10_000,
        r2_class_b: 50_000,
        stored_bytes: 3_000_000_000,
        lake_bytes: 2_000_000_000,
        events: 2_000_000,
        nearly_full: 0,
    }
}

#[test]
fn a_meter_costs_what_is_worked_out_by_hand() {
    // 5 M rows read at $0.001/M; 2.5 M written at $1/M; 1.2 M requests and alarms at $0.15/M;
    // 0.01 M of class A at $4.50/M; 0.05 M of class B at $0.36/M: 2.748, for 2 M events.
    // A month of 3 GB at $0.20 and 2 GB at $0.015: 0.63.
    assert_eq!(
        json!(Costs::of(meter())),
        json!({
            "meter": {
                "rowsRead": 5_000_000, "rowsWritten": 2_500_000, "requests": 1_000_000,
                "alarms": 200_000, "r2ClassA": 10_000, "r2ClassB": 50_000,
                "storedBytes": 3_000_000_000_u64, "lakeBytes": 2_000_000_000, "events": 2_000_000,
            },
            "dollars": {
                "rowsRead": 0.005, "rowsWritten": 2.5, "requests": 0.18,
                "r2ClassA": 0.045, "r2ClassB": 0.018, "total": 2.748,
            },
            "dollarsPerMillionEvents": 1.374,
            "monthlyDollarsStored": 0.63,
            "pricesOf": PRICES.of,
        })
    );
}

#[test]
fn the_smallest_work_costs_something_and_no_event_has_no_price() {
    let one = Meter {
        rows_read: 1,
        ..Meter::default()
    };
    let costs = Costs::of(one);
    assert_eq!(json!(costs.dollars.total), json!(1e-9));
    assert_eq!(json!(costs)["dollarsPerMillionEvents"], json!(null));
}

#[test]
fn an_object_is_nearly_full_until_its_size_is_read_again() {
    let read = |stored_bytes, nearly_full| Meter {
        stored_bytes,
        nearly_full,
        ..Meter::default()
    };
    let mut meter = read(900, 1);
    meter.add(&read(0, 0));
    assert_eq!(meter.nearly_full, 1, "nothing was read");
    let mut two = meter;
    two.add_actor(&read(950, 1));
    assert_eq!(two.nearly_full, 2);
    meter.add(&read(700, 0));
    assert_eq!(meter.nearly_full, 0);
}

#[test]
fn counters_add_up_over_time_and_gauges_do_not() {
    let mut sum = meter();
    sum.add(&Meter {
        rows_written: 7,
        events: 3,
        stored_bytes: 4_000,
        ..Meter::default()
    });
    let expected = Meter {
        rows_written: 2_500_007,
        events: 2_000_003,
        stored_bytes: 4_000,
        ..meter()
    };
    assert_eq!(sum, expected, "an unread gauge keeps its figure");
    sum.add_actor(&meter());
    assert_eq!(
        (sum.rows_written, sum.stored_bytes),
        (5_000_007, 3_000_004_000)
    );
}

#[test]
fn meters_read_as_prometheus_text() {
    let key = |actor| MeterKey {
        type_name: "shop".to_owned(),
        actor,
    };
    let object = Meter {
        rows_written: 1_500_000,
        stored_bytes: 1_000_000_000,
        events: 1_000_000,
        ..Meter::default()
    };
    let table = Meter {
        rows_written: 500_000,
        r2_class_a: 100_000,
        lake_bytes: 2_000_000_000,
        ..Meter::default()
    };
    let text = meters_text(&BTreeMap::from([
        (key("object"), object),
        (key("table"), table),
    ]));
    for line in [
        "# TYPE tidelog_rows_written_total counter",
        "tidelog_rows_written_total{type=\"shop\",actor=\"object\"} 1500000",
        "tidelog_rows_written_total{type=\"shop\",actor=\"table\"} 500000",
        "tidelog_r2_class_a_total{type=\"shop\",actor=\"table\"} 100000",
        "# TYPE tidelog_stored_bytes gauge",
        // 2 M rows and 0.1 M operations: 2 + 0.45, for a million events; 0.20 + 2 × 0.015.
        "tidelog_dollars_total{type=\"shop\"} 2.45",
        "tidelog_dollars_per_million_events{type=\"shop\"} 2.45",
        "tidelog_stored_dollars_month{type=\"shop\"} 0.23",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
    }
    let heads = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(heads.count(), 11, "{text}");
}

#[test]
fn state_shows_costs_as_openapi_describes_them() {
    let state = Fake::default()
        .ask("GET /v1/objects/airport/JFK/state")
        .json();
    let costs = &state["costs"];
    assert_eq!(costs["meter"]["rowsWritten"], 3);
    // 3 rows written and 2 requests for 2 events.
    assert_eq!(costs["dollars"]["total"], 0.000_003_3);
    assert_eq!(costs["dollarsPerMillionEvents"], 1.65);
    let schema = &openapi()["components"]["schemas"]["Costs"]["properties"];
    for part in [
        (costs, schema),
        (&costs["meter"], &schema["meter"]["properties"]),
    ] {
        let members = |json: &serde_json::Value| {
            let members = json.as_object().unwrap().keys().cloned();
            members.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(members(part.0), members(part.1));
    }
    let dollars = &schema["dollars"]["properties"];
    let priced = costs["dollars"].as_object().unwrap();
    assert!(priced.keys().all(|part| dollars[part].is_object()));
}
