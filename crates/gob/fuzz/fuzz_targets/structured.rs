//! Streams of arbitrary definitions and values, written as Go writes them: a type is defined before its
//! first use, which may be deep inside an interface. What is decoded must be what was written.
#![no_main]

use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use temper_gob::{Decoder, Value};

#[derive(Arbitrary, Debug)]
struct Stream {
    definitions: Vec<Definition>,
    /// For each value its type, and the bytes that decide what is in it.
    values: Vec<(TypeChoice, Vec<u8>)>,
    /// In pieces of how many bytes, from one on, the stream comes.
    piece: u8,
}

#[derive(Arbitrary, Clone, Debug)]
enum Definition {
    List(TypeChoice),
    /// Of a builtin type: an array of itself would have no end.
    Array(u8, u8),
    Map(TypeChoice, TypeChoice),
    Struct(Vec<TypeChoice>),
    Opaque(u8),
}

/// A builtin type, or one of the definitions.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct TypeChoice(u8);

const FIRST_ID: usize = 65;
const DEEPEST: usize = 20;

fuzz_target!(|stream: Stream| {
    let mut writer = Writer::new(&stream.definitions);
    let expected: Vec<_> = stream.values.iter().map(|(ty, tape)| writer.whole(*ty, tape)).collect();
    let bytes = writer.open.concat();
    let mut decoder = Decoder::default();
    let mut values = Vec::new();
    for piece in bytes.chunks(usize::from(stream.piece) + 1) {
        decoder.push(piece).expect("the stream is sound");
        while let Some(value) = decoder.next_value().expect("the stream is sound") {
            values.push(value);
        }
    }
    assert!(decoder.is_idle());
    // As text, since a float may be no number.
    assert_eq!(format!("{values:?}"), format!("{expected:?}"));
});

struct Writer<'a> {
    definitions: &'a [Definition],
    defined: Vec<bool>,
    /// The stream, and each message or interface value that is begun, one in the other.
    open: Vec<Vec<u8>>,
    tape: &'a [u8],
}

impl<'a> Writer<'a> {
    fn new(definitions: &'a [Definition]) -> Self {
        let definitions = &definitions[..definitions.len().min(64)];
        let defined = vec![false; definitions.len()];
        Self { definitions, defined, open: vec![Vec::new()], tape: &[] }
    }

    fn id(&self, TypeChoice(choice): TypeChoice) -> usize {
        let builtin = usize::from(choice) % (8 + self.definitions.len());
        if builtin < 8 { builtin + 1 } else { builtin - 8 + FIRST_ID }
    }

    /// The next decision, zero when there are no more.
    fn decide(&mut self) -> u8 {
        let Some((first, rest)) = self.tape.split_first() else { return 0 };
        self.tape = rest;
        *first
    }

    fn whole(&mut self, ty: TypeChoice, tape: &'a [u8]) -> Value {
        self.tape = tape;
        self.open.push(Vec::new());
        let id = self.id(ty);
        self.define(id);
        self.int(id as i64);
        let value = self.alone(id, 0);
        self.close();
        value
    }

    /// Ends the innermost chunk: its length and its bytes go to the one around it.
    fn close(&mut self) {
        let chunk = self.open.pop().expect("a chunk is open");
        self.uint(chunk.len() as u64);
        self.bytes(&chunk);
    }

    /// Defines a type and those in it, each at the end of a chunk, after which another is begun.
    fn define(&mut self, id: usize) {
        let Some(index) = id.checked_sub(FIRST_ID) else { return };
        if std::mem::replace(&mut self.defined[index], true) {
            return;
        }
        let definition = self.definitions[index].clone();
        self.int(-(id as i64));
        let parts = self.write_definition(&definition);
        self.close();
        self.open.push(Vec::new());
        for part in parts {
            self.define(part);
        }
    }

    fn write_definition(&mut self, definition: &Definition) -> Vec<usize> {
        let parts = match definition {
            Definition::Array(element, length) => {
                let element = usize::from(element % 7) + 1;
                self.bytes(&[1, 1, 0, 1]);
                self.int(element as i64);
                self.bytes(&[1]);
                self.int(i64::from(length % 16));
                vec![element]
            }
            Definition::List(element) => {
                self.bytes(&[2, 1, 0, 1]);
                self.int(self.id(*element) as i64);
                vec![self.id(*element)]
            }
            Definition::Struct(fields) => {
                self.bytes(&[3, 1, 1, 1, b'S', 0, 1]);
                self.uint(fields.len() as u64);
                for field in fields {
                    self.bytes(&[1, 1, b'F', 1]);
                    self.int(self.id(*field) as i64);
                    self.bytes(&[0]);
                }
                fields.iter().map(|field| self.id(*field)).collect()
            }
            Definition::Map(key, value) => {
                self.bytes(&[4, 1, 0, 1]);
                self.int(self.id(*key) as i64);
                self.bytes(&[1]);
                self.int(self.id(*value) as i64);
                vec![self.id(*key), self.id(*value)]
            }
            Definition::Opaque(kind) => {
                self.bytes(&[5 + kind % 3, 1, 0]);
                vec![]
            }
        };
        self.bytes(&[0, 0]);
        parts
    }

