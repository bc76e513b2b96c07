//! Recorded hosts speak to the program: the bytes are those of the real controller's client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use temper_gob::Decoder;
use temper_rollouts::{Measurement, Phase};
use tempfile::TempDir;

/// The streams of a session: the control service, and the one on which `Plugin` is served.
const CONTROL: u32 = 1;
const PLUGIN: u32 = 7;
/// Calls of `Plugin` in the recording.
const CALLS: usize = 9;
/// For a program that answers in microseconds, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);

const SESSIONS: [(&str, &[u8]); 3] = [
    (
        "go-plugin 1.4.10",
        include_bytes!("../fixtures/host-sessions/smoke-gp1.4.10.h2p.bin"),
    ),
    (
        "go-plugin 1.6.3",
        include_bytes!("../fixtures/host-sessions/smoke.h2p.bin"),
    ),
    (
        "go-plugin 1.8.0",
        include_bytes!("../fixtures/host-sessions/smoke-gp1.8.0.h2p.bin"),
    ),
];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Response {
    seq: u64,
    error: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RpcError {
    error_string: String,
}

/// The program, started as a plugin.
struct Plugin {
    process: Child,
    folder: TempDir,
    socket: UnixStream,
}

impl Plugin {
    fn start() -> Self {
        let folder = TempDir::with_prefix_in("temper-", "/tmp").unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_temper"))
            .env("ARGO_ROLLOUTS_RPC_PLUGIN", "metricprovider")
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let fields: Vec<_> = line.trim_end().split('|').collect();
        assert_eq!(
            [fields[0], fields[1], fields[2], fields[4]],
            ["1", "1", "unix", "netrpc"],
            "{line}"
        );
        let socket = UnixStream::connect(fields[3]).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            process,
            folder,
            socket,
        }
    }

    /// The process ends well, by itself, and leaves nothing behind.
    fn ends(mut self) {
        assert!(self.process.wait().unwrap().success());
        assert_eq!(std::fs::read_dir(self.folder.path()).unwrap().count(), 0);
    }
}

/// A frame of yamux: header and payload.
struct Frame<'a> {
    stream: u32,
    is_data: bool,
    bytes: &'a [u8],
}

fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let header: &[u8; 12] = bytes.first_chunk()?;
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let is_data = header[1] == 0;
    let length = if is_data {
        usize::try_from(number(8)).unwrap()
    } else {
        0
    };
    Some(Frame {
        stream: number(4),
        is_data,
        bytes: bytes.get(..12 + length)?,
    })
}

fn frames(mut bytes: &[u8]) -> Vec<Frame<'_>> {
    let mut all = Vec::new();
    while let Some(next) = frame(bytes) {
        bytes = &bytes[next.bytes.len()..];
        all.push(next);
    }
    assert!(bytes.is_empty(), "the recording ends with a whole frame");
    all
}

/// What came from the plugin, by stream.
#[derive(Default)]
struct Received {
    unread: Vec<u8>,
    streams: BTreeMap<u32, Vec<u8>>,
}

impl Received {
    fn read_until(&mut self, socket: &mut UnixStream, enough: impl Fn(&Self) -> bool) {
        let mut buffer = [0; 4096];
        while !enough(self) {
            let count = socket.read(&mut buffer).expect("the plugin answers");
            assert_ne!(count, 0, "the plugin closed the connection");
            self.unread.extend_from_slice(&buffer[..count]);
            while let Some(Frame {
                stream,
                is_data,
                bytes,
            }) = frame(&self.unread)
            {
                let length = bytes.len();
                if is_data {
                    self.streams
                        .entry(stream)
                        .or_default()
                        .extend_from_slice(&bytes[12..]);
                }
                self.unread.drain(..length);
            }
        }
    }

    /// The responses on a stream, each body as a value that describes itself.
    fn responses(&self, stream: u32) -> BTreeMap<u64, (Response, temper_gob::Value)> {
        let bytes = self.streams.get(&stream).map_or(&[][..], Vec::as_slice);
        // The stream of a service starts with its number.
        let mut decoder = decoder(
            bytes
                .get(if stream == CONTROL { 0 } else { 4 }..)
                .unwrap_or_default(),
        );
        let mut responses = BTreeMap::new();
        while let Some(response) = decoder.next::<Response>().unwrap() {
            let Some(body) = decoder.next_value().unwrap() else {
                break;
            };
            responses.insert(response.seq, (response, body));
        }
        responses
    }

