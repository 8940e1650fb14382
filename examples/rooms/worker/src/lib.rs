//! Tidelog's Worker with the actors of this example.
#![cfg(target_arch = "wasm32")]

tidelog_worker::actors!(tidelog_rooms::actors());
