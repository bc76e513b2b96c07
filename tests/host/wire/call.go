package wire

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"net/rpc"
	"reflect"
)

// The name of an argument of Plugin.Run in the contract, and those of the types that stand in for it, which are as long.
const contract = "RunArgs"

var standIns = map[reflect.Type]string{}

// Run encodes a call of Plugin.Run whose argument has the contract's name, but any type.
func Run(argument any) []byte {
	var stream bytes.Buffer
	encode(gob.NewEncoder(&stream), 0, argument)
	return underTheContract(argument, stream.Bytes())
}

// RunOf encodes two calls of Plugin.Run: an honest one that defines the type of the argument, and one whose argument has
// these bytes as its value.
func RunOf(argument any, value []byte) []byte {
	opening, header, front := honest(argument)
	forged := message(append(appendUint(front, uint64(len(value))), value...))
	return underTheContract(argument, bytes.Join([][]byte{opening, header, forged}, nil))
}

// Types encodes so many calls of Plugin.Type.
func Types(count int) []byte {
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	for seq := range count {
		must(encoder.Encode(rpc.Request{ServiceMethod: "Plugin.Type", Seq: uint64(seq)}))
		must(encoder.Encode(new(any)))
	}
	return stream.Bytes()
}

// Definitions are definitions of so many structs, from an id on. They are followed by no value.
func Definitions(first, count int) []byte {
	var stream []byte
	for id := first; id < first+count; id++ {
		// wireType{2: StructT{0: CommonType{0: Name, 1: Id}}}.
		stream = append(stream, definition(id, []byte{3, 1, 1, 3, 'a', 'n', 'y', 1}, id, []byte{0, 0, 0})...)
	}
	return stream
}

// Tower is a call whose argument is a list of lists of lists, each a type of its own.
func Tower(levels int) []byte {
	const first, ofBool = 1000, 1
	stream := header()
	for level := range levels {
		stream = append(stream, sliceType(first+level, first+level+1)...)
	}
	stream = append(stream, sliceType(first+levels, ofBool)...)
	value := append(appendInt(nil, first), 0)
	return append(stream, message(append(append(value, bytes.Repeat([]byte{1}, levels)...), 0))...)
}

// Wide is the definition of a struct of so many fields.
func Wide(fields int) []byte {
	body := append(appendInt(nil, -1000), 3, 2) // wireType{2: StructT{1: Field}}.
	body = appendUint(body, uint64(fields))
	body = append(body, bytes.Repeat([]byte{1, 1, 'f', 1, 4, 0}, fields)...)
	return append(header(), message(append(body, 0, 0))...)
}

func sliceType(id, element int) []byte {
	return definition(id, []byte{2, 2}, element, []byte{0, 0}) // wireType{1: SliceT{1: Elem}}.
}

func header() []byte {
	var stream bytes.Buffer
	must(gob.NewEncoder(&stream).Encode(rpc.Request{ServiceMethod: "Plugin.Run"}))
	return stream.Bytes()
}

// honest is a whole call, then the header of a second one, then what stands before the length and the value of its argument:
// that an interface follows, the name of its type, the id of its type.
func honest(argument any) (opening, header, front []byte) {
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	encode(encoder, 0, argument)
	end := stream.Len()
	encode(encoder, 1, argument)
	header, body := cut(stream.Bytes()[end:])
	_, body = uintOf(body)
	_, value := uintOf(body[3+len(contract):])
	return stream.Bytes()[:end:end], header, bytes.Clone(body[:len(body)-len(value)])
}

func encode(encoder *gob.Encoder, seq uint64, argument any) {
	standIn(argument)
	must(encoder.Encode(rpc.Request{ServiceMethod: "Plugin.Run", Seq: seq}))
	must(encoder.Encode(&argument))
}

// standIn registers the type of an argument: gob wants a name for each.
func standIn(argument any) string {
	kind := reflect.TypeOf(argument)
	if standIns[kind] == "" {
		standIns[kind] = fmt.Sprintf("RunAr%02d", len(standIns))
		gob.RegisterName(standIns[kind], argument)
	}
	return standIns[kind]
}

func underTheContract(argument any, stream []byte) []byte {
	return bytes.ReplaceAll(stream, []byte(standIn(argument)), []byte(contract))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
