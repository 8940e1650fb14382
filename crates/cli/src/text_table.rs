//! Rows as aligned text.

use serde_json::{Map, Value as Json};

/// Widest cell printed whole, characters.
const CELL_WIDTH_MAX: usize = 48;

/// Columns with the widths of the first page of rows; later pages keep them.
#[derive(Debug, Default)]
pub(crate) struct TextTable {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    width: usize,
    right: bool,
}

impl TextTable {
    /// A table over `rows`: the columns in `first`, then the others as they come.
    pub(crate) fn of(rows: &[Map<String, Json>], first: &[String]) -> Self {
        let mut names: Vec<&str> = first.iter().map(String::as_str).collect();
        for name in rows.iter().flat_map(Map::keys) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let column = |name: &str| {
            let values: Vec<&Json> = rows.iter().filter_map(|row| row.get(name)).collect();
            let widths = values.iter().map(|value| cell(value).chars().count());
            Column {
                name: name.to_owned(),
                width: widths.fold(name.chars().count(), usize::max),
                right: values.iter().all(|v| v.is_number() || v.is_null()) && !values.is_empty(),
            }
        };
        Self {
            columns: names.into_iter().map(column).collect(),
        }
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> String {
        self.line(|column| column.name.clone())
    }

    /// One row.
    pub(crate) fn row(&self, row: &Map<String, Json>) -> String {
        self.line(|column| row.get(&column.name).map_or_else(String::new, cell))
    }

    fn line(&self, text: impl Fn(&Column) -> String) -> String {
        let cells = self.columns.iter().map(|column| {
            let (text, width) = (text(column), column.width);
            if column.right {
                format!("{text:>width$}")
            } else {
                format!("{text:<width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    }
}

/// A value in a cell: text as it is, null as nothing, the rest as JSON.
pub(crate) fn cell(value: &Json) -> String {
    let text = match value {
        Json::Null => String::new(),
        Json::String(text) => text.replace(char::is_control, " "),
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => rounded(float),
            _ => number.to_string(),
        },
        other => other.to_string(),
    };
    if text.chars().count() <= CELL_WIDTH_MAX {
        return text;
    }
    let cut: String = text.chars().take(CELL_WIDTH_MAX - 1).collect();
    cut + "…"
}

/// At most six decimals: a table is for people, `--json` has all digits.
fn rounded(float: f64) -> String {
    let text = format!("{float:.6}");
    let text = text.trim_end_matches('0');
    text.strip_suffix('.').unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(json: Json) -> Map<String, Json> {
        json.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn numbers_align_to_the_right_and_the_chosen_columns_come_first() {
        let rows = [
            row(json!({"a": "x", "n": 5})),
            row(json!({"a": "long", "n": 1234.5, "z": null})),
        ];
        let table = TextTable::of(&rows, &["n".to_owned()]);
        assert_eq!(table.header(), "     n  a     z");
        assert_eq!(table.row(&rows[0]), "     5  x");
        assert_eq!(table.row(&rows[1]), "1234.5  long");
    }

    #[test]
    fn wide_cells_are_cut_and_control_characters_cannot_move_the_cursor() {
        assert_eq!(cell(&json!("x".repeat(60))).chars().count(), CELL_WIDTH_MAX);
        assert_eq!(cell(&json!("a\u{1b}[2Jb")), "a [2Jb");
        assert_eq!(cell(&json!(0.1)), "0.1");
    }
}
