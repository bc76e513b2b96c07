//! A stream of what happens, line by line.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use super::Error;

/// What a WATCH is answered with, as it comes.
#[derive(Debug)]
pub struct Stream {
    body: Incoming,
    rest: Vec<u8>,
}

impl Stream {
    pub(super) fn new(body: Incoming) -> Self {
        Self {
            body,
            rest: Vec::new(),
        }
    }

    /// The next thing that happens, as `type` and `object`; `None` when the stream has ended in good order.
    pub async fn next(&mut self) -> Result<Option<Value>, Error> {
        loop {
            if let Some(line) = self.line() {
                return serde_json::from_slice(&line)
                    .map(Some)
                    .map_err(|_error| Error::Answer(String::from_utf8_lossy(&line).into_owned()));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            self.rest.extend(frame?.data_ref().into_iter().flatten());
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        Some(self.rest.drain(..=end).collect())
    }
}