    fn alone(&mut self, id: usize, depth: usize) -> Value {
        let definition = id.checked_sub(FIRST_ID).map(|index| &self.definitions[index]);
        if !matches!(definition, Some(Definition::Struct(_))) {
            self.bytes(&[0]);
        }
        self.value(id, depth)
    }

    fn value(&mut self, id: usize, depth: usize) -> Value {
        let Some(index) = id.checked_sub(FIRST_ID) else { return self.builtin(id, depth) };
        let count = if depth < DEEPEST { self.decide() } else { 0 };
        match self.definitions[index].clone() {
            Definition::List(element) => {
                let element = self.id(element);
                self.uint(u64::from(count % 8));
                Value::List((0..count % 8).map(|_| self.value(element, depth + 1)).collect())
            }
            Definition::Array(element, length) => {
                self.uint(u64::from(length % 16));
                let element = usize::from(element % 7) + 1;
                Value::List((0..length % 16).map(|_| self.value(element, depth + 1)).collect())
            }
            Definition::Map(key, value) => {
                let (key, value) = (self.id(key), self.id(value));
                self.uint(u64::from(count % 8));
                let pair = |_| (self.value(key, depth + 1), self.value(value, depth + 1));
                Value::Map((0..count % 8).map(pair).collect())
            }
            Definition::Struct(fields) => self.structure(&fields, count, depth),
            Definition::Opaque(_) => Value::Opaque(self.run(count)),
        }
    }

    /// A structure of which every field is sent that `chosen` has a bit for.
    fn structure(&mut self, types: &[TypeChoice], chosen: u8, depth: usize) -> Value {
        let (mut fields, mut delta) = (Vec::new(), 1);
        for (number, ty) in types.iter().enumerate() {
            if chosen & 1 << (number % 8) == 0 {
                delta += 1;
                continue;
            }
            self.uint(delta);
            delta = 1;
            fields.push((Arc::from("F"), self.value(self.id(*ty), depth + 1)));
        }
        self.uint(0);
        Value::Struct { name: Arc::from("S"), fields }
    }

    fn builtin(&mut self, id: usize, depth: usize) -> Value {
        let byte = if depth < DEEPEST { self.decide() } else { 0 };
        let float = f64::from_bits(u64::from_be_bytes([byte; 8]));
        match id {
            1 => {
                self.uint(u64::from(byte & 1));
                Value::Bool(byte & 1 == 1)
            }
            2 => {
                let value = i64::from_be_bytes([byte, 0, 0, 0, 0, 0, 0, byte]);
                self.int(value);
                Value::Int(value)
            }
            3 => {
                let value = u64::from(byte) << (byte % 56);
                self.uint(value);
                Value::Uint(value)
            }
            4 => {
                self.uint(float.to_bits().swap_bytes());
                Value::Float(float)
            }
            5 => Value::Bytes(self.run(byte)),
            6 => Value::String(self.run(byte)),
            7 => {
                self.uint(float.to_bits().swap_bytes());
                self.uint(0);
                Value::Complex(float, 0.0)
            }
            _ => self.interface(byte, depth),
        }
    }

    fn interface(&mut self, choice: u8, depth: usize) -> Value {
        if choice == 0 {
            self.uint(0);
            return Value::Interface { name: String::new(), value: None };
        }
        self.bytes(&[1, b'I']);
        let id = self.id(TypeChoice(choice));
        self.define(id);
        self.int(id as i64);
        self.open.push(Vec::new());
        let value = self.alone(id, depth + 2);
        self.close();
        Value::Interface { name: "I".to_owned(), value: Some(Box::new(value)) }
    }

    /// Up to `count` of the bytes that are left to decide with.
    fn run(&mut self, count: u8) -> Vec<u8> {
        let (run, rest) = self.tape.split_at(usize::from(count).min(self.tape.len()));
        self.tape = rest;
        self.uint(run.len() as u64);
        self.bytes(run);
        run.to_vec()
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.open.last_mut().expect("a chunk is open").extend_from_slice(bytes);
    }

    fn int(&mut self, value: i64) {
        self.uint(((value << 1) ^ (value >> 63)) as u64);
    }

    fn uint(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        match &bytes[value.leading_zeros() as usize / 8..] {
            [] => self.bytes(&[0]),
            [small] if *small < 0x80 => self.bytes(&[*small]),
            many => {
                self.bytes(&[(many.len() as u8).wrapping_neg()]);
                self.bytes(many);
            }
        }
    }
}
