package libinit

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"

	"mydocker/internal/wire"
)

// kinds lists one value of each type of step. A step crosses to init as its place in this list and its fields.
func kinds() []Step { return append(rootKinds(), processKinds()...) }

// Encode encodes the plan for init.
func (p Plan) Encode() []byte {
	all := kinds()
	b := binary.AppendVarint(make([]byte, 0, 4<<10+stepSize*len(p)), int64(len(p)))
	for i := range p {
		e := &p[i]
		kind := reflect.TypeOf(e.Step)
		place := slices.IndexFunc(all, func(s Step) bool { return reflect.TypeOf(s) == kind })
		if place < 0 {
			panic(fmt.Sprintf("libinit: %T is not among the kinds of steps", e.Step))
		}
		b = binary.AppendVarint(b, int64(place))
		b = wire.Append(b, reflect.ValueOf(&e.Field).Elem())
		b = wire.Append(b, reflect.ValueOf(e.Step).Elem())
	}
	return b
}

// stepSize is about what a step takes, in bytes.
const stepSize = 64

// Decode is the reverse of Encode.
func Decode(b []byte) (Plan, error) {
	d := wire.NewDecoder(b)
	var n int
	if err := d.Decode(&n); err != nil || n < 0 || n > len(b) {
		return nil, wire.ErrMalformed
	}
	all := kinds()
	plan := make(Plan, n)
	var place int
	for i := range plan {
		if err := d.Decode(&place); err != nil || place < 0 || place >= len(all) {
			return nil, wire.ErrMalformed
		}
		if err := d.Decode(&plan[i].Field); err != nil {
			return nil, err
		}
		step := reflect.New(reflect.TypeOf(all[place]).Elem())
		if err := d.Decode(step.Interface()); err != nil {
			return nil, err
		}
		plan[i].Step = step.Interface().(Step)
	}
	return plan, d.End()
}
