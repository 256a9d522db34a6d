package main

import (
	"strconv"
	"strings"
	"testing"
)

func TestParseUser(t *testing.T) {
	for s, want := range map[string][2]int64{"0": {0, -1}, "1000": {1000, -1}, "1:2": {1, 2}, "4294967294:0": {4294967294, 0}} {
		uid, gid, err := parseUser(s)
		if err != nil || int64(uid) != want[0] || (gid == nil) != (want[1] < 0) || gid != nil && int64(*gid) != want[1] {
			t.Errorf("%q: got %d, %v, %v", s, uid, gid, err)
		}
	}
	for _, s := range []string{
		"", ":", "1:", ":1", "root", "root:root", "-1", "+1", "1 ", " 1", "0x1", "1_0", "1:2:3", "4294967295", "4294967296",
		"1:4294967295", "99999999999999999999", "1\n", "٣",
	} {
		if uid, gid, err := parseUser(s); err == nil {
			t.Errorf("%q became %d, %v", s, uid, gid)
		}
	}
}

// FuzzUser holds that what is accepted is what is written: nothing else may become a user, root least of all
// (CVE-2016-3697).
func FuzzUser(f *testing.F) {
	for _, s := range []string{"0", "1:2", "root", "", ":", "0x0", "00", "4294967295"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uid, gid, err := parseUser(s)
		if err != nil {
			return
		}
		got := strconv.FormatUint(uint64(uid), 10)
		if gid != nil {
			got += ":" + strconv.FormatUint(uint64(*gid), 10)
		}
		if got != withoutZeros(s) {
			t.Errorf("%q became %s", s, got)
		}
	})
}

// withoutZeros takes zeros in front away, which a number may have.
func withoutZeros(s string) string {
	parts := strings.Split(s, ":")
	for i, p := range parts {
		if parts[i] = strings.TrimLeft(p, "0"); parts[i] == "" && p != "" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, ":")
}
