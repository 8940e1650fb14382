//! `tidelog-bindgen MODULE.wasm FOLDER`: writes `tidelog.js` and `tidelog_bg.wasm` into the folder.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: tidelog-bindgen MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    match make(&module, Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidelog-bindgen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(module: &str, folder: &Path) -> Result<(), String> {
    let mut bindgen = Bindgen::new();
    let made = bindgen
        .input_path(module)
        .out_name("tidelog")
        .typescript(false)
        .reset_state_function(true)
        .web(true);
    let made = made.and_then(|bindgen| bindgen.generate(folder));
    made.map_err(|error| format!("{error:?}"))?;
    let script = folder.join("tidelog.js");
    let text = std::fs::read_to_string(&script).map_err(|e| e.to_string())?;
    std::fs::write(&script, without_repeats(&text)).map_err(|e| e.to_string())
}

/// The object of imports names a module once for every block of declarations; esbuild warns of that.
fn without_repeats(text: &str) -> String {
    let mut seen = BTreeSet::new();
    let kept = text.lines().filter(|line| {
        let key = line
            .trim_start()
            .split_once("\": import")
            .map(|(key, _)| key);
        key.is_none_or(|key| !key.starts_with('"') || seen.insert(key.to_owned()))
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}
