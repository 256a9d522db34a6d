package wire_test

import (
	"bytes"
	"reflect"
	"testing"

	"mydocker/internal/wire"
)

// message has one of each kind of field.
type message struct {
	Name    string
	Numbers []int32
	Flag    bool
	Bytes   []byte
	Map     map[string]uint64
	Pointer *message
	Array   [2]uint16
	Inner   struct{ A, B int8 }
}

func messages() []message {
	return []message{
		{},
		{Name: "name", Numbers: []int32{-1, 1 << 30}, Flag: true, Bytes: []byte{0, 255}, Map: map[string]uint64{"a": 1}, Array: [2]uint16{1, 2}},
		{Pointer: &message{Name: "inner", Pointer: &message{}}},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, m := range messages() {
		var back message
		if err := wire.Unmarshal(wire.Marshal(nil, m), &back); err != nil || !bytes.Equal(wire.Marshal(nil, back), wire.Marshal(nil, m)) {
			t.Errorf("%+v came back as %+v, %v", m, back, err)
		}
	}
}

// What another process sends is refused, or is a message that goes on as the same.
func FuzzUnmarshal(f *testing.F) {
	for _, m := range messages() {
		f.Add(wire.Marshal(nil, m))
	}
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 127})
	f.Add([]byte{0, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again message
		if wire.Unmarshal(b, &m) != nil {
			return
		}
		if err := wire.Unmarshal(wire.Marshal(nil, m), &again); err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%+v came back as %+v, %v", m, again, err)
		}
	})
}
