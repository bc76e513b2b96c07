package wire

import (
	"bytes"
	"slices"
)

// Deep is the value of a struct whose first field is a struct whose first field is a struct, and so on.
func Deep(levels int) []byte {
	return append(bytes.Repeat([]byte{1}, levels), make([]byte, levels+1)...)
}

// Nested is the value of a struct whose first field is a list of one list of one list, and so on.
func Nested(levels int) []byte {
	return append(bytes.Repeat([]byte{1}, levels), 0, 0)
}

// Boxed is the value of a struct whose first field is an interface that holds the same struct, and so on.
func Boxed(argument any, levels int) []byte {
	_, _, front := honest(argument)
	front = slices.Concat([]byte{1}, front[2:]) // A field, not a message: only name and type.
	size := 1                                   // The innermost struct is empty.
	fronts := make([][]byte, levels)
	for level := range fronts {
		fronts[level] = appendUint(slices.Clone(front), uint64(size))
		size += len(fronts[level]) + 1
	}
	slices.Reverse(fronts)
	return append(bytes.Join(fronts, nil), make([]byte, levels+1)...)
}
