package rdt

type Saved struct{}
type Group struct{}

func Load(*Saved) *Group                 { return &Group{} }
func (*Group) Join(int) error            { return nil }
func (*Group) Delete() error             { return nil }
func (*Group) Update(a, b *string) error { return nil }
