package libinit

import (
	"fmt"
	"reflect"

	"mydocker/internal/wire"
)

// kinds lists one value of each type of step. A step crosses to init as its place in this list and its fields.
func kinds() []Step { return append(rootKinds(), processKinds()...) }

// Encode encodes the plan for init.
func (p Plan) Encode() []byte {
	places := map[reflect.Type]int{}
	for i, s := range kinds() {
		places[reflect.TypeOf(s)] = i
	}
	b := wire.Marshal(nil, len(p))
	for _, e := range p {
		place, ok := places[reflect.TypeOf(e.Step)]
		if !ok {
			panic(fmt.Sprintf("libinit: %T is not among the kinds of steps", e.Step))
		}
		b = wire.Marshal(b, place)
		b = wire.Marshal(b, e.Field)
		b = wire.Marshal(b, reflect.ValueOf(e.Step).Elem().Interface())
	}
	return b
}

// Decode is the reverse of Encode.
func Decode(b []byte) (Plan, error) {
	var n int
	b, err := wire.Decode(b, &n)
	if err != nil || n < 0 || n > len(b) {
		return nil, wire.ErrMalformed
	}
	all := kinds()
	plan := make(Plan, n)
	for i := range plan {
		var place int
		if b, err = wire.Decode(b, &place); err != nil || place < 0 || place >= len(all) {
			return nil, wire.ErrMalformed
		}
		if b, err = wire.Decode(b, &plan[i].Field); err != nil {
			return nil, err
		}
		step := reflect.New(reflect.TypeOf(all[place]).Elem())
		if b, err = wire.Decode(b, step.Interface()); err != nil {
			return nil, err
		}
		plan[i].Step = step.Interface().(Step)
	}
	if len(b) > 0 {
		return nil, wire.ErrMalformed
	}
	return plan, nil
}
