//! The actor of these tests: it does on demand whatever an actor can do, well or badly.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidelog_core::actor::{Change, Kind, Result};
use tidelog_core::{Actor, Context, Messages};

pub(super) struct Teller;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    id: String,
    #[serde(default)]
    n: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Total {
    pub(super) total: u64,
}

#[derive(Deserialize)]
pub(super) struct Tell {
    id: String,
    to: Vec<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Alarm {
    name: String,
    at: i64,
}

#[derive(Deserialize)]
struct Plan {
    days: Vec<Day>,
}

#[derive(Deserialize)]
struct Day {
    #[expect(dead_code, reason = "it is there to be of another shape")]
    hour: u8,
}

impl Actor for Teller {
    fn messages(messages: &mut Messages<Self>) {
        messages
            .on("add", Self::add)
            .on("take_back", Self::take_back)
            .on("go_on", Self::go_on)
            .on("panic", Self::panic)
            .on("tell", Self::tell)
            .on("alarm", Self::alarm)
            .on("clear", Self::clear)
            .on("chance", Self::chance)
            .on("plan", Self::plan)
            .on("later", Self::later)
            .on("read", Self::read)
            .on("remove", Self::remove)
            .on("forget", Self::forget);
    }

    fn on_alarm(&self, ctx: &mut Context<'_>, name: &str) -> Result<()> {
        ctx.insert("notes", &json!({ "id": format!("{name} rang") }))?;
        match name {
            "fails" => Err(ctx.refusal(Kind::Conflict, "no", "it never works")),
            "panics" => panic!("the alarm panics"),
            "again" => ctx.set_alarm("again", ctx.now() + 1_000),
            _ => Ok(()),
        }
    }

    fn follows(&self) -> &'static [&'static str] {
        &["watched"]
    }

    fn on_change(&self, ctx: &mut Context<'_>, changes: &[Change]) -> Result<()> {
        for change in changes {
            let id = format!(
                "{:06} {:?} {}",
                change.sequence.0, change.operation, change.key
            );
            ctx.insert("seen", &json!({ "id": id, "cause": change.cause }))?;
            // Its own writes are not given to it, or this would never end.
            ctx.upsert("watched", &json!({ "id": "echo", "of": change.key }))?;
            if change.key == "bad" && ctx.found("notes", "mended")?.is_none() {
                return Err(ctx.refusal(Kind::Invalid, "bad", "a change it cannot bear"));
            }
        }
        Ok(())
    }
}

impl Teller {
    fn add(&self, ctx: &mut Context<'_>, note: Note) -> Result<Total> {
        let from = ctx.sender().map(|sender| sender.short());
        ctx.insert(
            "notes",
            &json!({ "id": note.id, "n": note.n, "from": from }),
        )?;
        self.read(ctx, ())
    }

    fn read(&self, ctx: &mut Context<'_>, (): ()) -> Result<Total> {
        let page = ctx.query(
            "notes",
            &json!({ "aggregate": { "total": { "count": "*" } } }),
        )?;
        let total = page.rows.first().and_then(|row| row["total"].as_u64());
        Ok(Total {
            total: total.unwrap_or(0),
        })
    }

    fn remove(&self, ctx: &mut Context<'_>, note: Note) -> Result<()> {
        ctx.delete("notes", &note.id).map(drop)
    }

    /// How many notes there are right after one was deleted and another one changed.
    fn forget(&self, ctx: &mut Context<'_>, note: Note) -> Result<Total> {
        ctx.delete("notes", &note.id)?;
        ctx.update("notes", "0001", &json!({ "n": -1 }))?;
        if ctx.found("notes", &note.id)?.is_some() {
            return Err(ctx.refusal(Kind::Conflict, "there", "it is there still"));
        }
        self.read(ctx, ())
    }

    fn take_back(&self, ctx: &mut Context<'_>, note: Note) -> Result<()> {
        ctx.insert("notes", &json!({ "id": note.id }))?;
        ctx.send("lab", "other", "add", &json!({ "id": note.id }))?;
        ctx.set_alarm("rings", ctx.now())?;
        Err(ctx
            .refusal(Kind::Conflict, "taken_back", "not after all")
            .at("id"))
    }

    fn go_on(&self, ctx: &mut Context<'_>, note: Note) -> Result<String> {
        let first = ctx.insert("notes", &json!({ "id": note.id }));
        Ok(format!("{}", first.is_ok()))
    }

    fn panic(&self, ctx: &mut Context<'_>, note: Note) -> Result<()> {
        ctx.insert("notes", &json!({ "id": note.id }))?;
        panic!("the actor panics on {}", note.id);
    }

    fn tell(&self, ctx: &mut Context<'_>, tell: Tell) -> Result<()> {
        ctx.insert("notes", &json!({ "id": tell.id, "told": tell.to.len() }))?;
        let message = tell.message.as_deref().unwrap_or("add");
        for (at, to) in tell.to.iter().enumerate() {
            let note = json!({ "id": format!("{} {at}", tell.id) });
            ctx.send(tell.kind.as_deref().unwrap_or("lab"), to, message, &note)?;
        }
        Ok(())
    }

    fn alarm(&self, ctx: &mut Context<'_>, alarm: Alarm) -> Result<Option<i64>> {
        ctx.set_alarm(&alarm.name, alarm.at)?;
        ctx.alarm(&alarm.name)
    }

    fn clear(&self, ctx: &mut Context<'_>, name: String) -> Result<()> {
        ctx.clear_alarm(&name)
    }

    fn chance(&self, ctx: &mut Context<'_>, (): ()) -> Result<(u64, u64, String, i64)> {
        Ok((ctx.random(), ctx.random(), ctx.new_id(), ctx.now()))
    }

    fn plan(&self, _: &mut Context<'_>, plan: Plan) -> Result<usize> {
        Ok(plan.days.len())
    }

    fn later(&self, ctx: &mut Context<'_>, note: Note) -> Result<()> {
        match ctx.found("notes", "ready")? {
            Some(_) => self.add(ctx, note).map(drop),
            None => Err(ctx.refusal(Kind::Unavailable, "later", "not yet")),
        }
    }
}
