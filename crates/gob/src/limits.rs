//! What a decoder takes from its peer before it gives up.

/// Bounds on what a peer may state.
///
/// A gob stream is full of numbers that the sender chooses: lengths, counts, type ids, depths. Each is
/// compared with its bound before anything is allocated or entered because of it. The defaults leave
/// ample room for remote procedure calls and keep the memory of one stream within some tens of
/// mebibytes; a program that moves larger values raises the field in question:
///
/// ```
/// use temper_gob::{Decoder, Limits};
///
/// let decoder = Decoder::new(Limits { elements: 10_000_000, ..Limits::default() });
/// # assert!(decoder.is_idle());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, and of one value that is split over several messages. Default: 16 MiB.
    pub message_bytes: usize,
    /// Levels of lists, maps, structures and interfaces inside one another. Default: 128.
    ///
    /// Reading a value into Rust recurses once per level, so more than [`Limits::DEEPEST`] is taken as
    /// that. Go's own types seldom reach twenty.
    pub depth: usize,
    /// Elements, map keys, map values and structure fields of one value, all levels together.
    /// Default: 262 144.
    ///
    /// An element costs one byte on the wire and as much memory as its Rust type needs, so this bounds
    /// what a short message can make a decoder allocate.
    pub elements: usize,
    /// Type definitions on one stream. Default: 4096.
    pub types: usize,
    /// Bytes of all type definitions on one stream. Default: 1 MiB.
    pub definition_bytes: usize,
    /// Fields of one structure type. Default: 4096.
    pub fields_per_type: usize,
    /// Bytes of the name of a field and of the concrete type in an interface. Default: 1024, which is
    /// also the most that Go accepts for the latter.
    pub name_bytes: usize,
}

impl Limits {
    /// The most levels that [`Limits::depth`] can allow: a thread with the usual 2 MiB of stack reads them
    /// even where nothing is optimized, which takes ten kilobytes each.
    pub const DEEPEST: usize = 128;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 16 << 20,
            depth: Self::DEEPEST,
            elements: 1 << 18,
            types: 4096,
            definition_bytes: 1 << 20,
            fields_per_type: 4096,
            name_bytes: 1024,
        }
    }
}
