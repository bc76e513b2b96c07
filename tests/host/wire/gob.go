package wire

import (
	"encoding/binary"
	"math/bits"
)

// Claim is a gob length that no message can have: 2^60 bytes.
var Claim = append([]byte{0xf8}, binary.BigEndian.AppendUint64(nil, 1<<60)...)

func message(body []byte) []byte {
	return append(appendUint(nil, uint64(len(body))), body...)
}

// definition is a message that defines a type by what stands before and after the id that it mentions.
func definition(id int, before []byte, mentions int, after []byte) []byte {
	body := append(appendInt(nil, -id), before...)
	return message(append(appendInt(body, mentions), after...))
}

// cut splits the first message off a stream.
func cut(stream []byte) (first, rest []byte) {
	length, content := uintOf(stream)
	end := len(stream) - len(content) + int(length)
	return stream[:end], stream[end:]
}

func uintOf(b []byte) (uint64, []byte) {
	if b[0] < 128 {
		return uint64(b[0]), b[1:]
	}
	size := 256 - int(b[0])
	var value uint64
	for _, digit := range b[1 : 1+size] {
		value = value<<8 | uint64(digit)
	}
	return value, b[1+size:]
}

func appendUint(b []byte, value uint64) []byte {
	if value < 128 {
		return append(b, byte(value))
	}
	size := (bits.Len64(value) + 7) / 8
	b = append(b, byte(256-size))
	return append(b, binary.BigEndian.AppendUint64(nil, value)[8-size:]...)
}

func appendInt(b []byte, value int) []byte {
	if value < 0 {
		return appendUint(b, uint64(^value)<<1|1)
	}
	return appendUint(b, uint64(value)<<1)
}
