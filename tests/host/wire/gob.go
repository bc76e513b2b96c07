package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"math/bits"
	"net/rpc"
	"reflect"
)

// Claim is a gob length that no message can have: 2^60 bytes.
var Claim = append([]byte{0xf8}, binary.BigEndian.AppendUint64(nil, 1<<60)...)

// names of the types that stand in for RunArgs: gob wants one for each.
var names = map[reflect.Type]string{}

// Run encodes a call of Plugin.Run whose argument has the contract's name, and a type and value of our choice.
func Run(argument any) []byte {
	name := standIn(argument)
	var stream bytes.Buffer
	encode(gob.NewEncoder(&stream), 0, argument)
	return bytes.Replace(stream.Bytes(), []byte(name), []byte("RunArgs"), 1)
}

// RunOf encodes two calls of Plugin.Run: an honest one that defines the type of the argument, and one whose argument has
// these bytes as its value.
func RunOf(argument any, value []byte) []byte {
	name := standIn(argument)
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	encode(encoder, 0, argument)
	defined := stream.Len()
	encode(encoder, 1, argument)
	honest := append([]byte{}, stream.Bytes()[:defined]...)
	header, body := cut(stream.Bytes()[defined:])
	forged := append(append(honest, header...), forge(body, name, value)...)
	return bytes.ReplaceAll(forged, []byte(name), []byte("RunArgs"))
}

// Types encodes so many calls of Plugin.Type.
func Types(count int) []byte {
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	for seq := range count {
		if err := encoder.Encode(rpc.Request{ServiceMethod: "Plugin.Type", Seq: uint64(seq)}); err != nil {
			panic(err)
		}
		if err := encoder.Encode(new(any)); err != nil {
			panic(err)
		}
	}
	return stream.Bytes()
}

// Deep is the value of a struct whose first field is a struct whose first field is a struct, and so on.
func Deep(levels int) []byte {
	return append(bytes.Repeat([]byte{1}, levels), make([]byte, levels+1)...)
}

// Nested is the value of a struct whose first field is a list of one list of one list, and so on.
func Nested(levels int) []byte {
	return append(bytes.Repeat([]byte{1}, levels), 0, 0)
}

// Definitions is a stream of type definitions without a value, from a first id on.
func Definitions(first, count int) []byte {
	var stream []byte
	for id := first; id < first+count; id++ {
		// -id, then wireType{2: StructT{0: CommonType{0: Name, 1: Id}}}.
		body := appendUint(nil, uint64(id)<<1-1)
		body = append(body, 3, 1, 1, 100)
		body = append(body, bytes.Repeat([]byte{'x'}, 100)...)
		body = append(body, 1)
		body = appendUint(body, uint64(id)<<1)
		body = append(body, 0, 0, 0)
		stream = append(appendUint(stream, uint64(len(body))), body...)
	}
	return stream
}

// standIn registers the type of an argument under a name as long as that of the contract.
func standIn(argument any) string {
	kind := reflect.TypeOf(argument)
	if names[kind] == "" {
		names[kind] = fmt.Sprintf("RunAr%02d", len(names))
		gob.RegisterName(names[kind], argument)
	}
	return names[kind]
}

func encode(encoder *gob.Encoder, seq uint64, argument any) {
	if err := encoder.Encode(rpc.Request{ServiceMethod: "Plugin.Run", Seq: seq}); err != nil {
		panic(err)
	}
	if err := encoder.Encode(&argument); err != nil {
		panic(err)
	}
}

// forge replaces the value in a message that holds an interface: 16, 0, name, concrete id, length, value.
func forge(message []byte, name string, value []byte) []byte {
	_, content := uintOf(message)
	_, rest := uintOf(content[3+len(name):])
	body := append([]byte{}, content[:len(content)-len(rest)]...)
	body = append(appendUint(body, uint64(len(value))), value...)
	return append(appendUint(nil, uint64(len(body))), body...)
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
