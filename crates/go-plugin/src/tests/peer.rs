//! The host's part: writes frames, reads frames, speaks net/rpc on streams.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use temper_gob::{Decoder, Encoder, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::Notify,
    task::JoinHandle,
};

use crate::{
    DecodeError, Reply, Service,
    channel::{Connection, ConnectionError},
    host::Host,
    rpc::Calls,
    yamux::{Flags, Header, Kind},
};

/// A service whose calls echo, wait for a permission, panic, or answer with a long text.
#[derive(Debug, Default)]
pub(super) struct Sample {
    pub(super) permission: Notify,
}

#[derive(Debug)]
pub(super) enum SampleCall {
    Echo(String),
    Wait,
    Panic,
    Long(u64),
}

impl Service for Sample {
    type Call = SampleCall;

    fn decode(&self, method: &str, body: &mut Decoder) -> Result<Option<SampleCall>, DecodeError> {
        Ok(match method {
            "Plugin.Echo" => body.next()?.map(SampleCall::Echo),
            "Plugin.Wait" => body.skip()?.map(|()| SampleCall::Wait),
            "Plugin.Panic" => body.skip()?.map(|()| SampleCall::Panic),
            "Plugin.Long" => body.next()?.map(SampleCall::Long),
            _ => return Err(DecodeError::UnknownMethod),
        })
    }

    async fn call(self: Arc<Self>, call: SampleCall) -> Result<Reply, String> {
        let text = match call {
            SampleCall::Echo(text) => text,
            SampleCall::Wait => {
                self.permission.notified().await;
                "waited".to_owned()
            }
            SampleCall::Panic => panic!("on purpose"),
            SampleCall::Long(length) => "x".repeat(usize::try_from(length).unwrap()),
        };
        Ok(Reply::new(Type::string(), text))
    }
}

/// A reply as the host sees it.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) seq: u64,
    pub(super) error: String,
    /// The body where it is a text.
    pub(super) text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    service_method: &'a str,
    seq: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Response {
    seq: u64,
    error: String,
}

/// A running connection of ours and the host at its other end.
pub(super) struct Peer {
    pub(super) socket: DuplexStream,
    pub(super) service: Arc<Sample>,
    pub(super) quit: Arc<Notify>,
    pub(super) connection: JoinHandle<Result<(), ConnectionError>>,
    encoders: BTreeMap<u32, Encoder>,
    decoders: BTreeMap<u32, Decoder>,
    headers: BTreeMap<u32, Response>,
    answers: BTreeMap<u32, Vec<Answer>>,
    /// Raw bytes of streams that are not net/rpc.
    pub(super) raw: BTreeMap<u32, Vec<u8>>,
    /// Session frames without payload, as they came.
    pub(super) frames: Vec<Header>,
}

impl Peer {
    /// A connection on which nothing was said yet.
    pub(super) fn new() -> Self {
        let (ours, socket) = tokio::io::duplex(64 * 1024);
        let (connection, streams) = Connection::new(ours);
        let service = Arc::<Sample>::default();
        let quit = Arc::<Notify>::default();
        let host = Host::new(
            "sample",
            Arc::clone(&service),
            Calls::default(),
            Arc::clone(&quit),
        );
        tokio::spawn(host.serve(streams));
        Self {
            socket,
            service,
            quit,
            connection: tokio::spawn(connection.run()),
            encoders: BTreeMap::new(),
            decoders: BTreeMap::new(),
            headers: BTreeMap::new(),
            answers: BTreeMap::new(),
            raw: BTreeMap::new(),
            frames: Vec::new(),
        }
    }

    /// A host that has opened its four streams and holds a dispensed plugin on stream 7.
    pub(super) async fn ready() -> Self {
        let mut peer = Self::new();
        for stream in [1, 3, 5] {
            peer.open(stream).await;
        }
        peer.call(1, 0, "Dispenser.Dispense", &Type::string(), &"sample")
            .await;
        // The body is a number, not a text.
        peer.headers_until(1).await;
        peer.open(7).await;
        peer.data(7, &1_u32.to_le_bytes()).await;
        while peer.raw.get(&7).is_none_or(|bytes| bytes.len() < 4) {
            peer.frame().await;
        }
        peer
    }

