//! Rooms that are booked and held, and the calendars of those who do: two actors, for both hosts.
//!
//! `server/` makes a `tidelog` of them, `worker/` a Worker. `docs/custom-actors.md` goes through it.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidelog_core::actor::{Actor, Actors, Change, Context, Kind, Messages, Result};

/// The type of rooms.
pub const ROOM: &str = include_str!("../room.toml");
/// The type of people.
pub const PERSON: &str = include_str!("../person.toml");

/// Both actors, for a host to run.
pub fn actors() -> Actors {
    Actors::new().with("room", Room).with("person", Person)
}

/// Some hours of a day, wanted by someone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hours {
    /// The day, `2026-11-21`.
    pub day: String,
    /// The first hour, from 0.
    pub from: u8,
    /// The hour after the last.
    pub to: u8,
    /// The id of a person.
    pub by: String,
}

/// What `hold` takes.
#[derive(Debug, Deserialize)]
pub struct Hold {
    /// Which hours.
    #[serde(flatten)]
    pub hours: Hours,
    /// How long they are held.
    pub seconds: u32,
}

/// The id of a booking or of a hold: what `book` and `hold` answer, and `confirm` and `cancel` take.
#[derive(Debug, Serialize, Deserialize)]
pub struct Named {
    /// The id.
    pub id: String,
}

/// A meeting room. Its bookings and holds are documents.
#[derive(Debug)]
pub struct Room;

impl Actor for Room {
    fn messages(messages: &mut Messages<Self>) {
        messages
            .on("book", Self::book)
            .on("hold", Self::hold)
            .on("confirm", Self::confirm)
            .on("cancel", Self::cancel);
    }

    /// A hold is over.
    fn on_alarm(&self, ctx: &mut Context<'_>, hold: &str) -> Result<()> {
        match ctx.found("holds", hold)? {
            Some(_) => ctx.delete("holds", hold).map(drop),
            None => Ok(()),
        }
    }

    fn follows(&self) -> &'static [&'static str] {
        &["bookings"]
    }

    /// Counts the hours that are booked, also those that were written past the actor.
    fn on_change(&self, ctx: &mut Context<'_>, changes: &[Change]) -> Result<()> {
        for change in changes {
            let day = change.document::<Hours>()?.day;
            let booked = json!({
                "where": {"day": day},
                "aggregate": {"bookings": {"count": "*"}, "from": {"sum": "from"}, "to": {"sum": "to"}},
            });
            let sums = ctx.query("bookings", &booked)?.rows;
            let sum = |name: &str| sums.first().and_then(|row| row[name].as_i64()).unwrap_or(0);
            let (bookings, hours) = (sum("bookings"), sum("to") - sum("from"));
            let usage = json!({"day": day, "bookings": bookings, "hours": hours});
            ctx.upsert("usage", &usage)?;
        }
        Ok(())
    }
}

impl Room {
    fn book(&self, ctx: &mut Context<'_>, hours: Hours) -> Result<Named> {
        self.check_free(ctx, &hours)?;
        let id = ctx.insert("bookings", &hours)?.key;
        let entry = json!({"id": id, "room": ctx.id(), "day": hours.day, "from": hours.from, "to": hours.to});
        ctx.send("person", &hours.by, "invited", &entry)?;
        Ok(Named { id })
    }

    fn hold(&self, ctx: &mut Context<'_>, hold: Hold) -> Result<Named> {
        self.check_free(ctx, &hold.hours)?;
        let id = ctx.insert("holds", &hold.hours)?.key;
        ctx.set_alarm(&id, ctx.now() + i64::from(hold.seconds) * 1_000)?;
        Ok(Named { id })
    }

    fn confirm(&self, ctx: &mut Context<'_>, hold: Named) -> Result<Named> {
        let Some(hours) = ctx.get::<Hours>("holds", &hold.id)? else {
            return Err(ctx
                .refusal(Kind::NotFound, "no_hold", "the hold is over")
                .at("id"));
        };
        ctx.delete("holds", &hold.id)?;
        ctx.clear_alarm(&hold.id)?;
        self.book(ctx, hours)
    }

    fn cancel(&self, ctx: &mut Context<'_>, booking: Named) -> Result<()> {
        let Some(booked) = ctx.get::<Hours>("bookings", &booking.id)? else {
            let message = "there is no such booking";
            return Err(ctx.refusal(Kind::NotFound, "no_booking", message).at("id"));
        };
        ctx.delete("bookings", &booking.id)?;
        ctx.send("person", &booked.by, "released", &booking)
    }

    /// Refuses hours that are no hours, or that someone else has.
    fn check_free(&self, ctx: &Context<'_>, hours: &Hours) -> Result<()> {
        if hours.from >= hours.to || hours.to > 24 {
            let message = "a booking is from an hour of the day to a later one";
            return Err(ctx.refusal(Kind::Invalid, "no_hours", message).at("to"));
        }
        let overlapping = json!({
            "where": {"day": hours.day, "from": {"lt": hours.to}, "to": {"gt": hours.from}},
            "limit": 1,
        });
        for collection in ["bookings", "holds"] {
            if let Some(other) = ctx.rows::<Hours>(collection, &overlapping)?.first() {
                let Hours { from, to, by, .. } = other;
                let message = format!("{by} has the room from {from} to {to}");
                let error = ctx.refusal(Kind::Conflict, "taken", message);
                return Err(error.with("from", *from).with("to", *to));
            }
        }
        Ok(())
    }
}

/// Someone with a calendar.
#[derive(Debug)]
pub struct Person;

/// What a room writes into a calendar.
#[derive(Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// The id of the booking.
    pub id: String,
    /// The id of the room.
    pub room: String,
    /// The day.
    pub day: String,
    /// The first hour.
    pub from: u8,
    /// The hour after the last.
    pub to: u8,
}

impl Actor for Person {
    fn messages(messages: &mut Messages<Self>) {
        messages
            .on("invited", Self::invited)
            .on("released", Self::released);
    }
}

impl Person {
    fn invited(&self, ctx: &mut Context<'_>, invitation: Invitation) -> Result<()> {
        ctx.insert("calendar", &invitation).map(drop)
    }

    fn released(&self, ctx: &mut Context<'_>, booking: Named) -> Result<()> {
        ctx.delete("calendar", &booking.id).map(drop)
    }
}
