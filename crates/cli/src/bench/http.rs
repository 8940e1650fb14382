//! The little HTTP that measuring needs: one connection, one request at a time, no surprises.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value as Json;
use tidelog_log::Result;

use super::figures::failed;

/// An open connection to a server on this machine.
#[derive(Debug)]
pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
    host: String,
}

/// What an answer starts with.
#[derive(Debug)]
struct Head {
    status: u16,
    chunked: bool,
    length: usize,
}

impl Connection {
    /// Connects to an `http://host:port` URL.
    pub(crate) fn open(url: &str) -> Result<Self> {
        let host = url.trim_start_matches("http://").trim_end_matches('/');
        let stream = TcpStream::connect(host).map_err(|e| failed(format!("{host}: {e}")))?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(Duration::from_secs(300))))
            .map_err(broken)?;
        Ok(Self {
            reader: BufReader::new(stream),
            host: host.to_owned(),
        })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// `bench_failed` when the answer is not 2xx.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Vec<u8>> {
        self.ask(method, path, content_type, body)?;
        let head = self.head()?;
        let mut answer = Vec::new();
        if head.chunked {
            while let Some(chunk) = self.chunk()? {
                answer.extend_from_slice(&chunk);
            }
        } else {
            answer.resize(head.length, 0);
            self.reader.read_exact(&mut answer).map_err(broken)?;
        }
        match head.status {
            200..=299 => Ok(answer),
            status => {
                let said = String::from_utf8_lossy(&answer).into_owned();
                Err(failed(format!("{method} {path}: {status} {said}")))
            }
        }
    }

    /// The same of an answer in JSON.
    pub(crate) fn json(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Json> {
        let answer = self.send(method, path, "application/json", body)?;
        serde_json::from_slice(&answer).map_err(|e| failed(format!("{method} {path}: {e}")))
    }

    /// Opens a stream of server-sent events; [`Connection::chunk`] reads on.
    pub(crate) fn stream(&mut self, path: &str) -> Result<()> {
        self.ask("GET", path, "", &[])?;
        match self.head()? {
            Head {
                status: 200,
                chunked: true,
                ..
            } => Ok(()),
            head => Err(failed(format!("{path} is no stream: {head:?}"))),
        }
    }

    /// The next chunk of a chunked answer; `None` at its end.
    pub(crate) fn chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16)
            .map_err(|_| failed(format!("{line:?} is no chunk size")))?;
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).map_err(broken)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    fn ask(&mut self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        if !body.is_empty() {
            let length = body.len();
            request.push_str(&format!(
                "content-type: {content_type}\r\ncontent-length: {length}\r\n"
            ));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        self.reader.get_mut().write_all(&bytes).map_err(broken)
    }

    fn head(&mut self) -> Result<Head> {
        let status = self.line()?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut head = Head {
            status: code.ok_or_else(|| failed(format!("{status:?} is no status line")))?,
            chunked: false,
            length: 0,
        };
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None => return Ok(head),
                Some(("transfer-encoding", value)) => head.chunked = value.trim() == "chunked",
                Some(("content-length", value)) => {
                    head.length = value.trim().parse().unwrap_or(0);
                }
                Some(_) => {}
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).map_err(broken)?;
        match read {
            0 => Err(failed("the server closed the connection")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err takes")]
fn broken(error: std::io::Error) -> tidelog_log::Error {
    failed(format!("the connection broke: {error}"))
}
