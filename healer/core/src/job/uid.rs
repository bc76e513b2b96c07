//! Uids of Jobs, of which there may be a hundred thousand.

use std::fmt;

use uuid::Uuid;

use super::Mark;

/// The uid of a Job. An API server makes UUIDs: sixteen bytes then, where the text would take four times as many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(Form);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    Uuid([u8; 16]),
    Other(Box<str>),
}

impl Uid {
    /// The uid that is written like that.
    pub fn of(text: &str) -> Self {
        let uuid = Uuid::try_parse(text)
            .ok()
            .filter(|uuid| hyphenated(*uuid, &mut Uuid::encode_buffer()) == text);
        Self(uuid.map_or_else(
            || Form::Other(text.into()),
            |uuid| Form::Uuid(uuid.into_bytes()),
        ))
    }

    pub(crate) fn mark(&self) -> Mark {
        match &self.0 {
            Form::Uuid(bytes) => {
                let (high, low) = Uuid::from_bytes(*bytes).as_u64_pair();
                Mark::from_hash(high ^ low)
            }
            Form::Other(text) => Mark::of(text),
        }
    }
}

fn hyphenated(uuid: Uuid, buffer: &mut [u8]) -> &str {
    uuid.as_hyphenated().encode_lower(buffer)
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Uuid(bytes) => f.write_str(hyphenated(
                Uuid::from_bytes(*bytes),
                &mut Uuid::encode_buffer(),
            )),
            Form::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_was_read() {
        let usual = "5c1c1f0a-8f0e-4d2b-9f57-00000000beef";
        let odd = [
            "",
            "u1",
            "5C1C1F0A-8F0E-4D2B-9F57-00000000BEEF",
            "5c1c1f0a8f0e4d2b9f5700000000beef",
        ];
        for text in odd.into_iter().chain([usual]) {
            let uid = Uid::of(text);
            assert_eq!(uid.to_string(), text);
            assert_eq!(matches!(uid.0, Form::Uuid(_)), text == usual);
            assert_eq!(uid.mark(), Uid::of(text).mark());
        }
        assert_ne!(Uid::of(usual).mark(), Uid::of(odd[2]).mark());
    }
}
