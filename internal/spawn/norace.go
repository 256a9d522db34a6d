//go:build !race

package spawn

const raced = false
