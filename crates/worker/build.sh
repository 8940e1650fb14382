#!/usr/bin/env bash
# Builds the Worker's WebAssembly module and the JavaScript around it.
#
#   crates/worker/build.sh            into crates/worker/build: what `wrangler dev` and `wrangler deploy` call
#   crates/worker/build.sh --package NAME [--manifest Cargo.toml] --out FOLDER
#                                     a Worker with the actors of a package (docs/custom-actors.md). FOLDER gets all of it:
#                                     `main` in wrangler.toml is FOLDER/entry.mjs
#
# Needs what `tests/wasm-toolchain` makes, and wasm-opt from the project's npm packages (`npm ci`).
set -euo pipefail

say() { echo "worker: $*" >&2; }

repository=$(cd "$(dirname "$0")/../.." && pwd)
package=tidelog-worker
manifest=$repository/Cargo.toml
folder=
while [ $# -gt 0 ]; do
    case "$1" in
        --package) package=$2 ;;
        --manifest) manifest=$(realpath "$2") ;;
        --out) mkdir -p "$2" && folder=$(realpath "$2") ;;
        *) say "unknown argument $1"; exit 2 ;;
    esac
    shift 2
done
if [ "$package" != tidelog-worker ] && [ -z "$folder" ]; then
    say "--package needs --out"
    exit 2
fi
out=${folder:-$repository/crates/worker}/build
target_dir=${CARGO_TARGET_DIR:-$(dirname "$manifest")/target}
target=wasm32-unknown-unknown
cd "$repository"

locked_version() { sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' "$1"; }
wanted=$(locked_version Cargo.lock)
grep -q "wasm-bindgen-cli-support = \"=$wanted\"" crates/worker/bindgen/Cargo.toml || {
    say "Cargo.lock has wasm-bindgen $wanted, crates/worker/bindgen another version: set both to the same"
    exit 1
}

say "building the tool that writes the JavaScript side"
cargo build --quiet --locked --manifest-path crates/worker/bindgen/Cargo.toml --target-dir "$target_dir/bindgen"

# Another workspace is built with this one's profiles: `profile.worker.panic = "abort"` and the like.
profiles() {
    awk '/^\[/ { section = "" }
         /^\[profile\.(release|worker)/ { section = substr($0, 2, index($0, "]") - 2); next }
         section && /^[a-z-]+ *=/ { sub(/ *#.*/, ""); print section "." $0 }' Cargo.toml
}
profile=(--locked)
if [ "$manifest" != "$repository/Cargo.toml" ]; then
    profile=()
    while IFS= read -r setting; do
        profile+=(--config "$setting")
    done < <(profiles)
    # So is what stands for crates that nothing calls.
    profile+=(--config "patch.crates-io.brotli.path='$repository/crates/no-brotli'")
fi

environment=$(tests/wasm-toolchain env)
(
    eval "$environment"
    # Searches of Zstandard that levels 3 and 9 do not use; it takes the next lower one where one is asked for.
    excluded=
    for search in GREEDY LAZY BTLAZY2 BTOPT BTULTRA; do
        excluded+=" -DZSTD_EXCLUDE_${search}_BLOCK_COMPRESSOR"
    done
    export CFLAGS_wasm32_unknown_unknown="${CFLAGS_wasm32_unknown_unknown:-}$excluded"
    say "compiling $package for $target"
    cargo build --manifest-path "$manifest" --package "$package" --lib --profile worker --target "$target" \
        --target-dir "$target_dir/wasm" "${profile[@]}"
)

if [ -n "$folder" ]; then
    cp crates/worker/*.mjs crates/worker/*.d.ts crates/worker/*.d.mts "$folder/"
fi
module=$target_dir/wasm/$target/worker/${package//-/_}.wasm
if [ "$out/tidelog_bg.wasm" -nt "$module" ] && [ "$out/tidelog.js" -nt crates/worker/build.sh ]; then
    say "up to date"
    exit
fi
rm -rf "$out.new"
mkdir -p "$out.new"
"$target_dir/bindgen/debug/tidelog-bindgen" "$module" "$out.new"
optimize=node_modules/.bin/wasm-opt
[ -x "$optimize" ] || { say "wasm-opt is missing: run npm ci"; exit 1; }
say "optimizing"
"$optimize" -Os --strip-debug --strip-producers --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext \
    --enable-mutable-globals --enable-reference-types --enable-multivalue \
    "$out.new/tidelog_bg.wasm" -o "$out.new/optimized.wasm"
mv "$out.new/optimized.wasm" "$out.new/tidelog_bg.wasm"
rm -rf "$out"
mv "$out.new" "$out"
say "$out: $(wc -c <"$out/tidelog_bg.wasm") bytes, $(gzip -9 -c "$out/tidelog_bg.wasm" | wc -c) gzipped"
