package wire

import (
	"bytes"
	"encoding/gob"
	"net/rpc"
	"testing"
)

type (
	chain   struct{ Next *chain }
	chained struct{ First *chain }
	box     struct{ Inner any }
)

// What is forged must be well-formed, else a decoder refuses it for another reason than its depth.

func TestADeepValueIsOneThatGobReads(t *testing.T) {
	levels := 0
	for link := decoded[chained](t, RunOf(chained{&chain{}}, Deep(100))).First; link != nil; link = link.Next {
		levels++
	}
	if levels != 100 {
		t.Errorf("%d levels were read, not 100", levels)
	}
}

func TestABoxedValueIsOneThatGobReads(t *testing.T) {
	levels := 0
	for inner := decoded[box](t, RunOf(box{}, Boxed(box{}, 100))).Inner; inner != nil; inner = inner.(box).Inner {
		levels++
	}
	if levels != 100 {
		t.Errorf("%d levels were read, not 100", levels)
	}
}

func TestATowerIsOneThatGobReads(t *testing.T) {
	decoder := gob.NewDecoder(bytes.NewReader(Tower(3)))
	var tower [][][][]bool
	if err := decoder.Decode(&rpc.Request{}); err != nil {
		t.Fatal(err)
	}
	if err := decoder.Decode(&tower); err != nil {
		t.Fatal(err)
	}
	if len(tower) != 1 || len(tower[0]) != 1 || len(tower[0][0]) != 1 {
		t.Errorf("read %v", tower)
	}
}

// decoded is the argument of the second call in a stream.
func decoded[T any](t *testing.T, stream []byte) T {
	t.Helper()
	var none T
	stream = bytes.ReplaceAll(stream, []byte(contract), []byte(standIn(none)))
	decoder := gob.NewDecoder(bytes.NewReader(stream))
	var argument any
	for range 2 {
		if err := decoder.Decode(&rpc.Request{}); err != nil {
			t.Fatal(err)
		}
		argument = nil
		if err := decoder.Decode(&argument); err != nil {
			t.Fatal(err)
		}
	}
	return argument.(T)
}
