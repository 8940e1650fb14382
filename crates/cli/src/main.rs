//! tidelog
fn main() {
    let mut s = tidelog_embedded::Settings::default();
    let a: Vec<String> = std::env::args().collect();
    s.data = a[1].clone().into();
    s.listen = a[2].parse().unwrap();
    s.lake.push_millis = 50;
    s.lake.flush_millis = 1000;
    let server = tidelog_embedded::Server::start(s).unwrap();
    println!("listening on {}", server.url());
    server.run_until_signal().unwrap();
}
