package sealed

import "testing"

func BenchmarkSelf(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			for b.Loop() {
				f, err := k.open()
				if err != nil {
					b.Skip(err)
				}
				f.Close()
			}
		})
	}
}
