// Package wire writes yamux frames by hand: those that a well-behaved peer would never send.
package wire

import "encoding/binary"

// Kinds of frames.
const (
	Data byte = iota
	WindowUpdate
	Ping
	GoAway
)

// Flags of frames.
const (
	SYN uint16 = 1 << iota
	ACK
	FIN
	RST
)

// Frame is a header of twelve bytes. What follows a Data frame is its payload.
type Frame struct {
	Version byte
	Kind    byte
	Flags   uint16
	Stream  uint32
	// Length of the payload, credit, opaque value or reason, by kind.
	Length uint32
}

// Bytes of the header.
func (f Frame) Bytes() []byte {
	b := []byte{f.Version, f.Kind}
	b = binary.BigEndian.AppendUint16(b, f.Flags)
	b = binary.BigEndian.AppendUint32(b, f.Stream)
	return binary.BigEndian.AppendUint32(b, f.Length)
}

// Open is the frame that opens a stream.
func Open(stream uint32) []byte {
	return Frame{Kind: WindowUpdate, Flags: SYN, Stream: stream}.Bytes()
}

// Control opens the three streams that every session has: control, stdout, stderr.
func Control() []byte {
	return append(append(Open(1), Open(3)...), Open(5)...)
}
