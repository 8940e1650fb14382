//! tidelog
fn main() {}
