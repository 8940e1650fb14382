//! One HTTP request at a time over a connection that may break at any byte.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value as Json;

use crate::SCHEMA;

/// Longer than a long-poll and than any flush.
const PATIENCE: Duration = Duration::from_secs(90);

/// A whole answer. One that was cut off is an error instead.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Json {
        match self.body.is_empty() {
            true => Json::Null,
            false => serde_json::from_slice(&self.body).expect("a JSON body"),
        }
    }
}

/// A connection that is opened again after each failure.
pub(crate) struct Client {
    host: String,
    open: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(host: &str) -> Self {
        let host = host.to_owned();
        Self { host, open: None }
    }

    /// Sends a request; an error means that nobody knows whether it was done.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        let mut connection = match self.open.take() {
            Some(connection) => connection,
            None => connect(&self.host)?,
        };
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        connection.get_mut().write_all(request.as_bytes())?;
        let (answer, reusable) = read_answer(&mut connection)?;
        if reusable {
            self.open = Some(connection);
        }
        Ok(answer)
    }

    /// A request that must succeed.
    pub(crate) fn must(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let json = [("content-type", "application/json")];
        let answer = self.send(method, path, &json, body).unwrap();
        let said = String::from_utf8_lossy(&answer.body);
        assert!(
            answer.status < 300,
            "{method} {path}: {} {said}",
            answer.status
        );
        answer
    }
}

pub(crate) fn is_ready(host: &str) -> bool {
    let answer = Client::new(host).send("GET", "/readyz", &[], "");
    answer.is_ok_and(|answer| answer.status == 200)
}

pub(crate) fn register(host: &str) {
    let toml = [("content-type", "application/toml")];
    let answer = Client::new(host).send("PUT", "/v1/types/ledger", &toml, SCHEMA);
    assert_eq!(answer.unwrap().status, 201);
}

fn connect(host: &str) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

fn read_answer(connection: &mut BufReader<TcpStream>) -> Result<(Answer, bool)> {
    let status = line(connection)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| Error::from(ErrorKind::InvalidData))?;
    let mut headers = Vec::new();
    while let Some((name, value)) = line(connection)?.split_once(':') {
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = chunk(connection)? {
            answer.body.extend_from_slice(&chunk);
        }
    } else if let Some(length) = answer.header("content-length") {
        let length = length
            .parse()
            .map_err(|_| Error::from(ErrorKind::InvalidData))?;
        answer.body.resize(length, 0);
        connection.read_exact(&mut answer.body)?;
    }
    let reusable = answer.header("connection") != Some("close");
    Ok((answer, reusable))
}

fn chunk(connection: &mut BufReader<TcpStream>) -> Result<Option<Vec<u8>>> {
    let size = line(connection)?;
    let size = usize::from_str_radix(&size, 16).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    let mut chunk = vec![0; size + 2];
    connection.read_exact(&mut chunk)?;
    chunk.truncate(size);
    Ok((size > 0).then_some(chunk))
}

fn line(connection: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    match connection.read_line(&mut line)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ if !line.ends_with('\n') => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