    pub(super) async fn open(&mut self, stream: u32) {
        self.send(Kind::WindowUpdate, Flags::SYN, stream, 0).await;
        while !self.acknowledged(stream) {
            self.frame().await;
        }
    }

    fn acknowledged(&self, stream: u32) -> bool {
        self.frames
            .iter()
            .any(|frame| frame.stream == stream && frame.flags == Flags::ACK)
    }

    pub(super) async fn send(&mut self, kind: Kind, flags: Flags, stream: u32, length: u32) {
        let header = Header {
            kind,
            flags,
            stream,
            length,
        };
        self.socket.write_all(&header.encode()).await.unwrap();
    }

    pub(super) async fn data(&mut self, stream: u32, bytes: &[u8]) {
        for piece in bytes.chunks(4096) {
            let length = u32::try_from(piece.len()).unwrap();
            self.send(Kind::Data, Flags::default(), stream, length)
                .await;
            self.socket.write_all(piece).await.unwrap();
        }
    }

    pub(super) async fn call<T: Serialize + Sync>(
        &mut self,
        stream: u32,
        seq: u64,
        method: &str,
        ty: &Type,
        argument: &T,
    ) {
        let request = Type::structure(
            "Request",
            [("ServiceMethod", Type::string()), ("Seq", Type::uint())],
        );
        let encoder = self.encoders.entry(stream).or_default();
        let mut bytes = Vec::new();
        let header = Request {
            service_method: method,
            seq,
        };
        encoder.encode(&request, &header, &mut bytes).unwrap();
        encoder.encode(ty, argument, &mut bytes).unwrap();
        self.data(stream, &bytes).await;
    }

    /// The next reply on a stream.
    pub(super) async fn answer(&mut self, stream: u32) -> Answer {
        loop {
            if let Some(answers) = self.answers.get_mut(&stream)
                && !answers.is_empty()
            {
                return answers.remove(0);
            }
            self.frame().await;
        }
    }

    async fn headers_until(&mut self, stream: u32) {
        self.answer(stream).await;
    }

    /// Takes the next frame; fails the test when none comes, by paused time at once.
    pub(super) async fn frame(&mut self) {
        let mut head = [0; 12];
        let read = tokio::time::timeout(Duration::from_mins(10), self.socket.read_exact(&mut head));
        read.await
            .expect("the plugin says nothing more")
            .expect("the connection is open");
        let header = Header::decode(head).unwrap();
        if header.kind != Kind::Data {
            self.frames.push(header);
            return;
        }
        let mut payload = vec![0; usize::try_from(header.length).unwrap()];
        self.socket.read_exact(&mut payload).await.unwrap();
        self.send(
            Kind::WindowUpdate,
            Flags::default(),
            header.stream,
            header.length,
        )
        .await;
        self.payload(header.stream, &payload);
    }

    fn payload(&mut self, stream: u32, payload: &[u8]) {
        let raw = self.raw.entry(stream).or_default();
        let broker = stream > 5 && raw.len() < 4;
        let (id, gob) = payload.split_at(if broker { payload.len().min(4) } else { 0 });
        raw.extend_from_slice(id);
        let decoder = self.decoders.entry(stream).or_default();
        decoder.push(gob).unwrap();
        loop {
            if let Some(header) = self.headers.get(&stream) {
                let Some(body) = decoder.next_value().unwrap() else {
                    return;
                };
                let text = match body {
                    temper_gob::Value::String(text) => String::from_utf8(text).unwrap(),
                    _ => String::new(),
                };
                let answer = Answer {
                    seq: header.seq,
                    error: header.error.clone(),
                    text,
                };
                self.answers.entry(stream).or_default().push(answer);
                self.headers.remove(&stream);
            } else {
                let Some(header) = decoder.next().unwrap() else {
                    return;
                };
                self.headers.insert(stream, header);
            }
        }
    }
}
