#!/usr/bin/env bash
# Builds the Worker's WebAssembly module and the JavaScript around it into crates/worker/build.
#
#   crates/worker/build.sh            what `wrangler dev` and `wrangler deploy` call
#
# Needs what `tests/wasm-toolchain` makes, and wasm-opt from the project's npm packages (`npm ci`).
set -euo pipefail
cd "$(dirname "$0")/../.."

target=wasm32-unknown-unknown
target_dir=${CARGO_TARGET_DIR:-$PWD/target}
out=crates/worker/build

say() { echo "worker: $*" >&2; }

wanted=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
grep -q "wasm-bindgen-cli-support = \"=$wanted\"" crates/worker/bindgen/Cargo.toml || {
    say "Cargo.lock has wasm-bindgen $wanted, crates/worker/bindgen another version: set both to the same"
    exit 1
}

say "building the tool that writes the JavaScript side"
cargo build --quiet --locked --manifest-path crates/worker/bindgen/Cargo.toml --target-dir "$target_dir/bindgen"

environment=$(tests/wasm-toolchain env)
(
    eval "$environment"
    say "compiling for $target"
    cargo build --locked --package tidelog-worker --profile worker --target "$target" --target-dir "$target_dir/wasm"
)

mkdir -p "$out"
module=$target_dir/wasm/$target/worker/tidelog_worker.wasm
if [ "$out/tidelog_bg.wasm" -nt "$module" ] && [ "$out/tidelog.js" -nt crates/worker/build.sh ]; then
    say "up to date"
    exit
fi
rm -rf "$out.new"
mkdir "$out.new"
"$target_dir/bindgen/debug/tidelog-bindgen" "$module" "$out.new"
optimize=node_modules/.bin/wasm-opt
[ -x "$optimize" ] || { say "wasm-opt is missing: run npm ci"; exit 1; }
say "optimizing"
"$optimize" -O2 --strip-debug --strip-producers --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext \
    --enable-mutable-globals --enable-reference-types --enable-multivalue \
    "$out.new/tidelog_bg.wasm" -o "$out.new/optimized.wasm"
mv "$out.new/optimized.wasm" "$out.new/tidelog_bg.wasm"
rm -rf "$out"
mv "$out.new" "$out"
say "$out: $(wc -c <"$out/tidelog_bg.wasm") bytes, $(gzip -9 -c "$out/tidelog_bg.wasm" | wc -c) gzipped"
