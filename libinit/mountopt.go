package libinit

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mountOptions is what the option strings of one mount ask for.
type mountOptions struct {
	set, clear       uint64 // MOUNT_ATTR_* of the mount itself, mount_setattr(2)
	recSet, recClear uint64 // the same for the mount and all below it
	super, superNot  uint64 // MS_* flags of the superblock
	propagation      []uint64
	bind, recursive  bool
	remount, copyUp  bool
	idmap, recIDMap  bool
	attributes       bool     // an option names one of set and clear
	setsAtime        bool     // an option in force says how access times are kept
	data             []string // what the filesystem has to know
}

type optionKind uint8

const (
	optNothing optionKind = iota
	optSet
	optClear
	optRecSet
	optRecClear
	optAtime
	optNoAtime
	optRecAtime
	optRecNoAtime
	optSuper
	optSuperNot
	optPropagation
	optBind
	optRemount
	optCopyUp
	optIDMap
)

type mountOption struct {
	name string
	kind optionKind
	flag uint64
}

// optionTable has the options that are not the filesystem's own, sorted by name (config.md, "Linux mount options").
var optionTable = [...]mountOption{
	{"async", optSuperNot, unix.MS_SYNCHRONOUS},
	{"atime", optNoAtime, unix.MOUNT_ATTR_NOATIME},
	{"bind", optBind, 0},
	{"defaults", optNothing, 0},
	{"dev", optClear, unix.MOUNT_ATTR_NODEV},
	{"diratime", optClear, unix.MOUNT_ATTR_NODIRATIME},
	{"dirsync", optSuper, unix.MS_DIRSYNC},
	{"exec", optClear, unix.MOUNT_ATTR_NOEXEC},
	{"iversion", optSuper, unix.MS_I_VERSION},
	{"lazytime", optSuper, unix.MS_LAZYTIME},
	{"loud", optSuperNot, unix.MS_SILENT},
	{"mand", optSuper, unix.MS_MANDLOCK},
	{"noatime", optAtime, unix.MOUNT_ATTR_NOATIME},
	{"nodev", optSet, unix.MOUNT_ATTR_NODEV},
	{"nodiratime", optSet, unix.MOUNT_ATTR_NODIRATIME},
	{"noexec", optSet, unix.MOUNT_ATTR_NOEXEC},
	{"noiversion", optSuperNot, unix.MS_I_VERSION},
	{"nolazytime", optSuperNot, unix.MS_LAZYTIME},
	{"nomand", optSuperNot, unix.MS_MANDLOCK},
	{"norelatime", optNoAtime, unix.MOUNT_ATTR_RELATIME},
	{"nostrictatime", optNoAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"nosuid", optSet, unix.MOUNT_ATTR_NOSUID},
	{"nosymfollow", optSet, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"private", optPropagation, unix.MS_PRIVATE},
	{"ratime", optRecNoAtime, unix.MOUNT_ATTR_NOATIME},
	{"rbind", optBind, unix.MS_REC},
	{"rdev", optRecClear, unix.MOUNT_ATTR_NODEV},
	{"rdiratime", optRecClear, unix.MOUNT_ATTR_NODIRATIME},
	{"relatime", optAtime, unix.MOUNT_ATTR_RELATIME},
	{"remount", optRemount, 0},
	{"rexec", optRecClear, unix.MOUNT_ATTR_NOEXEC},
	{"rnoatime", optRecAtime, unix.MOUNT_ATTR_NOATIME},
	{"rnodev", optRecSet, unix.MOUNT_ATTR_NODEV},
	{"rnodiratime", optRecSet, unix.MOUNT_ATTR_NODIRATIME},
	{"rnoexec", optRecSet, unix.MOUNT_ATTR_NOEXEC},
	{"rnorelatime", optRecNoAtime, unix.MOUNT_ATTR_RELATIME},
	{"rnostrictatime", optRecNoAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"rnosuid", optRecSet, unix.MOUNT_ATTR_NOSUID},
	{"rnosymfollow", optRecSet, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"ro", optSet, unix.MOUNT_ATTR_RDONLY},
	{"rprivate", optPropagation, unix.MS_PRIVATE | unix.MS_REC},
	{"rrelatime", optRecAtime, unix.MOUNT_ATTR_RELATIME},
	{"rro", optRecSet, unix.MOUNT_ATTR_RDONLY},
	{"rrw", optRecClear, unix.MOUNT_ATTR_RDONLY},
	{"rshared", optPropagation, unix.MS_SHARED | unix.MS_REC},
	{"rslave", optPropagation, unix.MS_SLAVE | unix.MS_REC},
	{"rstrictatime", optRecAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"rsuid", optRecClear, unix.MOUNT_ATTR_NOSUID},
	{"rsymfollow", optRecClear, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"runbindable", optPropagation, unix.MS_UNBINDABLE | unix.MS_REC},
	{"rw", optClear, unix.MOUNT_ATTR_RDONLY},
	{"shared", optPropagation, unix.MS_SHARED},
	{"silent", optSuper, unix.MS_SILENT},
	{"slave", optPropagation, unix.MS_SLAVE},
	{"strictatime", optAtime, unix.MOUNT_ATTR_STRICTATIME},
	{"suid", optClear, unix.MOUNT_ATTR_NOSUID},
	{"symfollow", optClear, unix.MOUNT_ATTR_NOSYMFOLLOW},
	{"sync", optSuper, unix.MS_SYNCHRONOUS},
	{"tmpcopyup", optCopyUp, 0},
	{"unbindable", optPropagation, unix.MS_UNBINDABLE},
}

