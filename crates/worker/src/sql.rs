//! The `Sql` port over `ctx.storage.sql`. Cursors are drained before a call returns.

use std::cell::RefCell;
use std::collections::BTreeMap;

use js_sys::{Array, ArrayBuffer, JsString, Uint8Array};
use tidelog_core::{Sql, SqlValue};
use tidelog_log::{Error, Result};
use wasm_bindgen::{JsCast, JsValue};

use crate::js::{self, JsMeter};

/// Statements whose text is kept as a JavaScript string, per actor.
const TEXTS_MAX: usize = 256;
/// Integers beyond this do not survive the way through JavaScript's numbers.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// The private SQLite database of one Durable Object.
#[derive(Debug)]
pub(crate) struct DurableSql {
    storage: JsValue,
    sql: JsValue,
    texts: RefCell<BTreeMap<String, JsString>>,
    meter: JsMeter,
}

/// A value as it came out of a cursor; what the port hands on borrows from it.
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl DurableSql {
    /// The database behind `ctx.storage`.
    pub(crate) fn of(storage: JsValue) -> Result<Self> {
        let sql = js_sys::Reflect::get(&storage, &JsValue::from_str("sql"))
            .map_err(|e| Error::internal(js::text_of(&e)))?;
        let meter = JsMeter::from(JsValue::from(js_sys::Object::new()));
        meter.set_rows_read(0.0);
        meter.set_rows_written(0.0);
        Ok(Self {
            storage,
            sql,
            texts: RefCell::default(),
            meter,
        })
    }

    /// What the statements of this instance have cost so far: rows read, rows written.
    pub(crate) fn costs(&self) -> (u64, u64) {
        (
            js::count(self.meter.rows_read()),
            js::count(self.meter.rows_written()),
        )
    }

    /// The size of the database, bytes.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let size = js_sys::Reflect::get(&self.sql, &JsValue::from_str("databaseSize"));
        js::count(size.ok().and_then(|n| n.as_f64()).unwrap_or(0.0))
    }

    fn text(&self, sql: &str) -> JsString {
        let mut texts = self.texts.borrow_mut();
        if let Some(text) = texts.get(sql) {
            return text.clone();
        }
        if texts.len() >= TEXTS_MAX {
            texts.clear();
        }
        let text = JsString::from(sql);
        texts.insert(sql.to_owned(), text.clone());
        text
    }
}

impl Sql for DurableSql {
    /// The platform counts pages that are free as not stored, and lets no pragma ask for more.
    fn used_bytes(&self) -> Result<u64> {
        Ok(self.stored_bytes())
    }