    /// The body of the response to a call of `Plugin`, as a value of its type.
    fn body<T: for<'de> Deserialize<'de>>(&self, seq: u64) -> T {
        let mut decoder = decoder(&self.streams[&PLUGIN][4..]);
        while let Some(response) = decoder.next::<Response>().unwrap() {
            if response.seq == seq {
                assert_eq!(response.error, "");
                return decoder.next().unwrap().expect("a whole body");
            }
            decoder.skip().unwrap();
        }
        panic!("no response to call {seq}");
    }
}

fn decoder(bytes: &[u8]) -> Decoder {
    let mut decoder = Decoder::default();
    decoder.push(bytes).unwrap();
    decoder
}

/// Sends what the host sent. As it did, it waits for the number of the service before it asks for that, for the echo
/// of the number before the first call, and for all answers before it quits.
fn replay(plugin: &mut Plugin, session: &[u8]) -> Received {
    let mut received = Received::default();
    let frames = frames(session);
    let opening = frames
        .iter()
        .position(|frame| frame.stream == PLUGIN)
        .unwrap();
    let first_call = opening + 2;
    let quit = frames
        .iter()
        .rposition(|frame| frame.is_data && frame.stream == CONTROL)
        .unwrap();
    for (position, frame) in frames.iter().enumerate() {
        received.read_until(&mut plugin.socket, |received| {
            (position != opening || !received.responses(CONTROL).is_empty())
                && (position != first_call || received.streams.contains_key(&PLUGIN))
                && (position != quit || received.responses(PLUGIN).len() == CALLS)
        });
        let sent = plugin.socket.write_all(frame.bytes);
        assert!(
            sent.is_ok() || position > quit,
            "{sent:?}: only after the end nobody may listen"
        );
    }
    received
}

#[test]
fn every_recorded_host_gets_its_answers_and_quits() {
    for (host, session) in SESSIONS {
        let mut plugin = Plugin::start();
        let received = replay(&mut plugin, session);
        let RpcError { error_string } = received.body(0);
        assert_eq!(error_string, "", "{host}: InitPlugin");
        assert_eq!(received.body::<String>(1), "Temper", "{host}: Type");
        assert_eq!(
            received.body::<BTreeMap<String, String>>(3),
            BTreeMap::new(),
            "{host}: GetMetadata"
        );
        let RpcError { error_string } = received.body(6);
        assert_eq!(error_string, "", "{host}: GarbageCollect");
        for (call, seq) in [
            ("Run", 2),
            ("Resume", 4),
            ("Terminate", 5),
            ("Run", 7),
            ("Run", 8),
        ] {
            refuses_the_foreign_template(host, call, &received.body(seq));
        }
        plugin.ends();
    }
}

fn refuses_the_foreign_template(host: &str, call: &str, measurement: &Measurement) {
    assert_eq!(measurement.phase, Phase::Error, "{host}: {call}");
    assert!(
        measurement.started_at.is_some() && measurement.finished_at.is_some(),
        "{host}: {call}"
    );
    let message = &measurement.message;
    assert!(
        message.contains("lab/gopl") && message.contains("another plugin"),
        "{host}: {call}: {message}"
    );
}

#[test]
fn a_resumed_measurement_keeps_its_start_and_what_was_stored_with_it() {
    let mut plugin = Plugin::start();
    let (_, session) = SESSIONS[1];
    let received = replay(&mut plugin, session);
    for seq in [4, 5] {
        let measurement: Measurement = received.body(seq);
        assert!(measurement.metadata.contains_key("left"), "{measurement:?}");
        let run: Measurement = received.body(2);
        assert!(
            measurement.started_at.unwrap().unix_seconds < run.started_at.unwrap().unix_seconds + 1
        );
    }
    plugin.ends();
}
