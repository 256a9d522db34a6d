package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// racing makes containers while two names of the root filesystem are exchanged, in full for mydocker more than 10,000
// times, and until something breaks.
func (v *victim) racing(a, b string, once func(round int)) {
	limit, least := 4*time.Second, 8
	if v.ours() {
		limit, least = 20*time.Second, 40
	}
	r := v.race(v.root(a), v.root(b))
	begin := time.Now()
	rounds := 0
	for ; v.broken == "" && (rounds < least || time.Since(begin) < limit) && time.Since(begin) < 4*limit; rounds++ {
		once(rounds)
	}
	n := r.stop()
	v.t.Logf("%d containers, %d exchanges, in %.1f s", rounds, n, time.Since(begin).Seconds())
}

// exchangedTarget exchanges the directory of a mount's target for a link that leads out. A mount that went out is seen
// by the recursive bind that comes after it: the source is then what the attacker has mounted.
func exchangedTarget(v *victim) {
	v.must(os.MkdirAll(v.root("volume/dir/sub"), 0o755))
	v.link("volume/link", v.outside)
	v.tmpfs("/volume/dir/sub")
	v.bind(v.outside, "/mnt", "rbind")
	shows := func(file string) func(int) {
		return func(int) {
			r := v.run("show", file)
			if !r.failed() && !strings.Contains(r.out, `"host"`) {
				v.breaks("a mount went over a directory of the host: %s", r.out)
			}
			v.judge()
		}
	}
	v.racing("volume/dir", "volume/link", shows("/mnt/sub/file"))
	// The same with a target beside the one before.
	v.newBundle()
	fake := filepath.Join(v.dir, "fake")
	v.must(os.MkdirAll(fake, 0o755))
	v.must(os.MkdirAll(v.root("volume/dir"), 0o755))
	v.link("volume/link", v.outside)
	v.bind(fake, "/volume/before")
	v.bind(fake, "/volume/dir")
	v.bind(v.outside, "/mnt", "rbind")
	v.racing("volume/dir", "volume/link", shows("/mnt/file"))
	// The directory that the two are in leads into /proc by the time that it is looked up.
	v.newBundle()
	v.must(os.MkdirAll(v.root("volume/attr"), 0o755))
	v.must(os.MkdirAll(v.root("volume/before"), 0o755))
	v.link("led", "/proc/self")
	v.bind(fake, "/volume/before")
	v.bind(fake, "/volume/attr")
	v.racing("volume", "led", func(int) {
		r := v.run("filesystem", "/proc/self/attr")
		if !r.failed() && !strings.Contains(r.out, "0x9fa0 <nil>") {
			v.breaks("a volume lies in /proc: %s", r.out)
		}
	})
	v.refused = "" // some are made, some not
}

// exchangedMkdir exchanges the directory in which directories and files are made.
func exchangedMkdir(v *victim) {
	v.must(os.MkdirAll(v.root("volume/dir"), 0o755))
	v.link("volume/link", strings.Repeat("../", 24)+strings.TrimPrefix(v.outside, "/"))
	base := v.spec.Mounts
	v.racing("volume/dir", "volume/link", func(round int) {
		v.spec.Mounts = base
		for i := range 8 {
			v.tmpfs(fmt.Sprintf("/volume/dir/new%d/%d/x/y", round, i))
		}
		v.bind(filepath.Join(v.bundle, "config.json"), fmt.Sprintf("/volume/dir/file%d", round))
		v.run("true")
		v.judge()
	})
	v.refused = ""
}

// exchangedProc exchanges /proc for a link to another directory.
func exchangedProc(v *victim) {
	v.must(os.MkdirAll(v.root("other"), 0o755))
	v.link("link", "/other")
	v.racing("proc", "link", func(int) { v.run("masks", "/proc", "/link", "/other") })
	v.must(os.RemoveAll(v.root("link")))
	v.newBundle()
	v.must(os.MkdirAll(v.root("other"), 0o755))
	v.racing("proc", "other", func(int) { v.run("masks", "/proc", "/other") })
	v.refused = ""
}

// exchangedNull exchanges the null device for a link, which is made anew each time: a runtime may have put a device in its
// place.
func exchangedNull(v *victim) {
	v.decoys()
	v.file("dev/null", "")
	v.link("dev/wrong", "/decoy")
	v.racing("dev/null", "dev/wrong", func(int) {
		v.link("dev/next", "/decoy")
		v.must(os.Rename(v.root("dev/next"), v.root("dev/wrong")))
		v.maskShows(v.run("show", "/proc/version"))
	})
	v.refused = ""
}

// exchangedSysctl exchanges /proc for a directory of the attacker's.
func exchangedSysctl(v *victim) {
	v.fakeProc()
	v.racing("proc", "fake", func(int) {
		v.run("true")
		v.judgeFake()
	})
	v.refused = ""
}
