//! The thread that writes canary records: evidence that writes go through.
//!
//! A broker that survives alone goes on describing a sound cluster for ever. That a record was just written with `acks=all` it cannot
//! make up.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    error::KafkaResult,
    producer::{BaseProducer, BaseRecord, ProducerContext},
};

use super::{
    board::Board,
    client::{self, Flight, Landing},
    scout::reason,
    trouble::Trouble,
    wire::Word,
};

/// The end of everything is noticed within this time.
const SLICE: Duration = Duration::from_millis(100);

/// Creates the client; nothing is written before [`Canary::start`].
pub(crate) fn connect(
    board: &Arc<Board>,
) -> KafkaResult<Canary<impl ProducerContext<DeliveryOpaque = Box<Flight>> + 'static>> {
    let heard = Arc::clone(board);
    let landing = Landing::new(Arc::clone(&board.wire), move |flight: &Flight, outcome| {
        landed(&heard, flight, outcome);
    });
    let producer = client::writer(&board.settings, landing)?;
    Ok(Canary {
        board: Arc::clone(board),
        producer,
    })
}

/// Writes canary records.
pub(crate) struct Canary<C: ProducerContext<DeliveryOpaque = Box<Flight>> + 'static> {
    board: Arc<Board>,
    producer: BaseProducer<C>,
}

impl<C: ProducerContext<DeliveryOpaque = Box<Flight>> + 'static> Canary<C> {
    /// Starts the thread. It ends soon after [`Board::end`].
    pub(crate) fn start(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("kafka-canary".into())
            .spawn(move || self.run())
    }

    fn run(self) {
        while !self.board.is_over() {
            let due = Instant::now() + self.board.settings.canary_every;
            self.write_all();
            self.serve_until(due);
        }
    }

    fn write_all(&self) {
        let Some(topic) = &self.board.settings.canary else {
            return;
        };
        let canary = self.board.cluster().canary;
        for (partition, described) in (0..).zip(canary.all) {
            if let Some(leader) = described.leader {
                self.write(topic, partition, leader);
            }
        }
    }

    fn write(&self, topic: &str, partition: i32, leader: i32) {
        let since = self.board.now();
        let payload = since.as_unix_ms().to_string();
        let flight = Box::new(Flight {
            partition,
            leader,
            since,
        });
        let record = BaseRecord::<(), str, _>::with_opaque_to(topic, flight)
            .partition(partition)
            .payload(&payload);
        if let Err((error, _)) = self.producer.send(record) {
            say(&self.board, partition, reason(&error));
        }
    }

    fn serve_until(&self, due: Instant) {
        while !self.board.is_over() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.producer.poll(left.min(SLICE));
        }
    }
}

fn landed(board: &Board, flight: &Flight, outcome: Result<(), String>) {
    if let Err(reason) = outcome {
        return say(board, flight.partition, reason);
    }
    let since = flight.since;
    let min_isr = board.settings.min_isr;
    let cluster = board.cluster();
    for partition in cluster.proved_by(flight.partition, flight.leader, min_isr) {
        board.wire.offer(Word::Written { partition, since });
    }
}

fn say(board: &Board, partition: i32, reason: String) {
    if !board.is_over() {
        board
            .wire
            .offer(Word::Trouble(Trouble::Canary { partition, reason }));
    }
}
