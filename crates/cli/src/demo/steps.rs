//! The table of steps, printed line by line as they end.

use std::time::Duration;

use crate::failure::Result;
use crate::print;

/// Numbers steps.
#[derive(Debug)]
pub(crate) struct Steps {
    number: usize,
}

impl Steps {
    /// Prints the header.
    pub(crate) fn new() -> Result<Self> {
        print::line(line("", "step", "rows", "bytes", "time", "rows/s"))?;
        Ok(Self { number: 0 })
    }

    /// A step that moved nothing worth counting.
    pub(crate) fn done(&mut self, name: &str, time: Duration) -> Result<()> {
        let number = self.next();
        print::line(line(&number, name, "", "", &print::time(time), ""))
    }

    /// A step that moved rows.
    pub(crate) fn moved(
        &mut self,
        name: &str,
        rows: u64,
        bytes: Option<u64>,
        time: Duration,
    ) -> Result<()> {
        let number = self.next();
        let rate = print::count(print::rate(rows, time));
        let bytes = bytes.map_or_else(String::new, print::bytes);
        let (rows, time) = (print::count(rows), print::time(time));
        print::line(line(&number, name, &rows, &bytes, &time, &rate))
    }

    /// The last line.
    pub(crate) fn total(&self, name: &str, time: Duration) -> Result<()> {
        print::line(line("", name, "", "", &print::time(time), ""))
    }

    fn next(&mut self) -> String {
        self.number += 1;
        self.number.to_string()
    }
}

fn line(number: &str, name: &str, rows: &str, bytes: &str, time: &str, rate: &str) -> String {
    let line = format!("{number:>3}  {name:<48} {rows:>9} {bytes:>9} {time:>9} {rate:>9}");
    line.trim_end().to_owned()
}
