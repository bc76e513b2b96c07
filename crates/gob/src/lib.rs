//! Encoder and decoder of the encoding/gob format of Go.
