//! What the demo's work would have cost on Cloudflare, by the counters of its own server.

use tidelog_api::{Costs, Meter};

use crate::failure::Result;
use crate::print;

/// Prints what was counted and what it costs; the demo's own reads and checks are in it.
pub(crate) fn print(meter: Meter) -> Result<()> {
    lines(&Costs::of(meter)).iter().try_for_each(print::line)
}

fn lines(costs: &Costs) -> Vec<String> {
    let meter = &costs.meter;
    let mut lines = vec![
        String::new(),
        "What this took, its reads and checks included:".to_owned(),
    ];
    for (name, count) in [
        ("rows written", meter.rows_written),
        ("rows read", meter.rows_read),
        ("requests", meter.requests),
        ("alarms", meter.alarms),
        ("R2 writes", meter.r2_class_a),
        ("R2 reads", meter.r2_class_b),
    ] {
        let each = per_event(count, meter.events);
        lines.push(format!(
            "  {name:<13} {:>11}   {each} per event",
            print::count(count)
        ));
    }
    let dated = format!("(prices of {}, docs/cloudflare.md)", costs.prices_of);
    if let Some(dollars) = costs.dollars_per_million_events {
        lines.push(format!(
            "On Cloudflare this work would cost about ${dollars:.2} per million events {dated}."
        ));
    }
    let (objects, lake) = (
        print::bytes(meter.stored_bytes),
        print::bytes(meter.lake_bytes),
    );
    lines.push(format!(
        "Keeping {objects} in objects and tables and {lake} in the lake: about ${:.4} a month.",
        costs.monthly_dollars_stored
    ));
    lines
}

/// With four decimals; nothing per event where there was none.
fn per_event(count: u64, events: u64) -> String {
    let events = u128::from(events.max(1));
    let parts = (u128::from(count) * 10_000 + events / 2) / events;
    format!("{}.{:04}", parts / 10_000, parts % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_prices_read_as_lines() {
        let costs = Costs::of(Meter {
            rows_read: 5_000,
            rows_written: 2_250,
            requests: 30,
            alarms: 2,
            r2_class_a: 100,
            r2_class_b: 3,
            stored_bytes: 2_000_000_000,
            lake_bytes: 1_000_000_000,
            events: 2_000,
            ..Meter::default()
        });
        let text = lines(&costs).join("\n");
        // $0.002250 + $0.000005 + $0.0000048 + $0.00045 + $0.00000108 for 2,000 events; 2 GB at
        // $0.20 and 1 GB at $0.015.
        for part in [
            "rows written        2,250   1.1250 per event",
            "R2 writes             100   0.0500 per event",
            "about $1.36 per million events (prices of 20",
            "Keeping 2.0 GB in objects and tables and 1.0 GB in the lake: about $0.4150 a month.",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