    fn run(
        &self,
        sql: &str,
        args: &[SqlValue<'_>],
        each: &mut dyn FnMut(&[SqlValue<'_>]) -> Result<()>,
    ) -> Result<()> {
        if writes_only(sql)
            && let Some(Packed { slots, texts }) = Packed::of(args)
        {
            let text = self.text(sql);
            let done = js::run_packed(&self.sql, &text, &slots, &texts, &self.meter);
            return done.map_err(|e| failure(&e));
        }
        let bound = Array::new();
        for value in args {
            bound.push(&argument(*value)?);
        }
        let text = self.text(sql);
        let opened = js::open(&self.sql, &text, &bound).map_err(|e| failure(&e))?;
        while !opened.ended() {
            let rows = js::take(&opened, &self.meter).map_err(|e| failure(&e))?;
            for row in rows.iter() {
                let row: Array = row.unchecked_into();
                let cells = row.iter().map(cell).collect::<Result<Vec<_>>>()?;
                let values: Vec<SqlValue<'_>> = cells.iter().map(Cell::value).collect();
                each(&values)?;
            }
        }
        Ok(())
    }

    fn savepoint(&self, body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let mut failed = None;
        let done = js::transact(&self.storage, &mut || {
            body().map_err(|error| {
                failed = Some(error);
                JsValue::from_str("undone")
            })
        });
        match (done, failed) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(failure(&error)),
        }
    }
}

/// True for statements that change rows and return none.
fn writes_only(sql: &str) -> bool {
    ["INSERT ", "UPDATE ", "DELETE "]
        .iter()
        .any(|verb| sql.starts_with(verb))
        && !sql.contains("RETURNING")
}

/// Arguments that cross the boundary in one go; `host.mjs` says how. Each crossing costs more than
/// what it carries.
struct Packed {
    slots: Vec<f64>,
    texts: String,
}

impl Packed {
    /// `None` where there is a blob among them, or a number that does not cross.
    fn of(args: &[SqlValue<'_>]) -> Option<Self> {
        let mut packed = Self {
            slots: Vec::with_capacity(args.len()),
            texts: String::with_capacity(args.len() + 256),
        };
        for value in args {
            let (kind, slot) = match value {
                SqlValue::Null => ('0', 0.0),
                #[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
                SqlValue::Integer(i) if i.abs() <= INTEGER_MAX => ('n', *i as f64),
                SqlValue::Real(f) => ('n', *f),
                #[expect(clippy::cast_precision_loss, reason = "a text is far below 2^53")]
                SqlValue::Text(text) => ('t', utf16_units(text) as f64),
                SqlValue::Integer(_) | SqlValue::Blob(_) => return None,
            };
            packed.texts.push(kind);
            packed.slots.push(slot);
        }
        for value in args {
            if let SqlValue::Text(text) = value {
                packed.texts.push_str(text);
            }
        }
        Some(packed)
    }
}

fn utf16_units(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.encode_utf16().count(),
    }
}

fn argument(value: SqlValue<'_>) -> Result<JsValue> {
    Ok(match value {
        SqlValue::Null => JsValue::NULL,
        #[expect(clippy::cast_precision_loss, reason = "checked to be exact")]
        SqlValue::Integer(i) if i.abs() <= INTEGER_MAX => JsValue::from_f64(i as f64),
        SqlValue::Integer(i) => {
            return Err(Error::internal(format!("{i} does not cross the port")));
        }
        SqlValue::Real(f) => JsValue::from_f64(f),
        SqlValue::Text(text) => JsValue::from_str(text),
        SqlValue::Blob(bytes) => Uint8Array::from(bytes).into(),
    })
}

fn cell(value: JsValue) -> Result<Cell> {
    if let Some(number) = value.as_f64() {
        return Ok(number_cell(number));
    }
    if let Some(text) = value.as_string() {
        return Ok(Cell::Text(text));
    }
    if value.is_null() {
        return Ok(Cell::Null);
    }
    match value.dyn_into::<ArrayBuffer>() {
        Ok(buffer) => Ok(Cell::Blob(Uint8Array::new(&buffer).to_vec())),
        Err(other) => Err(Error::internal(format!("a column holds {other:?}"))),
    }
}

/// JavaScript has one number type: what is whole may be of either SQLite type.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "compared after"
)]
fn number_cell(number: f64) -> Cell {
    let whole = number as i64;
    let exact = whole as f64 == number && whole.abs() <= INTEGER_MAX;
    match exact && !(number == 0.0 && number.is_sign_negative()) {
        true => Cell::Integer(whole),
        false => Cell::Real(number),
    }
}

impl Cell {
    fn value(&self) -> SqlValue<'_> {
        match self {
            Self::Null => SqlValue::Null,
            Self::Integer(i) => SqlValue::Integer(*i),
            Self::Real(f) => SqlValue::Real(*f),
            Self::Text(text) => SqlValue::Text(text),
            Self::Blob(bytes) => SqlValue::Blob(bytes),
        }
    }
}

/// An exception of SQLite as what the caller does next. A trap inside a callback ends this
/// instance here and now: its memory may be torn.
fn failure(error: &JsValue) -> Error {
    if js::is_trap(error) {
        panic_now(&js::text_of(error));
    }
    let message = js::text_of(error);
    let (plain, code) = message
        .split_once(": SQLITE_")
        .unwrap_or((message.as_str(), ""));
    let has = |name: &str| code.starts_with(name);
    if has("CONSTRAINT") {
        Error::conflict("constraint", plain)
    } else if has("FULL") {
        Error::unavailable("storage_full", plain)
    } else if has("CORRUPT") || has("NOTADB") {
        Error::corrupt(plain)
    } else if has("TOOBIG") || plain.contains("too big") {
        Error::too_large("row_too_large", plain)
    } else {
        Error::internal(message)
    }
}

#[expect(
    clippy::panic,
    reason = "the instance is beyond repair and must not go on"
)]
fn panic_now(message: &str) -> ! {
    panic!("a trap inside a transaction: {message}")
}