// MountOptions lists the mount options that are not passed to the filesystem, sorted, as `features` prints them.
// The options idmap and ridmap are not among them: the features document has a field of its own for id mappings.
func MountOptions() []string {
	names := make([]string, len(optionTable))
	for i, o := range optionTable {
		names[i] = o.name
	}
	return names
}

func findOption(name string) mountOption {
	i, ok := slices.BinarySearchFunc(optionTable[:], name, func(o mountOption, name string) int {
		return strings.Compare(o.name, name)
	})
	switch {
	case ok:
		return optionTable[i]
	case name == "idmap":
		return mountOption{name, optIDMap, 0}
	case name == "ridmap":
		return mountOption{name, optIDMap, unix.MS_REC}
	}
	return mountOption{}
}

// parseMountOptions reads the options of a mount. Of options that contradict each other the last one wins, as with
// mount(8). What is not known belongs to the filesystem.
func parseMountOptions(options []string) mountOptions {
	var m mountOptions
	for _, name := range options {
		if name == "" {
			continue
		}
		if o := findOption(name); o.name != "" {
			m.apply(o)
		} else {
			m.data = append(m.data, name)
		}
	}
	return m
}

func (m *mountOptions) apply(o mountOption) {
	switch o.kind {
	case optSet, optClear, optAtime, optNoAtime:
		m.attributes = true
	}
	switch o.kind {
	case optSet:
		m.set, m.clear = m.set|o.flag, m.clear&^o.flag
	case optClear:
		m.set, m.clear = m.set&^o.flag, m.clear|o.flag
	case optRecSet:
		m.recSet, m.recClear = m.recSet|o.flag, m.recClear&^o.flag
	case optRecClear:
		m.recSet, m.recClear = m.recSet&^o.flag, m.recClear|o.flag
	case optAtime:
		setAtime(&m.set, &m.clear, o.flag)
		m.setsAtime = true
	case optNoAtime:
		m.setsAtime = m.setsAtime && m.set&unix.MOUNT_ATTR__ATIME != o.flag
		unsetAtime(&m.set, &m.clear, o.flag)
	case optRecAtime:
		setAtime(&m.recSet, &m.recClear, o.flag)
	case optRecNoAtime:
		unsetAtime(&m.recSet, &m.recClear, o.flag)
	case optSuper:
		m.super, m.superNot = m.super|o.flag, m.superNot&^o.flag
	case optSuperNot:
		m.super, m.superNot = m.super&^o.flag, m.superNot|o.flag
	case optPropagation:
		m.propagation = append(m.propagation, o.flag)
	case optBind:
		m.bind, m.recursive = true, o.flag != 0
	case optRemount:
		m.remount = true
	case optCopyUp:
		m.copyUp = true
	case optIDMap:
		m.idmap, m.recIDMap = true, o.flag != 0
	}
}

// setAtime sets the one of the exclusive ways to keep access times. They are one number, not bits: to change it,
// mount_setattr(2) wants the whole field cleared.
func setAtime(set, clear *uint64, flag uint64) {
	*set = *set&^unix.MOUNT_ATTR__ATIME | flag
	*clear |= unix.MOUNT_ATTR__ATIME
}

// unsetAtime drops one way to keep access times; what remains is the kernel's default, relatime.
func unsetAtime(set, clear *uint64, flag uint64) {
	if *set&unix.MOUNT_ATTR__ATIME == flag {
		*set &^= unix.MOUNT_ATTR__ATIME
	}
	*clear |= unix.MOUNT_ATTR__ATIME
}

// superNames are the superblock flags that fsconfig(2) takes by name. What it has no name for (iversion, silent)
// only mount(2) can set.
var superNames = [...]struct {
	flag    uint64
	on, off string
}{
	{unix.MS_SYNCHRONOUS, "sync", "async"},
	{unix.MS_DIRSYNC, "dirsync", ""},
	{unix.MS_LAZYTIME, "lazytime", "nolazytime"},
	{unix.MS_MANDLOCK, "mand", "nomand"},
}

// oldAttr gives the flags of mount(2) for attributes of mount_setattr(2).
func oldAttr(attr uint64) uintptr {
	var flags uintptr
	for _, f := range [...]struct{ attr, flag uint64 }{
		{unix.MOUNT_ATTR_RDONLY, unix.MS_RDONLY},
		{unix.MOUNT_ATTR_NOSUID, unix.MS_NOSUID},
		{unix.MOUNT_ATTR_NODEV, unix.MS_NODEV},
		{unix.MOUNT_ATTR_NOEXEC, unix.MS_NOEXEC},
		{unix.MOUNT_ATTR_NOATIME, unix.MS_NOATIME},
		{unix.MOUNT_ATTR_STRICTATIME, unix.MS_STRICTATIME},
		{unix.MOUNT_ATTR_NODIRATIME, unix.MS_NODIRATIME},
		{unix.MOUNT_ATTR_NOSYMFOLLOW, unix.MS_NOSYMFOLLOW},
	} {
		if attr&f.attr != 0 {
			flags |= uintptr(f.flag)
		}
	}
	return flags
}
